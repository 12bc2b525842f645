//! Everything that is tested from outside of a room: one binary, shared helpers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod alarms;
mod alarms_rules;
mod alerts_channels;
mod alerts_manage;
mod alerts_refused;
mod api_check;
mod api_contract;
mod api_events;
mod api_rig;
mod api_rooms;
mod api_server;
mod black_box;
mod black_box_alerts;
mod black_box_host;
mod black_box_keys;
mod black_box_network;
mod black_box_service;
mod black_box_verbs;
mod changes;
mod cli_verbs;
mod config_effective;
mod config_mistakes;
mod demo;
mod drawn;
mod dst;
mod exchange_keys;
mod exchange_stand;
mod exchange_streams;
mod exchange_tls;
mod explain;
mod fault_table;
mod faults_c;
mod faults_e;
mod faults_k;
mod faults_l;
mod faults_n;
mod faults_p;
mod faults_r;
mod faults_s;
mod faults_u;
mod faults_x;
mod fees;
mod guard;
mod journal_faults;
mod journal_queries;
mod live;
mod margin_end_to_end;
mod margin_properties;
mod middleman;
mod offers;
mod promises;
mod promises_live;
mod promises_socket;
mod property_cases;
mod quotes;
mod random_accounts;
mod readme;
mod real_brackets;
mod recovery;
mod rig;
mod scenario_figures;
mod scenario_verdicts;
mod scenarios;
mod second_ledger;
mod sim_client;
mod sim_clients;
mod sim_prices;
mod sim_rest;
mod sim_scenario;
mod sim_streams;
mod sim_table;
mod sim_ws_api;
mod tidy;
mod verdict;
