//! Auto-exchange of multi-assets mode: a debt in one asset is paid by selling the others.

use crate::scenario::AssetMode;

use super::super::account::BALANCE_DECIMALS;
use super::super::exact::Fixed;
use super::Venue;

/// Debt in USD from which an asset is exchanged without a liquidation (VIP 2 and above).
const DEBT_MAX_USD: Fixed = Fixed::new(10_000, 0);

impl Venue {
    /// Pays debts that have grown beyond the threshold.
    pub(super) fn exchange_large_debts(&mut self) {
        if self.account.assets != AssetMode::Multi {
            return;
        }
        let owed: Vec<String> = self
            .account
            .cross
            .iter()
            .filter(|(asset, balance)| -balance.times(self.account.rates(asset).1) > DEBT_MAX_USD)
            .map(|(asset, _)| asset.clone())
            .collect();
        for asset in owed {
            self.auto_exchange(&asset);
        }
    }

    /// Sells the positive assets pro rata at their bid rates for an owed one at its ask rate.
    pub(super) fn auto_exchange(&mut self, owed: &str) {
        let debt = -self.account.cross_wallet(owed);
        let ask = self.account.rates(owed).1;
        if !debt.is_positive() || !ask.is_positive() {
            return;
        }
        let sellable: Vec<(String, Fixed, Fixed)> = self
            .account
            .cross
            .iter()
            .filter(|(_, balance)| balance.is_positive())
            .map(|(asset, balance)| (asset.clone(), *balance, self.account.rates(asset).0))
            .collect();
        let worth: Fixed = sellable
            .iter()
            .map(|(_, balance, bid)| balance.times(*bid))
            .sum();
        if !worth.is_positive() {
            return;
        }
        let needed = debt.times(ask);
        let mut rows = Vec::new();
        let mut bought = Fixed::ZERO;
        for (asset, balance, bid) in sellable {
            let share = balance.times(needed).over(worth).unwrap_or_default();
            let sold = share.cut(BALANCE_DECIMALS).min(balance);
            let proceeds = sold
                .times(bid)
                .over(ask)
                .unwrap_or_default()
                .cut(BALANCE_DECIMALS);
            self.account.post(&asset, -sold);
            bought += proceeds;
            rows.push(self.balance_row(&asset, -sold));
            self.record_balance_income("", "AUTO_EXCHANGE", &asset, -sold);
        }
        self.account.post(owed, bought);
        rows.push(self.balance_row(owed, bought));
        self.record_balance_income("", "AUTO_EXCHANGE", owed, bought);
        self.tell_account_rows("AUTO_EXCHANGE", rows, Vec::new(), None);
    }
}
