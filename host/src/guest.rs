//! What an agent in the specification's form uses: `use chimera_layer4::*` in a crate for
//! WebAssembly, or in one that depends on this crate with `default-features = false`.
//!
//! In a program that also has the host, the host's names are at the root and these are
//! here. See [`chimera_agent_sdk::plain`] for an agent in this form.

pub use chimera_agent_sdk::plain::*;
