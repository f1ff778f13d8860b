//! What a store shows, and whether its counts are those of its rows.

use std::collections::BTreeMap;

use super::tasks::{CLASSES, id};
use crate::scheduler::store::{Filter, StoreStats, TaskStore};
use crate::scheduler::{TaskRecord, TaskState};

/// All that the store knows of a task, which it must hold.
pub async fn record(store: &dyn TaskStore, n: u32) -> TaskRecord {
    store.get(id(n)).await.unwrap().unwrap_or_else(|| panic!("task {n} is not in the store"))
}

/// The state of a task, which the store must hold.
pub async fn state(store: &dyn TaskStore, n: u32) -> TaskState {
    record(store, n).await.state
}

/// Every task in one state.
pub fn all_in(state: TaskState) -> Filter {
    Filter::of(Some(state))
}

/// Whether the counts are those of the rows, and each task is in one state.
pub async fn check_counts(store: &dyn TaskStore) {
    let mut expected = StoreStats::default();
    let mut seen = BTreeMap::new();
    let mut queued: BTreeMap<String, u64> = BTreeMap::new();
    for state in TaskState::ALL {
        let rows = store.list(all_in(state)).await.unwrap();
        expected.by_state.push((state, rows.len() as u64));
        for row in &rows {
            assert_eq!(row.state, state);
            assert_eq!(seen.insert(row.id, state), None, "{} is in two states", row.id);
            if state.is_queued() {
                *queued.entry(row.agent_type.clone()).or_default() += 1;
            }
        }
        if state == TaskState::Waiting {
            for class in CLASSES {
                let of_class = || rows.iter().filter(|row| row.priority == class);
                expected.waiting_by_priority.push((class, of_class().count() as u64));
                let oldest = of_class().map(|row| row.at).min();
                expected.oldest_waiting.extend(oldest.map(|oldest| (class, oldest)));
            }
        }
    }
    expected.queued_by_type = queued.into_iter().collect();
    assert_eq!(store.stats().await.unwrap(), expected);
}
