//! Chimera Layer 4: a host for AI agents that are untrusted WebAssembly
//! components.
//!
//! [`Layer4Fabric`] has the specification's methods: it loads components, runs tasks
//! on them inside enforced quotas and says what each task really cost. It is a thin
//! face over [`Fabric`], which hands out the rest by its parts. The program `chimera`
//! does nothing that this library cannot.
//!
//! ```no_run
//! use chimera_layer4::{AgentConfig, Layer4Config, Layer4Fabric, utils};
//! use serde_json::json;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let fabric = Layer4Fabric::new(Layer4Config::default())?;
//! fabric.start().await?;
//!
//! let component = std::fs::read("echo.wasm")?;
//! let config = utils::agent_config("echo", utils::default_resource_quota());
//! fabric.spawn_agent(&component, config).await?;
//!
//! let task = utils::default_task("echo", json!({ "text": "hello" }));
//! let result = fabric.execute_task(task).await?;
//! println!("{} for {} s of processor", result.output, result.resource_usage.cpu_seconds);
//!
//! fabric.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! With the feature `http` (on by default) `start` opens `metrics_port`;
//! [`Layer4Fabric::builder`] can leave it closed. With `evolution` an `http::Server`
//! shows evolutions too, and with `store-suite` there are the tests that each task
//! store must pass.
//!
//! Components are compiled by the program `chimera` in a process of its own.
//! It is looked for beside the running program;
//! [`Layer4Config::compile_program`] names it otherwise.

#![forbid(unsafe_code)]

/// Compiles the Rust in the README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

mod layer4;
#[cfg(feature = "http")]
mod port;

pub use self::layer4::{Layer4Fabric, Layer4FabricBuilder};
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
    ExecutionResult, Fault, FolderAccess, FolderGrant, Grants, GuestFault, HealthStatus, HostFault,
    HttpGrant, InstancePolicy, JsonText, KeyValueGrant, KpiReport, Layer4Config, Layer4Error,
    Layer4Result, LimitSource, Priority, QuotaKind, Refusal, ResourceAllocation, ResourceQuota,
    ResourceUsage, RunTelemetry, Task, TaskId, TrapCode, Validation, config, json, keyvalue,
    telemetry,
};
pub use chimera_layer4_fabric::metrics::MetricsCollector;
pub use chimera_layer4_fabric::scheduler::{SchedulerStats, TaskHandle};
pub use chimera_layer4_fabric::{
    ActiveAgent, AdmittedGenome, AgentSource, Agents, BenchTask, Benchmark, Fabric, GenomeDetail,
    GenomeDiff, GenomeRef, GenomeSummary, Genomes, KeyValue, NewGenome, RolloutView, StateCarried,
    Swapped, SystemHealth, SystemStatus, Tasks, Telemetry, events, metrics, open_queue, scheduler,
    utils,
};
pub use chimera_layer4_runtime::{Genome, Inspection, RunReport};
pub use chimera_layer4_stores as stores;
