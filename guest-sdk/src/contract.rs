//! What is generated from `wit/`, kept in one place and hidden.
//!
//! Only `convert`, `exports` and the wasm side of `telemetry` name these types;
//! everything an author sees is written by hand. The file is not called
//! `bindings.rs` because `cargo component` overwrites files of that name.

wit_bindgen::generate!({
    path: "wit",
    world: "agent",
    pub_export_macro: true,
    export_macro_name: "export_agent_world",
    default_bindings_module: "chimera_agent_sdk::__private::contract",
});

/// The optional part, apart from the rest: an agent that does not ask for it
/// has no such export. The world is named in place, so that it holds nothing
/// else; the linker makes one world of both.
pub mod optional {
    wit_bindgen::generate!({
        path: "wit",
        inline: "package chimera:agent-sdk; world state { export chimera:agent/state@0.1.0; }",
        world: "chimera:agent-sdk/state",
        with: { "chimera:agent/types@0.1.0": crate::contract::chimera::agent::types },
        pub_export_macro: true,
        export_macro_name: "export_state_world",
        default_bindings_module: "chimera_agent_sdk::__private::contract::optional",
    });
}
