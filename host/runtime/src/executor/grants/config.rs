//! `wasi:config/store`: the operator's parameters, for guests that look for
//! their settings where the standard has them.
//!
//! Always linked, since the same parameters are handed to `init`. A parameter
//! that is text is that text; any other is JSON.

use serde_json::Value;
use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Lift, Linker, Lower};

use crate::executor::sandbox::Sandbox;

/// The drafts that toolchains emit; a draft's version matches only itself.
pub(crate) const NAMES: [&str; 4] = [
    "wasi:config/store@0.2.0-rc.1",
    "wasi:config/store@0.2.0-draft",
    "wasi:config/store@0.2.0-draft-2024-09-27",
    "wasi:config/runtime@0.2.0-draft",
];

/// Why a value cannot be had. Here it always can.
#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum ConfigError {
    #[component(name = "upstream")]
    Upstream(String),
    #[component(name = "io")]
    Io(String),
}

type Get = (Result<Option<String>, ConfigError>,);
type GetAll = (Result<Vec<(String, String)>, ConfigError>,);

pub(crate) fn link(linker: &mut Linker<Sandbox>) -> wasmtime::Result<()> {
    for name in NAMES {
        let mut interface = linker.instance(name)?;
        interface.func_wrap("get", |store: StoreContextMut<'_, Sandbox>, (key,): (String,)| {
            let value = store.data().setup.parameters.get(&key).map(text);
            Ok::<Get, _>((Ok(value),))
        })?;
        interface.func_wrap("get-all", |store: StoreContextMut<'_, Sandbox>, (): ()| {
            let all = store.data().setup.parameters.iter();
            Ok::<GetAll, _>((Ok(all.map(|(name, value)| (name.clone(), text(value))).collect()),))
        })?;
    }
    Ok(())
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
