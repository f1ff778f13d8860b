//! `wasi:logging/logging`: lines of the agent's log, for guests whose library
//! writes there. Kept and bounded as those of `telemetry` are.

use chimera_layer4_core::telemetry::LogLevel;
use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Lift, Linker, Lower};

use crate::executor::sandbox::Sandbox;

/// The draft, and the name without a version under which some vendor it.
pub(crate) const NAMES: [&str; 2] = ["wasi:logging/logging@0.1.0-draft", "wasi:logging/logging"];

#[expect(dead_code, reason = "each is made of what a guest says")]
#[derive(Clone, Copy, ComponentType, Lift, Lower)]
#[component(enum)]
#[repr(u8)]
enum Level {
    #[component(name = "trace")]
    Trace,
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
    #[component(name = "critical")]
    Critical,
}

impl From<Level> for LogLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Trace => LogLevel::Trace,
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error | Level::Critical => LogLevel::Error,
        }
    }
}

pub(crate) fn link(linker: &mut Linker<Sandbox>) -> wasmtime::Result<()> {
    for name in NAMES {
        linker.instance(name)?.func_wrap(
            "log",
            |store: StoreContextMut<'_, Sandbox>,
             (level, context, message): (Level, String, String)| {
                let line =
                    if context.is_empty() { message } else { format!("{context}: {message}") };
                store.data().log.line(level.into(), &line);
                Ok(())
            },
        )?;
    }
    Ok(())
}
