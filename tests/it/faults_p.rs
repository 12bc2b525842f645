//! Faults P: parsing and numbers (`faults.md` 1.7), the rows that no other test holds.

use std::time::Duration;

use crossguard::guard::verdict::Decision;
use crossguard::margin::amount::{Amount, Price, Quantity, parse};
use crossguard::margin::order::{OrderIntent, OrderKind};
use crossguard::mirror::Notice;
use crossguard::mirror::event::LossCause;
use proptest::prelude::*;
use rust_decimal::Decimal;

use crate::live::{Live, SCENE};
use crate::rig::{Rig, wanted};

const HELD: &str = "\npos BTCUSDT crossed 20x +0.1 @ 60000\n";

/// A figure of the user stream or of a read that is no number: nothing known is lost, the plane is
/// stale until it was read anew, and nobody fell over.
async fn unreadable(mutations: &[&str]) {
    let live = Live::within(&format!("{SCENE}{HELD}"), 1).await;
    for mutation in mutations {
        let before = live.guard.account().await.unwrap().wallets;
        live.say(mutation);
        live.say("order BTCUSDT buy 0.01");
        tokio::time::sleep(Duration::from_millis(1)).await;
        let after = live.guard.account().await.unwrap().wallets;
        assert_eq!(before.len(), after.len(), "{mutation}");
        live.until_equal(mutation).await;
        live.until_fresh().await;
    }
    let gaps = live.notices();
    let gaps = gaps.iter().filter(|(_, notice)| {
        matches!(notice, Notice::UserStreamGap(gap) if gap.cause == LossCause::Undecodable)
    });
    assert_eq!(gaps.count(), mutations.len());
    live.end().await;
}

#[tokio::test(start_paused = true)]
async fn p03_an_empty_figure_on_the_stream_is_a_gap_and_not_a_zero() {
    unreadable(&[
        "mutate ACCOUNT_UPDATE a.B.*.wb \"\" 1x",
        "mutate ACCOUNT_UPDATE a.B.*.cw \"\" 1x",
        "mutate ACCOUNT_UPDATE a.P.*.pa \"\" 1x",
        "mutate ACCOUNT_UPDATE a.P.*.ep \"\" 1x",
        "mutate ORDER_TRADE_UPDATE o.q \"\" 1x",
    ])
    .await;
}

#[tokio::test(start_paused = true)]
async fn p07_a_figure_that_is_no_number_is_a_gap() {
    unreadable(&[
        "mutate ACCOUNT_UPDATE a.B.*.wb \"NaN\" 1x",
        "mutate ACCOUNT_UPDATE a.P.*.pa \"Infinity\" 1x",
        "mutate ACCOUNT_UPDATE a.P.*.ep \"-inf\" 1x",
        "mutate ORDER_TRADE_UPDATE o.z \"nan\" 1x",
    ])
    .await;
}

/// Reads of which a figure is no number are failed reads: the account grows old and is rejected.
#[tokio::test(start_paused = true)]
async fn p07_reads_that_hold_no_number_leave_the_account_to_grow_stale() {
    for value in ["\"\"", "\"NaN\"", "null"] {
        let live = Live::within(&format!("{SCENE}{HELD}"), 1).await;
        live.say(&format!(
            "mutate /fapi/v3/account assets.*.crossWalletBalance {value} 1000x"
        ));
        tokio::time::sleep(Duration::from_secs(25)).await;
        let judgement = live.check("BTCUSDT buy 0.001").await;
        assert_eq!(judgement.decision, Decision::Reject, "{value}");
        let wallets = live.guard.account().await.unwrap().wallets;
        let usdt = wallets
            .iter()
            .find(|wallet| wallet.asset.as_str() == "USDT");
        assert_eq!(usdt.unwrap().wallet_balance.to_string(), "10000", "{value}");
        live.end().await;
    }
}

const ZEROS: &str = "
symbol BTCUSDT tick 0.1 step 0.001 min-notional 5
brackets BTCUSDT 0 50000 0.004 125x | 50000 600000 0.005 100x
leverage BTCUSDT 10
mark BTCUSDT 60000
";

#[test]
fn p13_zeros_everywhere_are_rejected_and_nothing_is_divided_by_them() {
    for scene in [
        "wallet USDT 0",
        "wallet USDT 0\npos BTCUSDT crossed 10x +0.1 @ 60000",
        "wallet USDT 1000\npos BTCUSDT crossed 10x +0.1 @ 60000\nmark BTCUSDT 0",
        "wallet USDT 600\npos BTCUSDT isolated 10x +0.1 @ 60000 wallet 600",
        "",
    ] {
        let mut rig = Rig::from_text(&format!("{ZEROS}{scene}\n")).0;
        let nothing = OrderIntent {
            quantity: Some(Quantity::ZERO),
            ..wanted("BTCUSDT buy 0.1")
        };
        let free = OrderIntent {
            kind: OrderKind::Limit { price: Price::ZERO },
            ..wanted("BTCUSDT buy 0.1")
        };
        for risk in [wanted("BTCUSDT buy 0.1"), nothing, free] {
            let answer = rig.ask(risk.clone(), true);
            assert_eq!(
                answer.judgement.decision,
                Decision::Reject,
                "{scene}: {risk:?}"
            );
        }
        let exit = rig.check("BTCUSDT sell 0.1 reduce-only").judgement;
        assert_ne!(exit.decision, Decision::Reject, "{scene}");
    }
}

#[test]
fn p14_no_figure_creeps() {
    // The sum that floats make 119.96000000000001.
    let sum = ["39.98", "39.99", "39.99"]
        .iter()
        .fold(Amount::ZERO, |sum, text| {
            sum.plus(Amount::parse(text).unwrap()).unwrap()
        });
    assert_eq!(sum.to_string(), "119.96");
    let tenth = Amount::parse("0.1").unwrap();
    let third = tenth.plus(tenth).unwrap().plus(tenth).unwrap();
    assert_eq!(third, Amount::parse("0.3").unwrap());
}

proptest! {
    #[test]
    fn p14_what_is_read_is_written_back_digit_by_digit(digits in any::<i64>(), scale in 0u32..18) {
        let text = Decimal::new(digits, scale).to_string();
        let plain = Decimal::new(digits, scale).normalize().to_string();
        prop_assert_eq!(parse(&text).unwrap().to_string(), plain);
    }
}
