//! What agents say, in the host's log.

use chimera_layer4_core::Task;
use chimera_layer4_core::telemetry::{LogLevel, LogLine};
use tracing::Level;

use super::agents::Entry;

/// The target of agents' lines, so that a filter can tell them from the host's.
pub(crate) const TARGET: &str = "agent";

/// Writes the lines of one run, each at its own level.
pub(super) fn write(entry: &Entry, task: &Task, lines: &[LogLine]) {
    if lines.is_empty() {
        return;
    }
    let (agent, genome) = (entry.id(), entry.agent.genome().digest());
    // A level is part of what is compiled in, hence a macro for each.
    macro_rules! line {
        ($level:expr, $text:expr) => {
            tracing::event!(target: TARGET, $level, %agent, %genome, task = %task.id, "{}", $text)
        };
    }
    for LogLine { level, message } in lines {
        match level {
            LogLevel::Trace => line!(Level::TRACE, message),
            LogLevel::Debug => line!(Level::DEBUG, message),
            LogLevel::Info => line!(Level::INFO, message),
            LogLevel::Warn => line!(Level::WARN, message),
            LogLevel::Error => line!(Level::ERROR, message),
        }
    }
}
