//! Write a Chimera agent: one type, one macro call, one WebAssembly component.
//!
//! An agent is a type that implements [`TypedAgent`]; [`wasm_agent!`] turns it
//! into the exports of the contract in `wit/`. Nothing generated from that
//! contract shows here, so an agent depends on this crate alone and keeps
//! compiling when the generator changes.
//!
//! ```
//! use chimera_agent_sdk::prelude::*;
//!
//! struct Echo;
//!
//! impl TypedAgent for Echo {
//!     type Output = Value;
//!
//!     fn init(_config: Config) -> Result<Self, AgentError> {
//!         Ok(Echo)
//!     }
//!
//!     fn execute_task(&mut self, task: Task) -> Result<Value, AgentError> {
//!         task.payload()
//!     }
//! }
//!
//! wasm_agent!(Echo);
//! # fn main() {}
//! ```
//!
//! [`plain`] has the other form of an agent, the specification's.
//!
//! Built for `wasm32-wasip2`, that is a component. Built natively, the exports
//! are left out and telemetry goes to a recorder, so that an agent is tested
//! with ordinary `#[test]`s: see [`testing`].

pub mod agent;
pub mod base;
pub mod capabilities;
pub mod config;
pub mod error;
pub mod health;
pub mod payload;
pub mod plain;
pub mod quota;
pub mod task;
pub mod telemetry;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

#[doc(hidden)]
#[cfg(any(target_arch = "wasm32", test))]
pub mod contract;
#[cfg(any(target_arch = "wasm32", test))]
mod convert;
#[cfg(any(target_arch = "wasm32", test))]
mod exports;
mod lifecycle;
mod macros;

pub use agent::{StatefulAgent, TypedAgent};
pub use base::BaseWasmAgent;
pub use capabilities::Capabilities;
pub use config::Config;
pub use error::{AgentError, OrAgentError};
pub use health::{Health, HealthStatus};
pub use quota::ResourceQuota;
pub use task::{Priority, Task};
pub use telemetry::{Level, Span, Telemetry};

pub use serde;
pub use serde_json;

/// What nearly every agent uses, for one `use` line.
///
/// The crate `serde` is in here too. A derive in an agent that does not depend
/// on `serde` itself says so with one attribute:
///
/// ```
/// use chimera_agent_sdk::prelude::*;
///
/// #[derive(Deserialize)]
/// #[serde(crate = "serde")]
/// struct Request {
///     rows: Vec<u32>,
/// }
/// # let request: Request = chimera_agent_sdk::payload::decode("{\"rows\":[1]}").unwrap();
/// # assert_eq!(request.rows, [1]);
/// ```
pub mod prelude {
    pub use crate::{
        AgentError, BaseWasmAgent, Capabilities, Config, Health, HealthStatus, Level, OrAgentError,
        Priority, ResourceQuota, Span, StatefulAgent, Task, Telemetry, TypedAgent, wasm_agent,
    };
    pub use serde::{self, Deserialize, Serialize};
    pub use serde_json::{Value, json};
}

/// What [`wasm_agent!`] expands to. Not for authors: it changes without notice.
#[doc(hidden)]
pub mod __private {
    #[cfg(any(target_arch = "wasm32", test))]
    pub use crate::contract;
    #[cfg(any(target_arch = "wasm32", test))]
    pub use crate::exports::Exported;
    pub use crate::lifecycle::{Resident, Slot};
    pub use crate::plain::adapter::Plain;
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
