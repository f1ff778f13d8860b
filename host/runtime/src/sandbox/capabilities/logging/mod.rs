//! `wasi:logging/logging`: lines of the agent's log, for guests whose library
//! writes there. Kept and bounded as those of `telemetry` are.

use chimera_layer4_core::telemetry::LogLevel;
use chimera_layer4_core::{FabricResult, Fault};
use wasmtime::component::Linker;

use crate::sandbox::capability::{Capability, Needs, Provides, View, ViewOf};
use crate::sandbox::context::ContextBuilder;
use crate::sandbox::options::CapabilityOptions;

mod bindings {
    wasmtime::component::bindgen!({
        path: "src/sandbox/capabilities/logging/drafts.wit",
        imports: { default: trappable },
    });
}

use self::bindings::wasi;

/// The draft, and the name without a version under which some vendor it.
const NAMES: [&str; 2] = ["wasi:logging/logging@0.1.0-draft", "wasi:logging/logging"];

/// The log, which needs no grant.
pub(crate) struct Logging;

impl Capability for Logging {
    type Backend = ();
    type State = ();

    fn needs(interface: &str) -> Option<Needs> {
        NAMES.contains(&interface).then_some(Needs::Nothing)
    }

    fn backend(_: &CapabilityOptions) -> FabricResult<()> {
        Ok(())
    }

    fn state((): &(), _: &mut ContextBuilder) -> Result<(), Fault> {
        Ok(())
    }

    fn link<T: Provides<Self>>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
        bindings::Drafts::add_to_linker::<T, ViewOf<Self>>(linker, T::view)
    }
}

/// Both have the same function, and each a type of its own for the level.
macro_rules! same_function {
    ($($($draft:ident)::+,)*) => {$(
        impl $($draft)::+::Host for View<'_, Logging> {
            fn log(
                &mut self,
                level: $($draft)::+::Level,
                context: String,
                message: String,
            ) -> wasmtime::Result<()> {
                let level = match level {
                    $($draft)::+::Level::Trace => LogLevel::Trace,
                    $($draft)::+::Level::Debug => LogLevel::Debug,
                    $($draft)::+::Level::Info => LogLevel::Info,
                    $($draft)::+::Level::Warn => LogLevel::Warn,
                    $($draft)::+::Level::Error | $($draft)::+::Level::Critical => LogLevel::Error,
                };
                let line =
                    if context.is_empty() { message } else { format!("{context}: {message}") };
                self.context.log.line(level, &line);
                Ok(())
            }
        }
    )*};
}

same_function! {
    wasi::logging0_1_0_draft::logging,
    wasi::logging::logging,
}
