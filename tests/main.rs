//! System tests: everything here sees what a user sees, with real components
//! on a real host.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails, fails its test"
)]

mod handmade;
mod harness;

mod agents;
mod cli;
mod fabric;
mod hostile;
mod hostile_binaries;
mod readme;
mod shell;
mod tidy;
