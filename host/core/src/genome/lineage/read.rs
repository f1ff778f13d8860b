//! What the entries amount to.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Entry, Event};
use crate::Digest;
use crate::scheduler::Timestamp;

/// Which genomes stay although nothing uses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Generations of ancestors behind each genome that is in use.
    pub ancestors: usize,
    /// How long a genome stays after the last thing that happened to it, so
    /// that one which was uploaded a moment ago, or rolled back, is still there
    /// when it is asked for.
    pub quiet_for: Duration,
}

impl Default for Retention {
    /// Ten generations are more than a rollback needs; a month covers an
    /// operator's holidays.
    fn default() -> Self {
        Self { ancestors: 10, quiet_for: days(30) }
    }
}

impl Retention {
    /// As it is asked for, in generations and days; what is not said is the
    /// default.
    #[must_use]
    pub fn of(ancestors: Option<usize>, quiet_days: Option<u32>) -> Self {
        let defaults = Self::default();
        Self {
            ancestors: ancestors.unwrap_or(defaults.ancestors),
            quiet_for: quiet_days.map_or(defaults.quiet_for, days),
        }
    }
}

fn days(days: u32) -> Duration {
    Duration::from_secs(u64::from(days) * 24 * 60 * 60)
}

/// In the order in which things happened, whatever order they came in.
pub(super) fn in_order(entries: &[Entry]) -> Vec<&Entry> {
    let mut ordered: Vec<&Entry> = entries.iter().collect();
    ordered.sort_by_key(|entry| entry.sequence);
    ordered
}

/// The genome that is in charge of an agent type; `None` before the first.
#[must_use]
pub fn active(entries: &[Entry], agent_type: &str) -> Option<Digest> {
    active_by_type(entries).remove(agent_type)
}

fn active_by_type(entries: &[Entry]) -> BTreeMap<&str, Digest> {
    let mut active = BTreeMap::new();
    for entry in in_order(entries) {
        let Some(agent_type) = entry.agent_type.as_deref() else { continue };
        if let Some(genome) = entry.event.puts_in_charge(entry.genome) {
            active.insert(agent_type, genome);
        }
    }
    active
}

/// The genomes that are pinned.
#[must_use]
pub fn pinned(entries: &[Entry]) -> BTreeSet<Digest> {
    let mut pinned = BTreeSet::new();
    for entry in in_order(entries) {
        match &entry.event {
            Event::Pinned => {
                pinned.insert(entry.genome);
            }
            Event::Unpinned => {
                pinned.remove(&entry.genome);
            }
            Event::Stored { .. }
            | Event::Admitted { .. }
            | Event::Rejected { .. }
            | Event::Benchmarked { .. }
            | Event::RolloutStarted { .. }
            | Event::Step { .. }
            | Event::Verdict { .. }
            | Event::Promoted { .. }
            | Event::Updated { .. }
            | Event::RolledBack { .. }
            | Event::Collected => {}
        }
    }
    pinned
}

/// The rollouts that are under way: by agent type, the candidate and the
/// champion.
///
/// A rollout ends when a genome is put in charge of its agent type or taken
/// back, and by a verdict: an inconclusive end and an operator's abort write
/// one, which then says what was known.
#[must_use]
pub fn rollouts(entries: &[Entry]) -> BTreeMap<String, (Digest, Digest)> {
    let mut running = BTreeMap::new();
    for entry in in_order(entries) {
        let Some(agent_type) = &entry.agent_type else { continue };
        match &entry.event {
            Event::RolloutStarted { against, .. } => {
                running.insert(agent_type.clone(), (entry.genome, *against));
            }
            Event::Promoted { .. } | Event::RolledBack { .. } | Event::Verdict { .. } => {
                running.remove(agent_type);
            }
            Event::Stored { .. }
            | Event::Admitted { .. }
            | Event::Rejected { .. }
            | Event::Benchmarked { .. }
            | Event::Step { .. }
            | Event::Updated { .. }
            | Event::Pinned
            | Event::Unpinned
            | Event::Collected => {}
        }
    }
    running
}

/// The parent of each genome that has one. Of a genome that was stored more
/// than once the first counts: what it was made from does not change.
pub(super) fn parents(entries: &[Entry]) -> BTreeMap<Digest, Digest> {
    let mut parents = BTreeMap::new();
    for entry in in_order(entries) {
        if let Event::Stored { parent: Some(parent), .. } = &entry.event {
            parents.entry(entry.genome).or_insert(*parent);
        }
    }
    parents
}

/// The genomes whose bytes must stay: those in charge, pinned or in a rollout,
/// with their ancestors, and those with a recent entry.
///
/// Genomes without a record are not in the answer either: a collector removes
/// only genomes that have a record and are not in here.
#[must_use]
pub fn keep(entries: &[Entry], now: Timestamp, retention: &Retention) -> BTreeSet<Digest> {
    let mut used: BTreeSet<Digest> = active_by_type(entries).into_values().collect();
    used.extend(pinned(entries));
    used.extend(
        rollouts(entries).into_values().flat_map(|(candidate, champion)| [candidate, champion]),
    );

    let parents = parents(entries);
    let mut kept = used.clone();
    for genome in used {
        let (mut child, mut left) = (genome, retention.ancestors);
        let mut met = BTreeSet::from([genome]);
        while let Some(parent) = parents.get(&child).filter(|_| left > 0) {
            // The walk also ends in a record that was edited into a cycle.
            if !met.insert(*parent) {
                break;
            }
            kept.insert(*parent);
            (child, left) = (*parent, left - 1);
        }
    }
    let lately = |entry: &&Entry| {
        now.since(entry.at) <= retention.quiet_for && !matches!(entry.event, Event::Collected)
    };
    kept.extend(entries.iter().filter(lately).map(|entry| entry.genome));
    kept
}
