//! The library by its parts: [`Fabric`] and all that it takes and gives.
//!
//! The root of the crate has the specification's names. What they leave open is here: the
//! settings by their groups ([`config`]), the queue and the stores that it can have
//! ([`queue`], [`stores`]), genomes and their trials ([`genome`]), events, metrics, and
//! the HTTP server (`http`, with the feature of that name).

#[cfg(feature = "http")]
pub use chimera_layer4_server as http;

pub use chimera_layer4_contract::wit;
pub use chimera_layer4_core::genome;
// Two public names: `queue` has the rules of the queue and the contract of its stores,
// `scheduler` the service that runs its tasks.
pub use chimera_layer4_core::scheduler as queue;
pub use chimera_layer4_core::scheduler::{Submission, SubmitOptions, TaskState};
pub use chimera_layer4_core::{
    AgentCapabilities, AgentConfig, AgentHealth, AgentId, AllocationTarget, Breach, Call, Digest,
    ExecutionResult, FabricConfig, FabricError, FabricResult, Fault, FolderAccess, FolderGrant,
    Grants, GuestFault, HealthStatus, HostFault, HttpGrant, InstancePolicy, JsonText,
    KeyValueGrant, KpiReport, LimitSource, Priority, QuotaKind, RefinedBy, Refinement, Refusal,
    ResourceAllocation, ResourceQuota, ResourceUsage, RunTelemetry, Task, TaskId, TrapCode,
    ValidationResult, config, json, keyvalue, refinement, telemetry,
};
pub use chimera_layer4_fabric::metrics::MetricsCollector;
pub use chimera_layer4_fabric::scheduler::{SchedulerStats, TaskHandle};
pub use chimera_layer4_fabric::{
    ActiveAgent, AdmittedGenome, AgentSource, AgentType, Agents, BenchTask, Benchmark, Fabric,
    GenomeDetail, GenomeDiff, GenomeRef, GenomeSummary, Genomes, KeyValue, NewGenome, RolloutView,
    StateCarried, Swapped, SystemHealth, SystemStatus, Tasks, Telemetry, events, metrics,
    open_queue, scheduler, utils,
};
pub use chimera_layer4_runtime::{Genome, Inspection, RunReport};
pub use chimera_layer4_stores as stores;
