//! The lines of what was noticed on the side.

use chimera_layer4_core::telemetry::Dropped;

use super::checks::Check;
use super::notes::Notes;
use super::report::Lines;

impl Notes {
    /// The lines of an agent that was in service.
    pub(super) fn write(&self, lines: &mut Lines) {
        self.write_capabilities(lines);
        self.write_health(lines);
        match &self.not_json {
            Some(message) => {
                let next = "return text that parses as one JSON value";
                lines.fail(Check::Output, format!("{message}; {next}"));
            }
            None => lines.pass(Check::Output, format!("of {} tasks", self.executed)),
        }
        let ask = "give a task that ends so, with \"expect\" in a --tasks file, to see it";
        for (check, code) in [
            (Check::InvalidInput, "invalid-input"),
            (Check::Unavailable, "unavailable"),
            (Check::Failed, "failed"),
        ] {
            match self.errors.get(code) {
                Some(_) if self.wordless.contains(code) => {
                    let next = "say in words for the operator what is wrong";
                    lines.warn(check, format!("given without a message; {next}"));
                }
                Some((_, fault)) => lines.pass(check, fault.to_string()),
                None => lines.not_seen(check, ask),
            }
        }
        self.write_telemetry(lines);
    }

    fn write_capabilities(&self, lines: &mut Lines) {
        let Some(said) = &self.capabilities else { return };
        if let Some(message) = &self.changed {
            let next = "they may depend on the configuration alone";
            return lines.fail(Check::Capabilities, format!("{message}; {next}"));
        }
        let types = &said.supported_task_types;
        let repeated =
            types.iter().enumerate().find(|(n, name)| types.iter().skip(n + 1).any(|t| t == *name));
        if types.iter().any(String::is_empty) {
            lines.warn(Check::Capabilities, "a task type has no name");
        } else if let Some((_, name)) = repeated {
            lines.warn(Check::Capabilities, format!("the task type {name:?} is declared twice"));
        } else {
            let times = self.times_asked;
            lines.pass(
                Check::Capabilities,
                format!("the same all {times} times, in several instances"),
            );
        }
    }

    fn write_health(&self, lines: &mut Lines) {
        match (&self.unwell, &self.degraded) {
            (Some(message), _) => {
                let next = "a host restarts an agent that says so";
                lines.fail(Check::Health, format!("{message}; {next}"));
            }
            (None, Some(message)) => lines.pass(Check::Health, message),
            (None, None) => lines.pass(Check::Health, "healthy whenever it was asked"),
        }
    }

    fn write_telemetry(&self, lines: &mut Lines) {
        match &self.left_open {
            Some(name) => lines.warn(
                Check::Spans,
                format!(
                    "{} calls left a span open, such as {name:?}; the host ends it with the call, \
                     and its handle stays until it is dropped",
                    self.calls_left_open
                ),
            ),
            None => lines.pass(Check::Spans, "none was left open"),
        }
        let Dropped { metrics, spans, log_bytes } = self.dropped;
        let dropped: Vec<String> = [
            (metrics, "observations, for their names, values or number"),
            (spans, "spans"),
            (log_bytes, "bytes of log"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
        if dropped.is_empty() {
            return lines.pass(Check::Telemetry, "nothing had to be dropped");
        }
        let message =
            format!("dropped were {}; a host keeps so much of each call", dropped.join(", "));
        lines.warn(Check::Telemetry, message);
    }
}
