//! The types of the specification, in the form in which it writes them, and how they become
//! those of the [`fabric`](crate::fabric).
//!
//! A program of the specification has maps from the standard library, JSON as
//! [`serde_json::Value`], whole megabits and no field beside those that it names. The fabric
//! keeps JSON as text, maps in order and more besides; what it has more is at its default
//! here, and is reached through [`Layer4Fabric::fabric`](crate::Layer4Fabric::fabric).

mod agent;
mod config;
mod error;
mod kpi;
mod quota;
mod result;
mod task;

pub use self::agent::AgentConfig;
pub use self::config::Layer4Config;
pub use self::error::{BoxError, Layer4Error, Layer4Result};
pub use self::kpi::KpiReport;
pub use self::quota::{ResourceAllocation, ResourceQuota};
pub use self::result::ExecutionResult;
pub use self::task::Task;
