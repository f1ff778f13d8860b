//! The log of a program that has not set one up.

use std::io::{self, IsTerminal};

use chimera_layer4_core::telemetry::EXECUTOR_LOG;
use chimera_layer4_fabric::AGENT_LOG;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;

/// Prints the fabric's log on standard error, all that it and its agents have to say, unless
/// the program has a subscriber of its own: then that decides. Only a terminal gets colours.
pub(crate) fn install() {
    if tracing::dispatcher::has_been_set() {
        return;
    }
    let ours = Targets::new()
        .with_default(Level::INFO)
        // A target counts by how it begins: all crates of the host.
        .with_target("chimera_layer4", Level::DEBUG)
        .with_target(EXECUTOR_LOG, Level::DEBUG)
        .with_target(AGENT_LOG, Level::TRACE);
    // The layer would report what it cannot write with a macro that panics.
    let lines = fmt::layer().log_internal_errors(false).with_writer(io::stderr);
    let lines = if io::stderr().is_terminal() { lines } else { lines.with_ansi(false) };
    // Another thread may have been first, which is as good.
    let _ = tracing_subscriber::registry().with(lines.with_filter(ours)).try_init();
}
