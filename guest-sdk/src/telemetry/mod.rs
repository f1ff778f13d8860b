//! What an agent tells its operator about its work: spans, metrics, progress
//! and log lines.
//!
//! No call fails or blocks, so none returns a `Result`. In a component the
//! calls go to the host, which bounds what it keeps and counts what it drops.
//! Natively they go to the recorder of the running [`testing`](crate::testing)
//! host, and nowhere when there is none.
//!
//! The free functions and the methods of [`Telemetry`] do the same; the handle
//! is for code that wants its dependencies visible.

use std::fmt::{self, Display};

#[cfg(target_arch = "wasm32")]
#[path = "host.rs"]
mod sink;
#[cfg(not(target_arch = "wasm32"))]
#[path = "recorder.rs"]
pub(crate) mod sink;

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every step.
    Trace,
    /// For the agent's author.
    Debug,
    /// Worth knowing.
    Info,
    /// Something to look at.
    Warn,
    /// Something that failed.
    Error,
}

/// A stretch of work with a beginning and an end. It ends when it is dropped;
/// one that is still open when the call returns ends there.
///
/// Bind it to a name: `let _ = start_tracking(…)` ends it at once.
#[must_use = "a span ends when it is dropped"]
pub struct Span(sink::Span);

impl Span {
    /// Adds what is known about the work. Setting a name again replaces the value.
    pub fn set_attribute(&self, name: &str, value: impl Display) {
        self.0.set_attribute(name, value.to_string());
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Span")
    }
}

/// Opens a span now, inside the span opened last that is still open.
pub fn start_tracking(name: &str) -> Span {
    Span(sink::start_tracking(name))
}

/// Records one observation.
///
/// The name follows Prometheus: letters, digits and `_`, not starting with a
/// digit. The host drops other names and values that are not finite.
pub fn record_metric(name: &str, value: f64) {
    sink::record_metric(name, value, &[]);
}

/// Records one observation along dimensions. Labels' names follow the same rule.
pub fn record_metric_with(name: &str, value: f64, labels: &[(&str, &str)]) {
    sink::record_metric(name, value, labels);
}

/// Says how far the task is, from 0.0 to 1.0.
pub fn progress(fraction: f64) {
    sink::progress(fraction, None);
}

/// Says how far the task is and what is being done.
pub fn progress_with(fraction: f64, message: impl Display) {
    sink::progress(fraction, Some(message.to_string()));
}

/// Writes one line to the host's log.
pub fn log(level: Level, message: impl Display) {
    sink::log(level, message.to_string());
}

/// Logs a step.
pub fn trace(message: impl Display) {
    log(Level::Trace, message);
}

/// Logs a word for the agent's author.
pub fn debug(message: impl Display) {
    log(Level::Debug, message);
}

/// Logs what is worth knowing.
pub fn info(message: impl Display) {
    log(Level::Info, message);
}

/// Logs something to look at.
pub fn warn(message: impl Display) {
    log(Level::Warn, message);
}

/// Logs something that failed.
pub fn error(message: impl Display) {
    log(Level::Error, message);
}

/// The functions of this module as a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Telemetry;

impl Telemetry {
    /// See [`start_tracking`].
    pub fn start_tracking(&self, name: &str) -> Span {
        start_tracking(name)
    }

    /// See [`record_metric`].
    pub fn record_metric(&self, name: &str, value: f64) {
        record_metric(name, value);
    }

    /// See [`record_metric_with`].
    pub fn record_metric_with(&self, name: &str, value: f64, labels: &[(&str, &str)]) {
        record_metric_with(name, value, labels);
    }

    /// See [`progress`].
    pub fn progress(&self, fraction: f64) {
        progress(fraction);
    }

    /// See [`progress_with`].
    pub fn progress_with(&self, fraction: f64, message: impl Display) {
        progress_with(fraction, message);
    }

    /// See [`log`].
    pub fn log(&self, level: Level, message: impl Display) {
        log(level, message);
    }
}

#[cfg(test)]
mod tests;
