//! What a market connection is subscribed to, and how it follows what is wanted.
//!
//! Owns: stream names, control messages and their pace, seeding of marks over REST.
//! Must not know: why something is wanted.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use super::Note;
use super::context::{Context, paced};
use super::rest::calls;
use super::socket::Expectation;
use super::translate::{asset_index, premium_index};
use crate::margin::account::Symbol;
use crate::mirror::event::Event;

/// Most streams of one connection; more get no updates on some days.
///
/// Source: faults N15 (1,024 are allowed by the documents).
pub(super) const STREAMS_PER_CONNECTION: usize = 200;

/// Names per control message.
const NAMES_PER_MESSAGE: usize = 50;

/// Up to so many marks are read one by one; the whole market weighs as much as ten.
const SINGLE_SEEDS_MAX: usize = 5;

/// A stream of the market category.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stream {
    /// Listings, settlements, bracket changes.
    Contracts,
    /// Collateral rates of all assets.
    CollateralRates,
    /// Marks of the whole market.
    AllMarks,
    /// The mark of one symbol.
    Mark(Symbol),
}

impl Stream {
    /// Only ASCII letters are lower-cased: other scripts have symbols too.
    fn name(&self) -> String {
        match self {
            Self::Contracts => "!contractInfo".into(),
            Self::CollateralRates => "!assetIndex@arr".into(),
            Self::AllMarks => "!markPrice@arr@1s".into(),
            Self::Mark(symbol) => {
                format!("{}@markPrice@1s", symbol.as_str().to_ascii_lowercase())
            }
        }
    }

    /// True for streams that tick every second by themselves.
    const fn ticks(&self) -> bool {
        matches!(self, Self::CollateralRates | Self::AllMarks | Self::Mark(_))
    }
}

/// Follows `wanted` on one connection; ends only with it.
pub(super) async fn follow(
    context: &Arc<Context>,
    mut wanted: watch::Receiver<BTreeSet<Stream>>,
    outgoing: mpsc::Sender<String>,
    expectation: &Expectation,
) {
    let mut subscribed: BTreeSet<Stream> = BTreeSet::new();
    let seeding = keep_seeded(context.clone(), wanted.clone());
    let _seeding = AbortOnDropHandle::new(tokio::spawn(seeding));
    let mut id = 0_u64;
    let mut pace = paced(context.cadence.control);
    loop {
        let now: BTreeSet<Stream> = wanted.borrow_and_update().clone();
        let gone: Vec<_> = subscribed.difference(&now).cloned().collect();
        let new: Vec<_> = now.difference(&subscribed).cloned().collect();
        for (method, streams) in [("SUBSCRIBE", &new), ("UNSUBSCRIBE", &gone)] {
            for group in streams.chunks(NAMES_PER_MESSAGE) {
                id = id.saturating_add(1);
                pace.tick().await;
                if outgoing.send(message(method, group, id)).await.is_err() {
                    return;
                }
            }
        }
        let ticked = subscribed.iter().any(Stream::ticks);
        let ticks = now.iter().any(Stream::ticks);
        if ticks != ticked {
            expectation.set(ticks.then(|| context.clock.now()));
        }
        subscribed = now;
        if wanted.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Reads the marks of newly wanted symbols at once, whatever the pace of control messages. Dropped
/// with the connection, and what still seeds with it.
async fn keep_seeded(context: Arc<Context>, mut wanted: watch::Receiver<BTreeSet<Stream>>) {
    let mut seeded: BTreeSet<Stream> = BTreeSet::new();
    let mut seeds = JoinSet::new();
    loop {
        let now: BTreeSet<Stream> = wanted.borrow_and_update().clone();
        let new: Vec<_> = now.difference(&seeded).cloned().collect();
        if !new.is_empty() {
            seeds.spawn(seed(context.clone(), new));
        }
        seeded = now;
        while seeds.try_join_next().is_some() {}
        if wanted.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

fn message(method: &str, streams: &[Stream], id: u64) -> String {
    let names: Vec<String> = streams.iter().map(Stream::name).collect();
    serde_json::json!({ "method": method, "params": names, "id": id }).to_string()
}

/// Reads the marks of newly wanted symbols over REST, so that nobody waits for the first tick. A
/// failure is already noted, and the stream will tell.
async fn seed(context: Arc<Context>, streams: Vec<Stream>) {
    let symbols: BTreeSet<Symbol> = streams
        .iter()
        .filter_map(|stream| match stream {
            Stream::Mark(symbol) => Some(symbol.clone()),
            Stream::Contracts | Stream::CollateralRates | Stream::AllMarks => None,
        })
        .collect();
    if streams.contains(&Stream::CollateralRates) {
        seed_rates(&context).await;
    }
    let everything = streams.contains(&Stream::AllMarks);
    if everything || symbols.len() > SINGLE_SEEDS_MAX {
        let call = &calls::MARKS_OF_ALL;
        let Ok(answer) = context.rest.call(call, &[]).await else {
            return;
        };
        let Ok(marks) = context.rest.read(call, &answer, premium_index) else {
            return;
        };
        for mark in marks {
            if everything || symbols.contains(&mark.symbol) {
                context.outlet.mark(mark);
            }
        }
        return;
    }
    for symbol in symbols {
        let call = &calls::MARK_OF_ONE;
        let parameters = [("symbol", symbol.as_str())];
        if let Ok(answer) = context.rest.call(call, &parameters).await
            && let Ok(marks) = context.rest.read(call, &answer, premium_index)
        {
            for mark in marks {
                context.outlet.mark(mark);
            }
        }
    }
}

/// Reads the collateral rates of all assets once.
async fn seed_rates(context: &Context) {
    let call = &calls::ASSET_INDEX;
    let Ok(answer) = context.rest.call(call, &[]).await else {
        return;
    };
    let note = |detail| {
        let path = call.path;
        context.outlet.note(Note::RowSkipped { path, detail });
    };
    let read = |body: &[u8]| asset_index(body, note);
    if let Ok(rates) = context.rest.read(call, &answer, read) {
        context.outlet.deliver(Event::CollateralRates(rates)).await;
    }
}

/// Spreads streams over connections: what is on a connection stays there, new ones go where room
/// is, and a connection that is left with nothing is dropped by the caller (never the first).
pub(super) fn spread(shards: &mut Vec<BTreeSet<Stream>>, wanted: &BTreeSet<Stream>) {
    for shard in shards.iter_mut() {
        shard.retain(|stream| wanted.contains(stream));
    }
    for stream in wanted {
        if shards.iter().any(|shard| shard.contains(stream)) {
            continue;
        }
        match shards
            .iter_mut()
            .find(|shard| shard.len() < STREAMS_PER_CONNECTION)
        {
            Some(shard) => {
                shard.insert(stream.clone());
            }
            None => shards.push(BTreeSet::from([stream.clone()])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(name: &str) -> Stream {
        Stream::Mark(Symbol::new(name).unwrap())
    }

    #[test]
    fn names_are_lower_case_in_ascii_only() {
        assert_eq!(mark("BTCUSDT").name(), "btcusdt@markPrice@1s");
        assert_eq!(mark("测试ÄUSDT").name(), "测试Äusdt@markPrice@1s");
        assert_eq!(
            message("SUBSCRIBE", &[mark("A\"B"), Stream::Contracts], 7),
            r#"{"id":7,"method":"SUBSCRIBE","params":["a\"b@markPrice@1s","!contractInfo"]}"#
        );
    }

    #[test]
    fn n15_no_connection_carries_more_than_two_hundred_streams() {
        let mut wanted: BTreeSet<Stream> = (0..450).map(|n| mark(&format!("S{n}"))).collect();
        wanted.insert(Stream::Contracts);
        let mut shards = Vec::new();
        spread(&mut shards, &wanted);
        let sizes: Vec<usize> = shards.iter().map(BTreeSet::len).collect();
        assert_eq!(sizes, [200, 200, 51]);
        assert!(shards[0].contains(&Stream::Contracts));

        // What stays wanted stays where it is; room is used again.
        let before = shards.clone();
        wanted.remove(&mark("S0"));
        wanted.insert(mark("NEW"));
        spread(&mut shards, &wanted);
        assert_eq!(shards.iter().map(BTreeSet::len).sum::<usize>(), 451);
        for (now, before) in shards.iter().zip(&before) {
            assert!(now.len() <= STREAMS_PER_CONNECTION);
            assert!(now.symmetric_difference(before).count() <= 2);
        }
        wanted.clear();
        spread(&mut shards, &wanted);
        assert!(shards.iter().all(BTreeSet::is_empty));
    }
}
