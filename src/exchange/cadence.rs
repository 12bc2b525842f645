//! How often things are done and how long is waited for them.
//!
//! Owns: every interval and deadline of the exchange room, in one place.
//! Must not know: what is done.

use std::time::Duration;

/// Intervals and deadlines. The default is what production uses; a simulation that runs faster
/// than life brings its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cadence {
    /// TCP connect, each address of a host together.
    pub connect: Duration,
    /// TLS and WebSocket handshake.
    pub handshake: Duration,
    /// A REST call from connect to the last byte.
    pub request: Duration,
    /// Our own ping.
    pub ping: Duration,
    /// Answer to our ping, or data in its place.
    pub pong: Duration,
    /// Longest silence of a stream that ticks every second.
    pub mark_silence: Duration,
    /// Shortest time between two connects of one stream kind.
    pub connect_gap: Duration,
    /// First pause before a reconnect.
    pub backoff_min: Duration,
    /// Largest pause before a reconnect, before jitter, which at most doubles it: some 100 connects
    /// in five minutes of an outage, of the 300 that are allowed, and back within 5 s of its end.
    pub backoff_stream_max: Duration,
    /// Largest pause after a failed read, before jitter. The heaviest read then takes a quarter of
    /// the weight that is ours, and a read succeeds within 10 s of an outage's end.
    pub backoff_read_max: Duration,
    /// A connection that lived this long resets the pause.
    pub healthy: Duration,
    /// Planned change of connection, less up to [`Cadence::rotation_spread`].
    pub rotation: Duration,
    /// Spread of the planned change.
    pub rotation_spread: Duration,
    /// Between two control messages on a stream.
    pub control: Duration,
    /// `PUT listenKey`.
    pub key_keepalive: Duration,
    /// `POST listenKey` to compare the key.
    pub key_compare: Duration,
    /// Without a confirmed keepalive for this long the key counts as lapsed.
    pub key_lapse: Duration,
    /// Account and positions while exposed.
    pub account_exposed: Duration,
    /// Account and positions while nothing is at stake.
    pub account_idle: Duration,
    /// Both order books.
    pub orders: Duration,
    /// Last prices and best bids and asks of the symbols that matter.
    pub quotes: Duration,
    /// Account and symbol settings.
    pub config: Duration,
    /// What the key may do.
    pub key_permissions: Duration,
    /// Fee rates of one contract.
    pub commission: Duration,
    /// Fee rates of one contract, after they could not be read.
    pub commission_retry: Duration,
    /// Between the fee rates of one contract and those of the next.
    pub commission_gap: Duration,
    /// Bracket tables.
    pub brackets: Duration,
    /// Trading rules.
    pub rules: Duration,
    /// Offset of the exchange's clock.
    pub clock: Duration,
    /// After a failed read.
    pub retry: Duration,
    /// After the key was refused.
    pub key_retry: Duration,
    /// Shortest time between two reads of the same thing.
    pub read_gap: Duration,
    /// Shortest time between two reads of last prices and best bids and asks: each new symbol that is
    /// asked about asks for one.
    pub quotes_gap: Duration,
    /// Shortest time between two reads of the same table: they are large.
    pub table_gap: Duration,
    /// How long the first read of the account waits for the user stream.
    pub first_read: Duration,
    /// How often is looked whether the machine slept.
    pub wake_check: Duration,
    /// Before a task that panicked is started again.
    pub restart: Duration,
}

impl Default for Cadence {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        let millis = Duration::from_millis;
        Self {
            connect: seconds(5),
            handshake: seconds(5),
            request: seconds(10),
            ping: seconds(10),
            pong: seconds(10),
            mark_silence: seconds(5),
            connect_gap: seconds(1),
            backoff_min: millis(200),
            backoff_stream_max: seconds(2),
            backoff_read_max: seconds(4),
            healthy: seconds(30),
            rotation: seconds(23 * 3_600),
            rotation_spread: seconds(3_600),
            control: millis(200),
            key_keepalive: seconds(20 * 60),
            key_compare: seconds(60),
            key_lapse: seconds(55 * 60),
            account_exposed: seconds(10),
            account_idle: seconds(25),
            orders: seconds(60),
            quotes: seconds(10),
            config: seconds(25),
            key_permissions: seconds(60 * 60),
            commission: seconds(24 * 3_600),
            commission_retry: seconds(60 * 60),
            commission_gap: seconds(10),
            brackets: seconds(10 * 60),
            rules: seconds(30 * 60),
            clock: seconds(5 * 60),
            retry: seconds(2),
            key_retry: seconds(30),
            read_gap: millis(500),
            quotes_gap: seconds(2),
            table_gap: seconds(5),
            first_read: seconds(10),
            wake_check: seconds(1),
            restart: millis(500),
        }
    }
}
