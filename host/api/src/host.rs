//! How a host is, and what its queue holds.

use std::collections::BTreeMap;

use chimera_layer4_core::scheduler::SchedulerStats;
pub use chimera_layer4_core::scheduler::TypeStats;
use serde::{Deserialize, Serialize};

/// The host's state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Health {
    /// healthy, degraded, draining or stopped.
    pub status: String,
    /// When this was said, in whole seconds since 1970. All other times of the API are
    /// RFC 3339; this answer has the form that the specification shows.
    pub timestamp: u64,
    #[expect(missing_docs, reason = "its name says it")]
    pub active_agents: usize,
    /// Tasks waiting or running.
    pub pending_tasks: usize,
    /// Whole seconds since the start.
    pub uptime_seconds: u64,
    /// Declared agent types whose agents did not start, by name: why. A reload
    /// tries them again.
    pub agent_types_down: BTreeMap<String, String>,
}

/// A host that takes work, although something is not as its settings suggest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Ready {
    /// What that is; the log has the same.
    pub warnings: Vec<Warning>,
}

/// Something to know of a host that runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Warning {
    /// A stable word.
    pub code: String,
    /// What it is, and what to do.
    pub message: String,
}

/// The queue and the runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Stats {
    /// Tasks by state.
    pub tasks: BTreeMap<String, u64>,
    /// Waiting tasks by class.
    pub waiting: BTreeMap<String, u64>,
    /// Seconds that the task which waits longest has waited, by class.
    pub oldest_waiting_secs: BTreeMap<String, f64>,
    /// Queued tasks by agent type.
    pub queued_by_type: BTreeMap<String, u64>,
    /// Tasks claimed and not settled.
    pub in_hand: usize,
    /// Each agent type, since the start.
    pub agent_types: Vec<TypeStats>,
}

impl From<SchedulerStats> for Stats {
    fn from(stats: SchedulerStats) -> Self {
        fn named<K: ToString, V>(pairs: Vec<(K, V)>) -> BTreeMap<String, V> {
            pairs.into_iter().map(|(key, value)| (key.to_string(), value)).collect()
        }
        let oldest = named(stats.oldest_waiting).into_iter();
        Self {
            tasks: named(stats.by_state),
            waiting: named(stats.waiting_by_priority),
            oldest_waiting_secs: oldest.map(|(class, age)| (class, age.as_secs_f64())).collect(),
            queued_by_type: named(stats.queued_by_type),
            in_hand: stats.active_tasks,
            agent_types: stats.types,
        }
    }
}
