//! A small Binance.
