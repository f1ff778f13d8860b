//! What agents say, in the host's log.

use chimera_layer4_core::telemetry::{LogLevel, LogLine};
use chimera_layer4_core::{AgentId, Task};
use tracing::Level;

/// The target of agents' lines, so that a filter can tell them from the host's.
pub(crate) const TARGET: &str = "agent";

/// Writes the lines of one run, each at its own level.
pub(super) fn write(agent: AgentId, task: &Task, lines: &[LogLine]) {
    // A level is part of what is compiled in, hence a macro for each.
    macro_rules! line {
        ($level:expr, $text:expr) => {
            tracing::event!(target: TARGET, $level, %agent, task = %task.id, "{}", $text)
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
