//! The specification's form of an agent: one trait with five methods, JSON values in
//! and out, and types that are written as literals.
//!
//! `use chimera_agent_sdk::plain::*` brings all that such an agent names, and so does
//! `use chimera_layer4::*` in a crate that depends on `chimera-layer4`. The other form,
//! [`TypedAgent`](crate::TypedAgent), has typed payloads whose errors name the place,
//! retries after a time, progress and state; [`prelude`](crate::prelude) has its types,
//! some of them under the same names. A crate uses one of both.

mod agent;
mod base;
mod capabilities;
mod config;
mod error;
mod id;
mod quota;
mod result;
mod task;
mod telemetry;
pub mod utils;

pub use self::agent::WasmAgent;
pub use self::base::BaseWasmAgent;
pub use self::capabilities::AgentCapabilities;
pub use self::config::AgentConfig;
pub use self::error::{BoxError, Layer4Error, Layer4Result};
pub use self::id::{AgentId, TaskId};
pub use self::quota::ResourceQuota;
pub use self::result::{ExecutionResult, ResourceUsage};
pub use self::task::Task;
pub use self::telemetry::Telemetry;

pub use crate::{
    AgentError, Health as AgentHealth, HealthStatus, Priority, serde_json, wasm_agent,
};

#[cfg(not(target_arch = "wasm32"))]
pub use crate::testing;
