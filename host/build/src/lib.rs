//! Builds agents that are crates in Rust, for programs that embed the host.
//!
//! A program has an agent built, held against the contract and handed to it by one line
//! in its build script:
//!
//! ```no_run
//! // In `main` of build.rs:
//! chimera_layer4_build::agent("agents/custom-agent");
//! ```
//!
//! In the program, `chimera_layer4::include_agents!()` defines the type `CustomAgent`,
//! which implements `chimera_layer4::AgentComponent`. [`Agents`] takes several agents
//! and names for their types.
//!
//! The rest is for `chimera-layer4-toolchain`, which builds agents in other languages
//! too: [`rust`] calls cargo, [`tool`] any other program. Neither wasmtime nor a
//! generator of bindings is among what this crate depends on.

#![forbid(unsafe_code)]

mod agents;
mod component;
mod error;
mod generated;
pub mod rust;
mod script;
mod step;
mod stop;
pub mod tool;
mod trouble;
mod watched;

pub use self::agents::{Agents, agent};
pub use self::error::BuildError;
pub use self::step::Step;
pub use self::stop::Stop;
