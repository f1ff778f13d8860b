//! The agent types that every host has.

/// The name of the type whose agents answer each task with its payload.
pub(crate) const ECHO: &str = "echo";

/// Its component, which a test makes of `echo.wat`. It is inspected and compiled like any
/// other.
pub(crate) const ECHO_COMPONENT: &[u8] = include_bytes!("echo.wasm");
