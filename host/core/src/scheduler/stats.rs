//! What a scheduler says of its queue and its runs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::breaker::BreakerState;
use super::machine::TaskState;
use super::store::StoreStats;
use super::time::Timestamp;
use crate::{Digest, Priority};

/// The queue and the runs, as they are now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SchedulerStats {
    /// Tasks by state.
    pub by_state: Vec<(TaskState, u64)>,
    /// Waiting tasks by class, most urgent first.
    pub waiting_by_priority: Vec<(Priority, u64)>,
    /// How long the task that waits longest has waited, by class.
    pub oldest_waiting: Vec<(Priority, Duration)>,
    /// Queued tasks by agent type, those too that nothing runs.
    pub queued_by_type: Vec<(String, u64)>,
    /// Tasks claimed by this scheduler and not settled yet.
    #[serde(rename = "in_hand")]
    pub active_tasks: usize,
    /// Each agent type that this scheduler has run something of.
    pub types: Vec<TypeStats>,
}

/// One agent type, since the start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = TypeFigures))]
pub struct TypeStats {
    /// The agent type.
    pub agent_type: String,
    /// Runs now.
    pub running: usize,
    /// Tasks that succeeded.
    pub succeeded: u64,
    /// Tasks that went to the dead letters after a run.
    pub failed: u64,
    /// Runs that failed and are made again.
    pub retried: u64,
    /// Runs that ended, per second, over the last ten or so.
    pub ended_per_second: f64,
    /// Of several genomes, the worst of theirs.
    pub breaker: BreakerState,
    /// Times that one opened, over all genomes.
    pub breaker_opened: u64,
    /// That of each genome that agents run now.
    #[serde(default)]
    pub breakers: Vec<GenomeBreaker>,
}

/// The circuit breaker of one genome.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GenomeBreaker {
    /// The genome.
    pub genome: Digest,
    /// What the breaker lets through.
    pub state: BreakerState,
    /// Times that it opened.
    pub opened: u64,
}

impl SchedulerStats {
    /// What a store counts, and what its scheduler knows besides.
    #[must_use]
    pub fn new(
        store: StoreStats,
        types: Vec<TypeStats>,
        active_tasks: usize,
        now: Timestamp,
    ) -> Self {
        let age = |(priority, since): (Priority, Timestamp)| (priority, now.since(since));
        Self {
            by_state: store.by_state,
            waiting_by_priority: store.waiting_by_priority,
            oldest_waiting: store.oldest_waiting.into_iter().map(age).collect(),
            queued_by_type: store.queued_by_type,
            active_tasks,
            types,
        }
    }

    /// Tasks in a state.
    #[must_use]
    pub fn count(&self, state: TaskState) -> u64 {
        let of_state = self.by_state.iter().find(|(its, _)| *its == state);
        of_state.map_or(0, |(_, count)| *count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheduler_shows_ages_where_its_store_has_times() {
        let store = StoreStats {
            by_state: vec![(TaskState::Waiting, 3), (TaskState::Dead, 2)],
            oldest_waiting: vec![
                (Priority::High, Timestamp(400)),
                (Priority::Low, Timestamp(2000)),
            ],
            ..StoreStats::default()
        };
        let stats = SchedulerStats::new(store, Vec::new(), 7, Timestamp(1000));
        assert_eq!((stats.count(TaskState::Waiting), stats.count(TaskState::Dead)), (3, 2));
        assert_eq!((stats.count(TaskState::Running), stats.active_tasks), (0, 7));
        let ages = [(Priority::High, Duration::from_millis(600)), (Priority::Low, Duration::ZERO)];
        assert_eq!(stats.oldest_waiting, ages);
    }
}
