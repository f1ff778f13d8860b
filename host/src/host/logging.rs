//! The log of a program that has not set one up.

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

/// Prints the fabric's log on standard error, all that it has to say, unless the program has
/// a subscriber of its own: then that decides.
pub(crate) fn install() {
    if tracing::dispatcher::has_been_set() {
        return;
    }
    let ours = Targets::new().with_default(Level::INFO).with_target("chimera_layer4", Level::DEBUG);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    // Another thread may have been first, which is as good.
    let _ = tracing_subscriber::registry().with(lines.with_filter(ours)).try_init();
}
