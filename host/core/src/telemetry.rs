//! What an agent told its operator during one run.
//!
//! Everything here came from the guest: it is kept within bounds, escaped when
//! shown, and never mistaken for what the host measured.

use std::time::Duration;

use serde::{Deserialize, Serialize};

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
    /// The last word on how far the task was.
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
pub struct LogLine {
    /// How much it matters.
    pub level: LogLevel,
    /// Its text, control characters escaped.
    pub message: String,
}

/// How much a log line matters, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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
