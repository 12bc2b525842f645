//! Ways out carried out at the simulated exchange: the guard sees them through its streams, and the order
//! that it refused gets what was promised; one step less of what a way asks for does not do.

use crossguard::guard::offer::{Alternative, OfferKind};
use crossguard::guard::proposal::Proposal;
use crossguard::guard::verdict::{Decision, Judgement};
use crossguard::margin::change::Change;
use rust_decimal::Decimal;

use crate::live::Live;

const SCENE: &str = "
symbol BTCUSDT tick 0.1 step 0.001 min-notional 5
symbol ETHUSDT tick 0.01 step 0.001 min-notional 5
brackets BTCUSDT 0 50000 0.004 125x | 50000 600000 0.005 100x | 600000 3000000 0.01 50x
brackets ETHUSDT 0 50000 0.005 100x | 50000 500000 0.01 50x
leverage BTCUSDT 20
leverage ETHUSDT 20
wallet USDT 10000
mark ETHUSDT 3000
mark BTCUSDT 60000
pos ETHUSDT crossed 20x +2 @ 3000
";

/// The best offer of a kind to this order.
async fn offer(scene: &str, order: &str, kind: OfferKind) -> Alternative {
    let live = Live::within(scene, 1).await;
    let judgement = live.check(order).await;
    let mut offers = judgement.alternatives.iter();
    let found = offers.find(|offer| offer.kind == kind);
    found.unwrap_or_else(|| panic!("{judgement:#?}")).clone()
}

/// What the order gets once the exchange did this.
async fn after(scene: &str, order: &str, done: &str) -> Judgement {
    let live = Live::within(scene, 1).await;
    live.say(done);
    live.until_equal(done).await;
    live.until_fresh().await;
    live.check(order).await
}

async fn hold(scene: &str, order: &str, offer: &Alternative, done: &str, less: Option<&str>) {
    let kept = after(scene, order, done).await;
    assert_eq!(kept.decision, offer.decision, "{done}: {}", kept.why);
    if let Some(less) = less {
        let broken = after(scene, order, less).await;
        assert!(broken.decision > offer.decision, "{less}: {}", broken.why);
    }
}

#[tokio::test(start_paused = true)]
async fn a_transfer_at_the_exchange_brings_what_the_offer_promised() {
    let order = "BTCUSDT buy 1.2";
    let offer = offer(SCENE, order, OfferKind::TopUp).await;
    let amount = offer.terms.amount.unwrap().get();
    let done = |amount: Decimal| format!("transfer USDT {amount}");
    let less = done(amount - Decimal::new(1, 2));
    hold(SCENE, order, &offer, &done(amount), Some(&less)).await;
}

#[tokio::test(start_paused = true)]
async fn isolating_at_the_exchange_brings_what_the_offer_promised() {
    let scene = SCENE
        .replace("+2 @ 3000", "+0.1 @ 3000")
        .replace("leverage BTCUSDT 20", "leverage BTCUSDT 7");
    let order = "BTCUSDT buy 1.05";
    let offer = offer(&scene, order, OfferKind::Isolate).await;
    hold(&scene, order, &offer, "margin BTCUSDT isolated", None).await;
}

#[tokio::test(start_paused = true)]
async fn a_lower_leverage_at_the_exchange_brings_what_the_offer_promised() {
    let scene = SCENE.replace("leverage BTCUSDT 20", "leverage BTCUSDT 75");
    let order = "BTCUSDT buy 0.01 @ 60000";
    let offer = offer(&scene, order, OfferKind::LowerLeverage).await;
    let Some(Proposal::Change(Change::Leverage { leverage, .. })) = offer.requests.first() else {
        panic!("{offer:?}")
    };
    let done = |leverage: u32| format!("leverage BTCUSDT {leverage}");
    let less = done(leverage.get() + 1);
    hold(&scene, order, &offer, &done(leverage.get()), Some(&less)).await;
}

#[tokio::test(start_paused = true)]
async fn margin_added_at_the_exchange_brings_what_the_offer_promised() {
    let scene = SCENE.replace(
        "pos ETHUSDT crossed 20x +2 @ 3000",
        "margin ETHUSDT isolated\npos ETHUSDT isolated 20x +2 @ 3000 wallet 700",
    );
    let order = "ETHUSDT buy 0.5 @ 3000";
    let offer = offer(&scene, order, OfferKind::TopUp).await;
    assert_eq!(offer.terms.symbol.as_ref().unwrap().as_str(), "ETHUSDT");
    let amount = offer.terms.amount.unwrap().get();
    let done = |amount: Decimal| format!("add-margin ETHUSDT {amount}");
    let less = done(amount - Decimal::new(1, 2));
    hold(&scene, order, &offer, &done(amount), Some(&less)).await;
}

/// The exchange fills the reduction better than the guard assumes: what was promised is the least.
#[tokio::test(start_paused = true)]
async fn a_reduction_at_the_exchange_brings_at_least_what_the_offer_promised() {
    let scene = SCENE.replace("+2 @ 3000", "+18 @ 3000");
    let order = "BTCUSDT buy 0.2";
    let offer = offer(&scene, order, OfferKind::ReduceOther).await;
    let Some(Proposal::Order(reduction)) = offer.requests.first() else {
        panic!("{offer:?}")
    };
    let quantity = reduction.quantity.unwrap();
    let done = format!("order ETHUSDT sell {quantity} reduce-only");
    let before = after(&scene, order, "transfer USDT 0.01").await;
    assert_eq!(before.decision, Decision::Reject, "{}", before.why);
    let kept = after(&scene, order, &done).await;
    assert!(kept.decision <= offer.decision, "{}", kept.why);
    // A tenth less of it is not enough, however well it fills.
    let less = (quantity.get() * Decimal::new(9, 1)).round_dp(3);
    let less = format!("order ETHUSDT sell {less} reduce-only");
    let broken = after(&scene, order, &less).await;
    assert!(broken.decision > offer.decision, "{}", broken.why);
}
