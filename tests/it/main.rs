//! Tests of the whole, one binary.
mod exchange_keys;
mod exchange_stand;
mod exchange_streams;
