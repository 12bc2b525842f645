//! Black-box tests over real sockets and real files.

mod sim_client;
mod sim_rest;
mod sim_scenario;
mod sim_streams;
mod sim_ws_api;
