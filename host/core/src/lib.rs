//! What Chimera Layer 4 decides, apart from how it is done.
//!
//! Tasks, quotas, configuration and the outcome of a run are plain data and
//! functions here. This crate does no I/O, reads no clock and no environment:
//! the caller passes in all three, so every rule is tested in milliseconds and
//! holds on every host.

#![forbid(unsafe_code)]

pub mod agent;
pub mod allocation;
pub mod complaints;
pub mod config;
pub mod digest;
pub mod error;
pub mod events;
pub mod fault;
pub mod genome;
pub mod grants;
pub mod id;
pub mod json;
pub mod keyvalue;
pub mod metrics;
pub mod quota;
pub mod refinement;
pub mod refusal;
pub mod scheduler;
pub mod status;
pub mod task;
pub mod telemetry;
pub mod usage;

pub use agent::{AgentCapabilities, AgentConfig, AgentHealth, HealthStatus, InstancePolicy};
pub use allocation::{AllocationTarget, ResourceAllocation};
pub use config::FabricConfig;
pub use digest::Digest;
pub use error::{FabricError, FabricResult};
pub use fault::{Breach, Call, Fault, GuestFault, HostFault, LimitSource, QuotaKind, TrapCode};
pub use grants::{FolderAccess, FolderGrant, Grants, HttpGrant, KeyValueGrant};
pub use id::{AgentId, TaskId};
pub use json::JsonText;
pub use metrics::{KpiReport, ValidationResult};
pub use quota::ResourceQuota;
pub use refinement::{RefinedBy, Refinement};
pub use refusal::Refusal;
pub use task::{ExecutionResult, Priority, Task};
pub use telemetry::RunTelemetry;
pub use usage::ResourceUsage;
