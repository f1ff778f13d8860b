//! `chimera:agent/telemetry`: what a guest says of its own work.
//!
//! No call fails; the recorder bounds what is kept.

use chimera_layer4_core::telemetry::LogLevel;
use chimera_layer4_core::{FabricResult, Fault};
use wasmtime::component::{Linker, Resource};

use crate::sandbox::bindings::telemetry::{self, Host, HostSpan, Label, Level};
use crate::sandbox::capability::{Capability, Needs, Provides, View, ViewOf};
use crate::sandbox::context::recorder::SpanHandle;
use crate::sandbox::context::{ContextBuilder, HostContext};
use crate::sandbox::options::CapabilityOptions;

/// The contract's own telemetry, which every agent has.
pub(crate) struct Telemetry;

impl Capability for Telemetry {
    type Backend = ();
    type State = ();

    fn needs(interface: &str) -> Option<Needs> {
        interface.starts_with("chimera:agent/telemetry@0.1.").then_some(Needs::Nothing)
    }

    fn backend(_: &CapabilityOptions) -> FabricResult<()> {
        Ok(())
    }

    fn state((): &(), _: &mut ContextBuilder) -> Result<(), Fault> {
        Ok(())
    }

    fn link<T: Provides<Self>>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
        telemetry::add_to_linker::<T, ViewOf<Self>>(linker, T::view)
    }
}

impl Host for View<'_, Telemetry> {
    fn start_tracking(&mut self, name: String) -> wasmtime::Result<Resource<SpanHandle>> {
        let span = self.context.recorder.open(&name);
        self.context.look_at_handles();
        Ok(self.context.table.push(span)?)
    }

    fn record_metric(
        &mut self,
        name: String,
        value: f64,
        labels: Vec<Label>,
    ) -> wasmtime::Result<()> {
        let labels: Vec<_> =
            labels.iter().map(|label| (label.name.as_str(), label.value.as_str())).collect();
        self.context.recorder.metric(&name, value, &labels);
        Ok(())
    }

    fn progress(&mut self, fraction: f64, message: Option<String>) -> wasmtime::Result<()> {
        self.context.recorder.progress(fraction, message.as_deref());
        Ok(())
    }

    fn log(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            Level::Trace => LogLevel::Trace,
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        };
        self.context.log.line(level, &message);
        Ok(())
    }
}

impl HostSpan for View<'_, Telemetry> {
    fn set_attribute(
        &mut self,
        span: Resource<SpanHandle>,
        attribute: Label,
    ) -> wasmtime::Result<()> {
        let HostContext { table, recorder, .. } = &mut *self.context;
        recorder.describe(table.get(&span)?, &attribute.name, &attribute.value);
        Ok(())
    }

    fn drop(&mut self, span: Resource<SpanHandle>) -> wasmtime::Result<()> {
        let span = self.context.table.delete(span)?;
        self.context.recorder.end(&span);
        Ok(())
    }
}
