//! `wasi:config/store`: the operator's parameters, for guests that look for
//! their settings where the standard has them.
//!
//! Always linked, since the same parameters are handed to `init`. A parameter
//! that is text is that text; any other is JSON.

use chimera_layer4_core::{FabricResult, Fault};
use serde_json::Value;
use wasmtime::component::Linker;

use crate::sandbox::capability::{Capability, Needs, Provides, View, ViewOf};
use crate::sandbox::context::ContextBuilder;
use crate::sandbox::options::CapabilityOptions;

mod bindings {
    wasmtime::component::bindgen!({
        path: "src/sandbox/capabilities/config/drafts.wit",
        imports: { default: trappable },
    });
}

use self::bindings::wasi;

/// The drafts that toolchains emit; a draft's version matches only itself.
const NAMES: [&str; 4] = [
    "wasi:config/store@0.2.0-rc.1",
    "wasi:config/store@0.2.0-draft",
    "wasi:config/store@0.2.0-draft-2024-09-27",
    "wasi:config/runtime@0.2.0-draft",
];

/// The parameters of the agent, which need no grant.
pub(crate) struct Config;

impl Capability for Config {
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

/// The drafts differ in their names alone; each has an error type of its own,
/// which is never used here. So each generated trait is implemented alike.
macro_rules! same_functions {
    ($($($draft:ident)::+,)*) => {$(
        impl $($draft)::+::Host for View<'_, Config> {
            fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, $($draft)::+::Error>> {
                Ok(Ok(self.context.setup.parameters.get(&key).map(text)))
            }

            fn get_all(&mut self) -> wasmtime::Result<Result<Vec<(String, String)>, $($draft)::+::Error>> {
                let all = self.context.setup.parameters.iter();
                Ok(Ok(all.map(|(name, value)| (name.clone(), text(value))).collect()))
            }
        }
    )*};
}

same_functions! {
    wasi::config0_2_0_rc_1::store,
    wasi::config0_2_0_draft::store,
    wasi::config0_2_0_draft_2024_09_27::store,
    wasi::config0_2_0_draft::runtime,
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
