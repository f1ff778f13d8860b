//! Chimera Layer 4: a host for AI agents that are untrusted WebAssembly
//! components.
//!
//! [`Layer4Fabric`] has the specification's methods: it loads components, runs tasks
//! on them inside enforced quotas and says what each task really cost. It is a thin
//! face over [`Fabric`](fabric::Fabric), which hands out the rest by its parts; the module
//! [`fabric`] has all of them. The program `chimera` does nothing that this library cannot.
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
//! Components are compiled in a process of its own, with limits: by the program `chimera`
//! where the setting `compile_program` names it or it lies beside the running program,
//! else by the running program, if its `main` begins with [`compile_if_asked`]. A program
//! that does not call it compiles in its own process, without limits, and logs that once.

#![forbid(unsafe_code)]

/// Compiles the Rust in the README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

pub mod fabric;
mod layer4;
#[cfg(feature = "http")]
mod port;

// What `Layer4Fabric` takes and gives, under the specification's names. The rest is in `fabric`.
pub use self::fabric::{
    ActiveAgent, AgentCapabilities, AgentConfig, AgentHealth, AgentId, AgentSource,
    AllocationTarget, ExecutionResult, FabricConfig as Layer4Config, FabricError as Layer4Error,
    FabricResult as Layer4Result, Fault, GenomeRef, HealthStatus, KpiReport, MetricsCollector,
    Priority, ResourceAllocation, ResourceQuota, ResourceUsage, SchedulerStats, Swapped,
    SystemHealth, SystemStatus, Task, TaskId, ValidationResult, utils,
};
pub use self::layer4::{Layer4Fabric, Layer4FabricBuilder};
pub use chimera_layer4_fabric::compile_if_asked;
