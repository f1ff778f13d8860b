//! `wasi:otel`: spans, metrics and log records of guests whose library speaks
//! OpenTelemetry. They arrive where the contract's own telemetry does, within the
//! same bounds.
//!
//! The host's clock times the spans. Events and links of spans, buckets and
//! exemplars of metrics, and resources are left out.

mod logs;
mod metrics;
mod tracing;

use std::borrow::Cow;

use chimera_layer4_core::{FabricResult, Fault};
use wasmtime::component::Linker;

use self::bindings::wasi::otel::types::{Host, KeyValue};
use self::tracing::Spans;
use crate::sandbox::capability::{Capability, Needs, Provides, View, ViewOf};
use crate::sandbox::context::ContextBuilder;
use crate::sandbox::options::CapabilityOptions;

mod bindings {
    wasmtime::component::bindgen!({
        path: "src/sandbox/capabilities/otel/otel.wit",
        imports: { default: trappable },
    });
}

/// The one draft. `types` comes with the others.
const NAMES: [&str; 4] = [
    "wasi:otel/types@0.2.0-rc.2",
    "wasi:otel/tracing@0.2.0-rc.2",
    "wasi:otel/metrics@0.2.0-rc.2",
    "wasi:otel/logs@0.2.0-rc.2",
];

/// OpenTelemetry, which needs no grant.
pub(crate) struct Otel;

impl Capability for Otel {
    type Backend = ();
    type State = Spans;

    fn needs(interface: &str) -> Option<Needs> {
        NAMES.contains(&interface).then_some(Needs::Nothing)
    }

    fn backend(_: &CapabilityOptions) -> FabricResult<()> {
        Ok(())
    }

    fn state((): &(), _: &mut ContextBuilder) -> Result<Spans, Fault> {
        Ok(Spans::default())
    }

    fn link<T: Provides<Self>>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
        use self::bindings::wasi::otel::{logs, metrics, tracing, types};
        // One by one: the clock that they name is WASI's own.
        types::add_to_linker::<T, ViewOf<Self>>(linker, T::view)?;
        tracing::add_to_linker::<T, ViewOf<Self>>(linker, T::view)?;
        metrics::add_to_linker::<T, ViewOf<Self>>(linker, T::view)?;
        logs::add_to_linker::<T, ViewOf<Self>>(linker, T::view)
    }
}

impl Host for View<'_, Otel> {}

/// A value as text: it comes as JSON, and JSON text loses its quotes.
fn text(value: &str) -> Cow<'_, str> {
    match value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(plain) if !plain.contains(['\\', '"']) => Cow::Borrowed(plain),
        Some(_) => serde_json::from_str(value).map_or(Cow::Borrowed(value), Cow::Owned),
        None => Cow::Borrowed(value),
    }
}

fn pairs(attributes: &[KeyValue]) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
    attributes.iter().map(|KeyValue { key, value }| (key.as_str(), text(value)))
}
