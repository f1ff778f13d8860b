//! Which tasks of an endless stream are kept, so that each had the same chance.
//!
//! This is reservoir sampling: the n-th task replaces one of the k that are
//! kept with the chance k/n. Counting on for ever would keep the tasks of the
//! first days, so n stops at a horizon; from there on old tasks are replaced
//! at a steady rate, and what is kept is mostly from the last horizon's worth.

use fastrand::Rng;

/// Tasks after which old ones fade, in times of what is kept.
const HORIZON: u64 = 100;

/// A task that is kept: its row, and what it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) seq: i64,
    pub(super) bytes: u64,
}

/// The sample of one agent type.
#[derive(Clone, Debug, Default)]
pub(super) struct Reservoir {
    pub(super) seen: u64,
    kept: Vec<Kept>,
    bytes: u64,
}

impl Reservoir {
    /// Takes in what was kept before.
    pub(super) fn restore(&mut self, kept: Kept) {
        self.kept.push(kept);
        self.bytes += kept.bytes;
        self.seen = self.seen.max(self.kept.len() as u64);
    }

    pub(super) fn kept(&self) -> &[Kept] {
        &self.kept
    }

    /// Whether the next task is to be kept.
    pub(super) fn admits(&mut self, max_tasks: usize, rng: &mut Rng) -> bool {
        let max_tasks = max_tasks as u64;
        self.seen = self.seen.saturating_add(1).min(max_tasks.saturating_mul(HORIZON).max(1));
        rng.u64(0..self.seen) < max_tasks
    }

    /// Keeps a task and returns those that make room for it, drawn by lot. The
    /// task itself is not among them.
    pub(super) fn keep(
        &mut self,
        task: Kept,
        max_tasks: usize,
        max_bytes: u64,
        rng: &mut Rng,
    ) -> Vec<i64> {
        let mut gone = Vec::new();
        let is_over = |kept: &Self| {
            kept.kept.len() >= max_tasks || kept.bytes.saturating_add(task.bytes) > max_bytes
        };
        while is_over(self) && !self.kept.is_empty() {
            let lot = rng.usize(0..self.kept.len());
            let old = self.kept.swap_remove(lot);
            self.bytes -= old.bytes;
            gone.push(old.seq);
        }
        self.kept.push(task);
        self.bytes += task.bytes;
        gone
    }
}
