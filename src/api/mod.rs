//! Door 1: the local sockets.
//!
//! Owns: the contract with the outside (its own types, one per request and answer), the server on
//! two Unix sockets, the client that our own commands use, and who is on the other end.
//! Must not know: margin formulas, limits, wire names of the exchange. It translates domain values
//! into text and back; how an order's parameters are read is given to it ([`Reader`]).
//!
//! Reading order: [`protocol`] (what is said), [`socket`] (where), [`server`] (who answers),
//! [`events`] (who listens), [`record`] (what is kept), [`client`] (the other end).

pub mod alerts;
pub mod client;
pub mod events;
pub mod openapi;
pub mod protocol;
pub mod record;
pub mod server;
pub mod shown;
pub mod socket;

use std::borrow::Cow;

use crate::exchange::translate::{ParamError, change_intent, order_intent};
use crate::margin::change::Change;
use crate::margin::order::OrderIntent;

/// Reads an order in the exchange's own parameters: names and values as they were sent.
pub type Reader = fn(&[(Cow<'_, str>, Cow<'_, str>)]) -> Result<OrderIntent, BadOrder>;

/// The reader of the exchange's own translation.
///
/// # Errors
/// [`BadOrder`] for the first parameter that is wrong.
pub fn read_order(parameters: &[(Cow<'_, str>, Cow<'_, str>)]) -> Result<OrderIntent, BadOrder> {
    order_intent(parameters).map_err(BadOrder::from)
}

/// Reads a change of settings or money: its kind, and the exchange's own parameters for it.
///
/// # Errors
/// [`BadOrder`] for the first parameter that is wrong.
pub fn read_change(
    kind: &str,
    parameters: &[(Cow<'_, str>, Cow<'_, str>)],
) -> Result<Change, BadOrder> {
    change_intent(kind, parameters).map_err(BadOrder::from)
}

impl From<ParamError> for BadOrder {
    fn from(error: ParamError) -> Self {
        Self {
            field: error.field,
            message: error.message,
        }
    }
}

/// Why parameters are no order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct BadOrder {
    /// The parameter, as it was spelled.
    pub field: String,
    /// What was expected.
    pub message: String,
}
