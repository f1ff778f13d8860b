//! Telemetry of a component: straight to the host.

use super::Level;
use crate::contract::chimera::agent::telemetry as host;

pub(crate) struct Span(host::Span);

impl Span {
    pub(crate) fn set_attribute(&self, name: &str, value: String) {
        self.0.set_attribute(&label(name, value));
    }
}

pub(crate) fn start_tracking(name: &str) -> Span {
    Span(host::start_tracking(name))
}

pub(crate) fn record_metric(name: &str, value: f64, labels: &[(&str, &str)]) {
    let labels: Vec<_> =
        labels.iter().map(|&(name, value)| label(name, value.to_owned())).collect();
    host::record_metric(name, value, &labels);
}

pub(crate) fn progress(fraction: f64, message: Option<String>) {
    host::progress(fraction, message.as_deref());
}

pub(crate) fn log(level: Level, message: String) {
    let level = match level {
        Level::Trace => host::Level::Trace,
        Level::Debug => host::Level::Debug,
        Level::Info => host::Level::Info,
        Level::Warn => host::Level::Warn,
        Level::Error => host::Level::Error,
    };
    host::log(level, &message);
}

fn label(name: &str, value: String) -> host::Label {
    host::Label { name: name.to_owned(), value }
}
