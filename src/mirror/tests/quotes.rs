//! Last prices and the best of the book.

use super::*;
use crate::margin::account::Quotes;
use crate::mirror::quotes::AGE_MAX_MS;

fn price(text: &str) -> Option<Price> {
    Some(Price::parse(text).unwrap())
}

fn told(rig: &mut Rig, asked: Now, quote: Quote) -> Change {
    let symbol = btc();
    rig.tell(Event::Quotes(Read {
        asked,
        answered: rig.now(),
        value: vec![QuoteUpdate { symbol, quote }],
    }))
}

fn known(rig: &Rig) -> Quotes {
    rig.mirror.quotes(&btc(), rig.now())
}

const fn best(bid: Option<Price>, ask: Option<Price>) -> Quote {
    Quote::Best { bid, ask }
}

#[test]
fn quotes_are_used_for_half_a_minute_after_they_were_asked_for() {
    let mut rig = Rig::live(PositionMode::OneWay, "1000");
    assert_eq!(known(&rig), Quotes::default());
    let asked = rig.now();
    rig.wait_ms(1_000);
    let change = told(&mut rig, asked, Quote::Last(price("60100")));
    // Nothing rests on it: no figure changes, nothing is read anew, nobody is told.
    assert_eq!(change, Change::default());
    assert_eq!(known(&rig).last, price("60100"));
    let second = rig.now();
    told(&mut rig, second, best(price("59999"), price("60001")));
    rig.wait_ms(AGE_MAX_MS - rig.now().since_ms(asked));
    assert_eq!(known(&rig).last, price("60100"));
    rig.wait_ms(1);
    // The older of the two reads is over, the other one is not.
    assert_eq!(known(&rig).last, None);
    assert_eq!(known(&rig).best_ask, price("60001"));
    rig.wait_ms(AGE_MAX_MS);
    assert_eq!(known(&rig), Quotes::default());
}

#[test]
fn a_read_that_was_long_on_its_way_does_not_replace_a_newer_one() {
    let mut rig = Rig::live(PositionMode::OneWay, "1000");
    let before = rig.now();
    rig.wait_ms(2_000);
    let after = rig.now();
    told(&mut rig, after, Quote::Last(price("60100")));
    told(&mut rig, before, Quote::Last(price("50000")));
    assert_eq!(known(&rig).last, price("60100"));
    // An empty side of the book is no price, and takes the one before it away.
    told(&mut rig, after, best(price("59999"), price("60001")));
    rig.wait_ms(10);
    let later = rig.now();
    told(&mut rig, later, best(price("59990"), None));
    assert_eq!(
        (known(&rig).best_bid, known(&rig).best_ask),
        (price("59990"), None)
    );
}

#[test]
fn no_plane_rests_on_quotes() {
    let mut rig = Rig::live(PositionMode::OneWay, "1000");
    let fresh = rig.stale();
    let asked = rig.now();
    told(&mut rig, asked, Quote::Last(None));
    assert_eq!(rig.stale(), fresh);
    // After a sleep they are as old as everything else.
    told(&mut rig, asked, Quote::Last(price("60100")));
    let mut woken = rig.now();
    woken.boot_us += (AGE_MAX_MS + 1) * 1_000;
    assert_eq!(rig.mirror.quotes(&btc(), woken), Quotes::default());
}
