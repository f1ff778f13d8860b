//! The host's side of the root: all that a program has that embeds the host.

mod builder;
mod component;
pub mod fabric;
mod layer4;
#[cfg(feature = "logging")]
mod logging;
#[cfg(feature = "http")]
mod port;
mod specified;
mod start;
mod stub;
pub mod utils;

pub use self::builder::Layer4FabricBuilder;
pub use self::component::AgentComponent;
pub use self::fabric::scheduler::Scheduler;
pub use self::fabric::{
    ActiveAgent, AgentCapabilities, AgentHealth, AgentId, AllocationTarget, Fault, GenomeRef,
    HealthStatus, MetricsCollector, Priority, ResourceUsage, SchedulerStats, SystemHealth,
    SystemStatus, TaskId, ValidationResult,
};
pub use self::layer4::Layer4Fabric;
pub use self::specified::{
    AgentConfig, BoxError, ExecutionResult, KpiReport, Layer4Config, Layer4Error, Layer4Result,
    ResourceAllocation, ResourceQuota, Task,
};
pub use chimera_layer4_fabric::compile_if_asked;
/// The executor: the life of agents' instances.
pub use chimera_layer4_runtime::executor::Executor;
pub use serde_json;
pub use tokio;
