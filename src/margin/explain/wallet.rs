//! Binance's totals of an asset.
//!
//! Owns: their formulas, as sums over the asset's positions and orders, isolated ones included.
//! Must not know: the formulas of single positions and pools.

use super::super::account::{Asset, MarginMode, SymbolState};
use super::super::amount::Amount;
use super::super::book::Book;
use super::super::known::{KnownPosition, known_positions, open_order_initial_margin, totals};
use super::pool::{join, or_zero};
use super::position::name_of;
use super::{Builder, Explained};

/// Every total of the asset that is known; where one is not, the positions of the sheet say why.
pub(super) fn explain(book: &Book, asset: &Asset) -> Vec<Explained> {
    let Some((balance, _)) = book.balances(asset.as_str()) else {
        return Vec::new();
    };
    let name = format!("wallet {asset}");
    let all = totals(book, asset);
    let sums = Sums {
        name: &name,
        book,
        asset,
    };
    let profit = |_: &SymbolState, leg: &KnownPosition| leg.unrealized_pnl;
    let kept = |_: &SymbolState, leg: &KnownPosition| leg.maintenance_margin;
    let reserved = |_: &SymbolState, leg: &KnownPosition| leg.initial_margin;
    let mut figures = Vec::new();
    figures.extend(sums.of("unrealizedProfit", all.unrealized_pnl, profit));
    if let Some(profit) = all.unrealized_pnl {
        let parts = [("walletBalance", balance), ("unrealizedProfit", profit)];
        figures.extend(two(&name, "marginBalance", parts));
    }
    figures.extend(sums.of("crossUnPnl", all.cross_unrealized_pnl, crossed_profit));
    figures.extend(sums.of("maintMargin", all.maintenance_margin, kept));
    figures.extend(sums.of(
        "positionInitialMargin",
        all.position_initial_margin,
        reserved,
    ));
    figures.extend(sums.orders(all.open_order_initial_margin));
    if let Some((positions, orders)) = all
        .position_initial_margin
        .zip(all.open_order_initial_margin)
    {
        let parts = [
            ("positionInitialMargin", positions),
            ("openOrderInitialMargin", orders),
        ];
        figures.extend(two(&name, "initialMargin", parts));
    }
    figures
}

fn crossed_profit(state: &SymbolState, leg: &KnownPosition) -> Option<Amount> {
    let mode = state.settings?.margin_mode;
    leg.unrealized_pnl.filter(|_| mode == MarginMode::Crossed)
}

fn two(name: &str, figure: &'static str, parts: [(&str, Amount); 2]) -> Option<Explained> {
    let [(one, first), (other, second)] = parts;
    let built = Builder::of(name)
        .with(one, first.get())
        .with(other, second.get());
    let sum = first.plus(second).ok()?;
    Some(built.is(figure, sum.get(), format!("{one} + {other}")))
}

/// Sums over what is margined in an asset.
struct Sums<'a> {
    name: &'a str,
    book: &'a Book,
    asset: &'a Asset,
}

impl Sums<'_> {
    /// A total over the legs, each by its name.
    fn of(
        &self,
        figure: &'static str,
        value: Option<Amount>,
        part: impl Fn(&SymbolState, &KnownPosition) -> Option<Amount>,
    ) -> Option<Explained> {
        let mut built = Builder::of(self.name);
        let mut formula = String::new();
        for (symbol, state) in self.book.symbols() {
            if state.margin_asset.as_ref() != Some(self.asset) {
                continue;
            }
            for leg in known_positions(state) {
                let Some(own) = part(state, &leg).filter(|own| !own.is_zero()) else {
                    continue;
                };
                let of = name_of(symbol, leg.position_side).replace(' ', "_");
                let term = format!("{of}.{figure}");
                join(&mut formula, &term);
                built = built.with(term, own.get());
            }
        }
        Some(built.is(figure, value?.get(), or_zero(formula)))
    }

    /// What working orders add, by symbol.
    fn orders(&self, value: Option<Amount>) -> Option<Explained> {
        let figure = "openOrderInitialMargin";
        let mut built = Builder::of(self.name);
        let mut formula = String::new();
        for (symbol, state) in self.book.symbols() {
            if state.margin_asset.as_ref() != Some(self.asset) {
                continue;
            }
            let own = open_order_initial_margin(self.book, state)?;
            if !own.is_zero() {
                let term = format!("{symbol}.{figure}");
                join(&mut formula, &term);
                built = built.with(term, own.get());
            }
        }
        Some(built.is(figure, value?.get(), or_zero(formula)))
    }
}
