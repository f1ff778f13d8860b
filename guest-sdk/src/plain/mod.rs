//! The specification's form of an agent: one trait with five methods, JSON values in
//! and out, and types that are written as literals.
//!
//! `use chimera_agent_sdk::plain::*` brings all that such an agent names, and so does
//! `use chimera_layer4::*` in a crate that depends on `chimera-layer4`. The other form,
//! [`TypedAgent`](crate::TypedAgent), has typed payloads whose errors name the place,
//! retries after a time, progress and state; [`prelude`](crate::prelude) has its types,
//! some of them under the same names. A crate uses one of both.
//!
//! ```
//! use chimera_agent_sdk::plain::*;
//! use std::{collections::HashMap, time::SystemTime};
//!
//! wasm_agent!(Counter, CounterAgent);
//!
//! pub struct CounterAgent {
//!     base: BaseWasmAgent,
//! }
//!
//! impl CounterAgent {
//!     pub fn new() -> Self {
//!         let capabilities = AgentCapabilities {
//!             supported_task_types: vec!["count".to_string()],
//!             max_concurrent_tasks: 1,
//!             resource_quota: ResourceQuota::default(),
//!             required_env_vars: HashMap::new(),
//!             features: Vec::new(),
//!         };
//!         Self { base: BaseWasmAgent::new("counter".to_string(), capabilities) }
//!     }
//! }
//!
//! impl WasmAgent for CounterAgent {
//!     fn execute_task(&mut self, task: Task) -> Layer4Result<ExecutionResult> {
//!         let text = task.payload["text"].as_str().unwrap_or_default();
//!         Ok(ExecutionResult {
//!             task_id: task.id,
//!             success: true,
//!             output: serde_json::json!({ "words": text.split_whitespace().count() }),
//!             execution_time_ms: 0,
//!             resource_usage: ResourceUsage::default(),
//!             error: None,
//!             completed_at: SystemTime::now(),
//!         })
//!     }
//!
//!     fn init(&mut self, config: AgentConfig) -> Layer4Result<()> {
//!         self.base.init(config)
//!     }
//!
//!     fn get_capabilities(&self) -> AgentCapabilities {
//!         self.base.get_capabilities()
//!     }
//!
//!     fn shutdown(&mut self) -> Layer4Result<()> {
//!         self.base.shutdown()
//!     }
//!
//!     fn health_check(&self) -> AgentHealth {
//!         self.base.health_check()
//!     }
//! }
//!
//! # fn main() -> Result<(), chimera_agent_sdk::AgentError> {
//! let mut host = testing::TestHost::<Counter>::start()?;
//! let output = host.execute(&serde_json::json!({ "text": "one two" }))?;
//! assert_eq!(output["words"], 2);
//! # Ok(())
//! # }
//! ```

pub(crate) mod adapter;
mod agent;
mod base;
mod capabilities;
mod config;
mod convert;
mod error;
mod id;
mod quota;
mod result;
mod task;
mod telemetry;
mod tree;
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
