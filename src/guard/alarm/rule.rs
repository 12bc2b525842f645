//! What alarms are about.
//!
//! Owns: the closed set of rules, their names and their order.
//! Must not know: levels, figures.

/// What an alarm is about. The order is the order in which lines of one message are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// The exchange liquidates positions of this account.
    Liquidation,
    /// The exchange warned of liquidation.
    MarginCall,
    /// The smallest move that liquidates a pool, or an isolated position.
    Distance,
    /// The exchange deleverages or settles a position.
    ForcedTrade,
    /// A conditional order was refused at its trigger.
    ProtectionLost,
    /// What the worst adverse move takes from a pool.
    WalletAtRisk,
    /// Headroom falls, and when it will be gone.
    HeadroomFalling,
    /// Maintenance margin against margin balance.
    MarginRatio,
    /// A scenario that must be survived is not any more.
    Stress,
    /// A working order would break a limit if it filled.
    OrderWouldBreak,
    /// What the rest of the wallet pays for one position.
    Spill,
    /// A symbol is crossed although the policy wants it isolated.
    IsolatedRequired,
    /// An order was placed that no check had been asked for.
    UnguardedOrder,
    /// Leverage, margin type or a mode of the account changed.
    SettingsChanged,
    /// New brackets demand more maintenance margin of what is held.
    RequirementRose,
    /// An asset counts for less of its price as collateral.
    CollateralCut,
    /// The next funding costs much.
    FundingCost,
    /// The mark of a held symbol moved far within a minute.
    MarkJump,
    /// The key is refused.
    KeyRefused,
    /// The key may do more than read.
    KeyPrivileged,
    /// What the guard knows is too old.
    Stale,
    /// A pool's figures cannot be computed.
    FiguresUnknown,
    /// A whole read contradicted what events had told.
    Drift,
    /// The account reads as empty without an event.
    AccountEmpty,
    /// The guard was started again.
    Restarted,
}

impl Rule {
    /// Every rule, in the order of telling.
    pub const ALL: [Self; 25] = [
        Self::Liquidation,
        Self::MarginCall,
        Self::Distance,
        Self::ForcedTrade,
        Self::ProtectionLost,
        Self::WalletAtRisk,
        Self::HeadroomFalling,
        Self::MarginRatio,
        Self::Stress,
        Self::OrderWouldBreak,
        Self::Spill,
        Self::IsolatedRequired,
        Self::UnguardedOrder,
        Self::SettingsChanged,
        Self::RequirementRose,
        Self::CollateralCut,
        Self::FundingCost,
        Self::MarkJump,
        Self::KeyRefused,
        Self::KeyPrivileged,
        Self::Stale,
        Self::FiguresUnknown,
        Self::Drift,
        Self::AccountEmpty,
        Self::Restarted,
    ];

    /// The name in the configuration and on the socket; it never changes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Liquidation => "liquidation",
            Self::MarginCall => "margin_call",
            Self::Distance => "distance",
            Self::ForcedTrade => "forced_trade",
            Self::ProtectionLost => "protection_lost",
            Self::WalletAtRisk => "wallet_at_risk",
            Self::HeadroomFalling => "headroom_falling",
            Self::MarginRatio => "margin_ratio",
            Self::Stress => "stress",
            Self::OrderWouldBreak => "order_would_break",
            Self::Spill => "spill",
            Self::IsolatedRequired => "isolated_required",
            Self::UnguardedOrder => "unguarded_order",
            Self::SettingsChanged => "settings_changed",
            Self::RequirementRose => "requirement_rose",
            Self::CollateralCut => "collateral_cut",
            Self::FundingCost => "funding_cost",
            Self::MarkJump => "mark_jump",
            Self::KeyRefused => "key_refused",
            Self::KeyPrivileged => "key_privileged",
            Self::Stale => "stale",
            Self::FiguresUnknown => "figures_unknown",
            Self::Drift => "drift",
            Self::AccountEmpty => "account_empty",
            Self::Restarted => "restarted",
        }
    }

    /// The rule of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// True when a smaller value is worse.
    #[must_use]
    pub const fn smaller_is_worse(self) -> bool {
        matches!(self, Self::Distance)
    }

    /// True when it rests on figures that are only known while the guard sees the account.
    #[must_use]
    pub const fn rests_on_figures(self) -> bool {
        matches!(
            self,
            Self::Distance
                | Self::WalletAtRisk
                | Self::HeadroomFalling
                | Self::MarginRatio
                | Self::Stress
                | Self::OrderWouldBreak
                | Self::Spill
                | Self::IsolatedRequired
                | Self::FundingCost
                | Self::MarkJump
                | Self::FiguresUnknown
        )
    }

    pub(super) const fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_listed_once_in_their_own_order_and_found_by_name() {
        assert!(Rule::ALL.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(Rule::ALL.len(), Rule::Restarted as usize + 1);
        for rule in Rule::ALL {
            assert_eq!(Rule::from_name(rule.name()), Some(rule));
        }
    }
}
