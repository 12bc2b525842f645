//! Is the other side still there?
//!
//! Owns: the rules by which a connection counts as dead, on the boot clock, so that a connection
//! that slept with the machine is found dead on waking.
//! Must not know: sockets. It is told what was heard and says what to do.

use std::time::Duration;

use crate::clock::Now;

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing.
    Fine,
    /// Send a ping.
    Ping,
    /// Give the connection up.
    Dead(Silence),
}

/// Which silence was too long, and how long it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Silence {
    /// Neither data nor an answer to our ping.
    NoAnswer {
        /// For so long.
        for_ms: i64,
    },
    /// No data from streams that tick by themselves.
    NoData {
        /// For so long.
        for_ms: i64,
    },
}

/// The signs of life of one connection.
#[derive(Debug, Clone)]
pub(super) struct Pulse {
    ping_every_ms: i64,
    answer_within_ms: i64,
    data_within_ms: i64,
    /// Data is owed since then.
    data_due_from: Option<Now>,
    last_data: Now,
    last_ping: Now,
    /// The first ping that nothing has been heard after.
    unanswered: Option<Now>,
}

impl Pulse {
    pub(super) fn new(ping: Duration, pong: Duration, data: Duration, now: Now) -> Self {
        Self {
            ping_every_ms: millis(ping),
            answer_within_ms: millis(pong),
            data_within_ms: millis(data),
            data_due_from: None,
            last_data: now,
            last_ping: now,
            unanswered: None,
        }
    }

    /// Streams that tick by themselves are subscribed since then; `None`: silence is lawful.
    pub(super) const fn expect_data(&mut self, since: Option<Now>) {
        self.data_due_from = since;
    }

    /// Something arrived: any frame answers a ping, only data proves the streams.
    pub(super) const fn heard(&mut self, data: bool, now: Now) {
        self.unanswered = None;
        if data {
            self.last_data = now;
        }
    }

    pub(super) fn check(&mut self, now: Now) -> Verdict {
        if let Some(pinged) = self.unanswered {
            let for_ms = now.since_ms(pinged);
            if for_ms >= self.answer_within_ms {
                return Verdict::Dead(Silence::NoAnswer { for_ms });
            }
        }
        if let Some(due_from) = self.data_due_from {
            let for_ms = now.since_ms(due_from.max(self.last_data));
            if for_ms >= self.data_within_ms {
                return Verdict::Dead(Silence::NoData { for_ms });
            }
        }
        if now.since_ms(self.last_ping) >= self.ping_every_ms {
            self.last_ping = now;
            self.unanswered = self.unanswered.or(Some(now));
            return Verdict::Ping;
        }
        Verdict::Fine
    }

    /// How often [`Pulse::check`] should be asked.
    pub(super) fn interval(&self) -> Duration {
        let shortest = self
            .ping_every_ms
            .min(self.answer_within_ms)
            .min(self.data_within_ms);
        Duration::from_millis(u64::try_from(shortest / 20).unwrap_or(0).clamp(5, 250))
    }
}

/// Whole milliseconds, for comparison with a [`Now`].
pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    fn pulse(clock: &Clock) -> Pulse {
        let seconds = Duration::from_secs;
        Pulse::new(seconds(10), seconds(10), seconds(5), clock.now())
    }

    #[test]
    fn n01_a_half_open_connection_is_found_within_twenty_seconds() {
        let clock = Clock::manual(0);
        let mut pulse = pulse(&clock);
        clock.advance_ms(9_999);
        assert_eq!(pulse.check(clock.now()), Verdict::Fine);
        clock.advance_ms(1);
        assert_eq!(pulse.check(clock.now()), Verdict::Ping);
        clock.advance_ms(9_999);
        assert_eq!(pulse.check(clock.now()), Verdict::Fine);
        clock.advance_ms(1);
        let dead = Silence::NoAnswer { for_ms: 10_000 };
        assert_eq!(pulse.check(clock.now()), Verdict::Dead(dead));
    }

    #[test]
    fn an_answer_keeps_it_alive() {
        let clock = Clock::manual(0);
        let mut pulse = pulse(&clock);
        for _ in 0..100 {
            clock.advance_ms(10_000);
            assert_eq!(pulse.check(clock.now()), Verdict::Ping);
            clock.advance_ms(50);
            pulse.heard(false, clock.now());
        }
    }

    #[test]
    fn u10_pongs_do_not_prove_that_the_streams_flow() {
        let clock = Clock::manual(0);
        let mut pulse = pulse(&clock);
        pulse.expect_data(Some(clock.now()));
        clock.advance_ms(4_900);
        pulse.heard(false, clock.now());
        assert_eq!(pulse.check(clock.now()), Verdict::Fine);
        clock.advance_ms(100);
        let dead = Silence::NoData { for_ms: 5_000 };
        assert_eq!(pulse.check(clock.now()), Verdict::Dead(dead));
        pulse.heard(true, clock.now());
        assert_eq!(pulse.check(clock.now()), Verdict::Fine);
    }

    #[test]
    fn silence_counts_from_the_subscription() {
        let clock = Clock::manual(0);
        let mut pulse = pulse(&clock);
        clock.advance_ms(9_000);
        assert_eq!(pulse.check(clock.now()), Verdict::Fine);
        pulse.expect_data(Some(clock.now()));
        clock.advance_ms(900);
        assert_eq!(pulse.check(clock.now()), Verdict::Fine);
        pulse.expect_data(None);
        clock.advance_ms(60);
        assert_eq!(pulse.check(clock.now()), Verdict::Fine);
    }

    #[test]
    fn a_connection_that_slept_with_the_machine_is_dead_on_waking() {
        let clock = Clock::manual(0);
        let mut pulse = pulse(&clock);
        pulse.expect_data(Some(clock.now()));
        clock.advance_ms(8 * 3_600_000);
        assert!(matches!(pulse.check(clock.now()), Verdict::Dead(_)));
    }
}
