//! What an agent reported to its operator during one run.
//!
//! Everything here came from the guest: it is kept within bounds, escaped when
//! shown, and never mistaken for what the host measured.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The target of lines about what becomes of agents, their tasks in the end and the host,
/// so that a filter can tell them from the rest. Each has a `code`.
pub const EXECUTOR_LOG: &str = "executor";

/// Whether a terminal would act on this character instead of showing it:
/// control characters, and those that turn the direction of writing.
#[must_use]
pub fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text as a terminal may have it: what is deceptive is escaped.
#[must_use]
pub fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_deceptive(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

/// All that one run reported.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunTelemetry {
    /// Observations, in the order they were made.
    pub metrics: Vec<Metric>,
    /// Stretches of work, in the order they were opened.
    pub spans: Vec<Span>,
    /// The last progress that the task reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// Log lines, standard output and standard error.
    pub log: Vec<LogLine>,
    /// What did not fit.
    pub dropped: Dropped,
}

/// One observation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Its name, in Prometheus' alphabet.
    pub name: String,
    /// A finite number.
    pub value: f64,
    /// Its dimensions.
    pub labels: Vec<(String, String)>,
}

/// One stretch of work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// What was done.
    pub name: String,
    /// The index of the span that it happened in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<usize>,
    /// From the start of the run to its opening.
    pub start: Duration,
    /// From its opening to its end.
    pub duration: Duration,
    /// What was known about it.
    pub attributes: Vec<(String, String)>,
}

/// How far a task is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// From 0.0 to 1.0.
    pub fraction: f64,
    /// What was being done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// One line of log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LogLine {
    /// How much it matters.
    pub level: LogLevel,
    /// Its text, control characters escaped.
    pub message: String,
}

/// The end of what one run reported as its log: why it failed stands there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LogTail {
    /// Lines of the log, standard output and standard error, oldest first.
    pub lines: Vec<LogLine>,
    /// Bytes of the log that are left out, before these lines or between them.
    pub bytes_left_out: u64,
}

impl LogTail {
    /// Bytes of lines that are kept.
    pub const MOST_BYTES: usize = 8 * 1024;
    /// Lines that are kept, so that empty ones are bounded too.
    pub const MOST_LINES: usize = 200;

    /// The end of what a run reported.
    #[must_use]
    pub fn of(telemetry: &RunTelemetry) -> Self {
        let mut bytes = 0;
        let fits = |line: &&LogLine| {
            bytes += line.message.len();
            bytes <= Self::MOST_BYTES
        };
        let log = &telemetry.log;
        let kept = log.iter().rev().take(Self::MOST_LINES).take_while(fits).count();
        let (before, lines) = log.split_at_checked(log.len() - kept).unwrap_or((&[], log));
        let before: usize = before.iter().map(|line| line.message.len()).sum();
        Self { lines: lines.to_vec(), bytes_left_out: telemetry.dropped.log_bytes + before as u64 }
    }

    /// Whether nothing was said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.bytes_left_out == 0
    }
}

/// How much a log line matters, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum LogLevel {
    /// Every step.
    Trace,
    /// For the agent's author.
    Debug,
    /// Worth knowing; also what was written to standard output.
    Info,
    /// Something to look at; also what was written to standard error.
    Warn,
    /// Something that failed.
    Error,
}

impl LogLevel {
    /// Its name.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            LogLevel::Trace => "trace",
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Warn => "warn",
            LogLevel::Error => "error",
        }
    }
}

/// Counts of what did not fit or was not well formed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Observations.
    pub metrics: u64,
    /// Spans.
    pub spans: u64,
    /// Bytes of log, standard output and standard error.
    pub log_bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_written_by_its_word() {
        use LogLevel::{Debug, Error, Info, Trace, Warn};
        for level in [Trace, Debug, Info, Warn, Error] {
            assert_eq!(serde_json::to_value(level).unwrap(), level.word());
        }
    }

    #[test]
    fn a_tail_is_the_end_within_bounds_and_counts_the_rest() {
        let log = |lines: usize, length: usize| RunTelemetry {
            log: (0..lines)
                .map(|n| LogLine { level: LogLevel::Info, message: format!("{n:0length$}") })
                .collect(),
            dropped: Dropped { log_bytes: 5, ..Dropped::default() },
            ..RunTelemetry::default()
        };
        let tail = LogTail::of(&log(100, 1024));
        assert_eq!((tail.lines.len(), tail.bytes_left_out), (8, 92 * 1024 + 5));
        assert!(tail.lines[7].message.ends_with("99"));
        let tail = LogTail::of(&log(1000, 4));
        assert_eq!((tail.lines.len(), tail.bytes_left_out), (LogTail::MOST_LINES, 800 * 4 + 5));
        assert!(LogTail::of(&RunTelemetry::default()).is_empty());
        let one =
            |lines: usize, bytes_left_out| LogTail { lines: log(lines, 1).log, bytes_left_out };
        assert!(!one(0, 1).is_empty() && !one(1, 0).is_empty() && !one(1, 1).is_empty());
    }
}
