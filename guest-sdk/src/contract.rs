//! What is generated from `wit/`, kept in one place and hidden.
//!
//! Only `convert`, `exports` and the wasm side of `telemetry` name these types;
//! everything an author sees is written by hand. The file is not called
//! `bindings.rs` because `cargo component` overwrites files of that name.

wit_bindgen::generate!({
    path: "../wit",
    world: "agent",
    pub_export_macro: true,
    export_macro_name: "export_agent_world",
    default_bindings_module: "chimera_agent_sdk::__private::contract",
});
