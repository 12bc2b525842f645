//! How the figures of an answer follow from one another.
//!
//! Owns: the formulas as text over names as the socket spells them, so that a recorded decision can
//! be computed anew by hand.
//! Must not know: values, how an answer is read.
//!
//! A text is plain arithmetic: `+ - * /`, parentheses, `abs`, `min`, `max` and names. Of several
//! texts the first holds whose names all have a value.

mod asked;
mod joint;
mod pool;
mod position;
mod stress;

pub use asked::{
    Asked, ORDER_SIZE, OwnPrice, change, costs, margin_required, order_cost, price_collar,
    price_used, twin,
};
pub use joint::{
    Held, Part, at_risk_joint, common_move_joint, of_asset, of_joint_pool, rate_of, sum_joint,
};
pub use pool::{
    AT_RISK_WHOLE, Beside, POOL, SUMS, at_risk_alone, balance_alone, common_move_alone,
    first_killer, nothing_left, of_pool_alone, reserved, sum_alone,
};
pub use position::{
    ISOLATED_END, ISOLATED_SPILL, POSITION, crossed_end_alone, crossed_end_joint,
    maintenance_share, position_size, spill,
};
pub use stress::{STRESS, stress, stressed, stressed_pool};

use super::verdict::Code;

/// A figure and how it follows.
#[derive(Debug, Clone, Copy)]
pub struct Formula {
    /// Where the figure stands.
    pub figure: &'static str,
    /// How it follows.
    pub texts: &'static [&'static str],
}

const fn formula(figure: &'static str, texts: &'static [&'static str]) -> Formula {
    Formula { figure, texts }
}

/// There is a distance and nothing that it leads to.
const LIQUIDATABLE_NOW: &str = "0";

/// What a symbol, or all that is held, weighs: signed and not.
const NET: &str = "@.positionAmt * @.markPrice";

const GROSS: &str = "abs(@.positionAmt * @.markPrice)";

const UNREALIZED: &str = "@.unrealizedProfit";

const TICKET: &str = "abs(@.positionAmt * @.markPrice) / @.leverage";

/// What the working orders of a contract add to initial margin.
const RESERVED: &str = "@.openOrders.initialMargin";

/// One term for each name, which stands for `@`; `0` without any.
fn each(term: &str, names: &[&str]) -> String {
    let terms = names.iter().map(|name| term.replace('@', name));
    or_zero(terms.collect::<Vec<_>>().join(" + "))
}

fn or_zero(text: String) -> String {
    if text.is_empty() {
        "0".to_owned()
    } else {
        text
    }
}

fn with_wallets(drawing: &[&str]) -> String {
    let wallets = drawing
        .iter()
        .map(|name| format!(" + {name}.isolatedWallet"));
    wallets.collect()
}

const COMMON_AMOUNT: &str = "@.bracketAtCommonMove.cum";

const COMMON_KEPT: &str =
    "abs(@.positionAmt * @.markPrice) * @.bracketAtCommonMove.maintMarginRatio";

/// The figure of a pool that a rule judged: of the account afterwards, for the worst case of that.
/// `None` where the rule judges no figure of a pool.
#[must_use]
pub const fn of_code(code: Code) -> Option<&'static str> {
    Some(match code {
        Code::LiquidationDistance | Code::WorstCase => "distance",
        Code::WalletAtRisk => "walletAtRisk.fraction",
        Code::MarginRatio => "marginRatio",
        Code::EffectiveLeverage => "accountLeverage",
        _ => return None,
    })
}
