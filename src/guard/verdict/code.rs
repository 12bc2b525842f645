//! The rules by name.
//!
//! Owns: the codes in their precedence, and what waiting or another quantity could change about each.
//! Must not know: what a rule judges.

/// What waiting could change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Retry {
    /// Nothing: change the order or the policy.
    Never,
    /// The guard is waiting for knowledge; try again when it is ready.
    AfterResync,
    /// The account has to recover first.
    WhenMarginRecovers,
}

impl Retry {
    /// Every advice.
    pub const ALL: [Self; 3] = [Self::Never, Self::AfterResync, Self::WhenMarginRecovers];

    /// The name on the socket.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::AfterResync => "after_resync",
            Self::WhenMarginRecovers => "when_margin_recovers",
        }
    }
}

/// A rule. The order of the variants is the order of precedence: the first reject, else the first
/// warn, is the sentence the user sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// A plane the order needs is not fresh.
    NotReady,
    /// The decision could not be written down in time.
    AuditUnavailable,
    /// The account is of a kind that is not modelled.
    UnsupportedAccount,
    /// The exchange does not list the symbol.
    UnknownSymbol,
    /// A figure the decision needs is not known.
    UnknownFigure,
    /// The guard was locked.
    Locked,
    /// The guard lets positions only be reduced.
    ReduceOnlyState,
    /// The policy does not list the symbol.
    SymbolNotPermitted,
    /// The policy wants the symbol isolated, and it is crossed.
    IsolatedRequired,
    /// The exchange would refuse the order itself.
    ExchangeWouldRefuse,
    /// Too near to liquidation.
    LiquidationDistance,
    /// Too much of the pool lost under the worst adverse move.
    WalletAtRisk,
    /// Too much of the pool pays for one position.
    Spill,
    /// Maintenance margin takes too much of the margin balance.
    MarginRatio,
    /// Too near to liquidation once every working order has filled on its bad side.
    WorstCase,
    /// A scenario that must be survived is not.
    Stress,
    /// The symbol's set leverage is too high.
    Leverage,
    /// Gross notional is too many times the margin balance.
    EffectiveLeverage,
    /// The order is too large.
    OrderNotional,
    /// The position would be too large.
    PositionNotional,
    /// The price lies too far on the losing side of the mark.
    PriceCollar,
}

impl Code {
    /// Every code, in precedence.
    pub const ALL: [Self; 21] = [
        Self::NotReady,
        Self::AuditUnavailable,
        Self::UnsupportedAccount,
        Self::UnknownSymbol,
        Self::UnknownFigure,
        Self::Locked,
        Self::ReduceOnlyState,
        Self::SymbolNotPermitted,
        Self::IsolatedRequired,
        Self::ExchangeWouldRefuse,
        Self::LiquidationDistance,
        Self::WalletAtRisk,
        Self::Spill,
        Self::MarginRatio,
        Self::WorstCase,
        Self::Stress,
        Self::Leverage,
        Self::EffectiveLeverage,
        Self::OrderNotional,
        Self::PositionNotional,
        Self::PriceCollar,
    ];

    /// The name on the socket; it never changes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotReady => "NOT_READY",
            Self::AuditUnavailable => "AUDIT_UNAVAILABLE",
            Self::UnsupportedAccount => "UNSUPPORTED_ACCOUNT",
            Self::UnknownSymbol => "UNKNOWN_SYMBOL",
            Self::UnknownFigure => "UNKNOWN_FIGURE",
            Self::Locked => "LOCKED",
            Self::ReduceOnlyState => "REDUCE_ONLY_STATE",
            Self::SymbolNotPermitted => "SYMBOL_NOT_PERMITTED",
            Self::IsolatedRequired => "ISOLATED_REQUIRED",
            Self::ExchangeWouldRefuse => "EXCHANGE_WOULD_REFUSE",
            Self::LiquidationDistance => "LIQUIDATION_DISTANCE",
            Self::WalletAtRisk => "WALLET_AT_RISK",
            Self::Spill => "SPILL",
            Self::MarginRatio => "MARGIN_RATIO",
            Self::WorstCase => "WORST_CASE",
            Self::Stress => "STRESS",
            Self::Leverage => "LEVERAGE",
            Self::EffectiveLeverage => "EFFECTIVE_LEVERAGE",
            Self::OrderNotional => "ORDER_NOTIONAL",
            Self::PositionNotional => "POSITION_NOTIONAL",
            Self::PriceCollar => "PRICE_COLLAR",
        }
    }

    /// Another quantity of the order could change it.
    #[must_use]
    pub const fn depends_on_quantity(self) -> bool {
        matches!(
            self,
            Self::ExchangeWouldRefuse
                | Self::LiquidationDistance
                | Self::WalletAtRisk
                | Self::Spill
                | Self::MarginRatio
                | Self::WorstCase
                | Self::Stress
                | Self::EffectiveLeverage
                | Self::OrderNotional
                | Self::PositionNotional
        )
    }

    /// What waiting could change about it.
    #[must_use]
    pub const fn retry(self) -> Retry {
        match self {
            Self::NotReady | Self::AuditUnavailable | Self::UnknownFigure => Retry::AfterResync,
            Self::LiquidationDistance
            | Self::WalletAtRisk
            | Self::Spill
            | Self::MarginRatio
            | Self::WorstCase
            | Self::Stress
            | Self::EffectiveLeverage => Retry::WhenMarginRecovers,
            Self::UnsupportedAccount
            | Self::UnknownSymbol
            | Self::Locked
            | Self::ReduceOnlyState
            | Self::SymbolNotPermitted
            | Self::IsolatedRequired
            | Self::ExchangeWouldRefuse
            | Self::Leverage
            | Self::OrderNotional
            | Self::PositionNotional
            | Self::PriceCollar => Retry::Never,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_listed_once_in_their_own_order() {
        assert!(Code::ALL.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(Code::ALL.len(), Code::PriceCollar as usize + 1);
    }
}
