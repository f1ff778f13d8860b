//! `wasi:otel/logs`: each record is a line of the agent's log.

use std::fmt::Write as _;

use chimera_layer4_core::telemetry::LogLevel;

use super::bindings::wasi::otel::logs::{Host, LogRecord};
use super::{Otel, View, pairs, text};
use crate::sandbox::guest_text::TEXT_BYTES;

impl Host for View<'_, Otel> {
    fn on_emit(&mut self, data: LogRecord) -> wasmtime::Result<()> {
        let mut line = data.event_name.unwrap_or_default();
        if let Some(body) = &data.body {
            let colon = if line.is_empty() { "" } else { ": " };
            line = format!("{line}{colon}{}", text(body));
        }
        for (name, value) in pairs(data.attributes.as_deref().unwrap_or_default()) {
            if line.len() > TEXT_BYTES {
                break; // The log keeps no more of a line.
            }
            write!(line, " {name}={value}")?;
        }
        self.context.log.line(level(data.severity_number), &line);
        Ok(())
    }
}

/// Each level of OpenTelemetry has four numbers.
fn level(severity: Option<u8>) -> LogLevel {
    match severity {
        Some(1..=4) => LogLevel::Trace,
        Some(5..=8) => LogLevel::Debug,
        Some(13..=16) => LogLevel::Warn,
        Some(17..) => LogLevel::Error,
        Some(0 | 9..=12) | None => LogLevel::Info,
    }
}
