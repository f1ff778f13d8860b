//! How a host and its agents are, as it says so.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::config::AgentOrigin;
use crate::refinement::RefinementSummary;
use crate::{AgentCapabilities, AgentHealth, AgentId, Digest};

/// One agent, as it is now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ActiveAgent {
    /// Its identity.
    #[serde(rename = "agent_id")]
    pub id: AgentId,
    /// The name that tasks target.
    pub agent_type: String,
    /// The genome that it runs.
    pub genome: Digest,
    /// What it says it can do.
    pub capabilities: AgentCapabilities,
    /// What the last heartbeat found.
    pub health: AgentHealth,
    /// Tasks waiting for it or running on it.
    pub tasks_in_hand: usize,
    /// Tasks that ended on it, well or not.
    pub tasks_done: u64,
    /// Tasks that ended with a fault.
    pub faults: u64,
    /// Times it was restarted.
    pub restarts: u64,
    /// Seconds of processor time that all its calls used.
    pub cpu_seconds: f64,
    /// Seconds that its calls were paused for their share of processor time,
    /// each by itself.
    pub paused_seconds: f64,
    /// Mebibytes of linear memory and tables that it holds.
    pub memory_mb: f64,
    /// Bytes that its requests sent, heads and TLS included; absent without a
    /// grant for HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_tx_bytes: Option<u64>,
    /// Bytes that the responses brought, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_rx_bytes: Option<u64>,
}

/// An agent type: one that tasks may target, that is declared, that tasks wait for, or that has
/// a refinement in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AgentType {
    #[expect(missing_docs, reason = "its name says it")]
    pub name: String,
    /// Agents of it that run.
    pub agents: Vec<AgentId>,
    /// Where it comes from; absent of one that a program registered, and of one that
    /// is no longer declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<AgentOrigin>,
    /// Why no task can be given to it: its agents did not start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub down: Option<String>,
    /// What is declared of it and is not in force, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Tasks that wait for it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub waiting: u64,
    /// The task types that its agents say they support: a task may target one of these
    /// in place of the type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub task_types: Vec<String>,
    /// What becomes of tasks that are submitted to it, beside what is declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refinement: Option<RefinementSummary>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The fabric's own state, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SystemStatus {
    /// Takes tasks, and every agent is well.
    Healthy,
    /// Takes tasks, but some agent is not well, or a declared type is down.
    Degraded,
    /// Takes no more tasks: those that run have their time, and then agents end.
    Draining,
    /// Not started yet, or shut down.
    Stopped,
}

/// The fabric as a whole, as it is now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SystemHealth {
    /// In one word.
    pub status: SystemStatus,
    /// When this was said.
    pub timestamp: SystemTime,
    /// Agents that run.
    pub active_agents: usize,
    /// Tasks waiting or running.
    pub pending_tasks: usize,
    /// Since `start`; zero before.
    pub uptime: Duration,
    /// Declared agent types whose agents did not start: why.
    pub agent_types_down: BTreeMap<String, String>,
}
