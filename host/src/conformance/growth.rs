//! Whether memory grows with the tasks that are done.
//!
//! Linear memory grows by pages and never shrinks, an allocator takes more at
//! once than it needs, and what collects garbage takes still more before it
//! settles. So the first quarter of the tasks is a warm-up. What grew in the last
//! half is looked at for longer, until it has been flat for as long as it grew. A
//! leak of less than a page (64 KiB) in half of the tasks is not seen.

use chimera_layer4_core::quota::MEBIBYTE;

/// Looks at the memory, so many over the whole.
const LOOKS: u32 = 200;

/// Memory over tasks.
#[derive(Debug)]
pub(super) struct Growth {
    every: u32,
    /// Bytes held after each `every` tasks.
    looks: Vec<u64>,
}

impl Growth {
    /// For so many tasks at the most.
    pub(super) fn over(tasks: u32) -> Self {
        Self { every: (tasks / LOOKS).max(1), looks: Vec::new() }
    }

    /// After `tasks` tasks it holds `bytes`.
    pub(super) fn look(&mut self, tasks: u32, bytes: u64) {
        if tasks.is_multiple_of(self.every) {
            self.looks.push(bytes);
        }
    }

    /// Whether it grew in the last half.
    pub(super) fn goes_on(&self) -> bool {
        self.at(4) > self.at(2)
    }

    /// Bytes for each task after the warm-up.
    pub(super) fn per_task(&self) -> f64 {
        let looks = self.index(4) - self.index(1);
        let tasks = (looks as f64 * f64::from(self.every)).max(1.0);
        self.at(4).saturating_sub(self.at(1)) as f64 / tasks
    }

    /// From the warm-up to the end, in words.
    pub(super) fn in_words(&self) -> String {
        let mib = |bytes: u64| format!("{:.2} MiB", bytes as f64 / MEBIBYTE as f64);
        let (from, to) = (self.at(1), self.at(4));
        if from == to {
            return format!("{} throughout", mib(to));
        }
        format!("{} after a quarter of them, {} at the end", mib(from), mib(to))
    }

    /// Bytes at the end of a quarter, of those that were looked at.
    fn at(&self, quarter: usize) -> u64 {
        self.looks.get(self.index(quarter)).copied().unwrap_or_default()
    }

    fn index(&self, quarter: usize) -> usize {
        (self.looks.len() * quarter / 4).saturating_sub(1)
    }
}

/// Tasks without growth, at the least, after which memory has settled.
const LEAST: u32 = 500;

/// Waits for memory to settle.
#[derive(Debug)]
pub(super) struct Settling {
    bytes: u64,
    last_growth: u32,
}

impl Settling {
    /// It holds so much before the first task.
    pub(super) fn from(bytes: u64) -> Self {
        Self { bytes, last_growth: 0 }
    }

    /// Whether it has, now that `tasks` tasks are done and it holds `bytes`.
    pub(super) fn has_settled(&mut self, tasks: u32, bytes: u64) -> bool {
        if bytes > self.bytes {
            *self = Self { bytes, last_growth: tasks };
        }
        tasks >= self.last_growth.saturating_mul(2).max(LEAST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: u64 = 64 << 10;

    /// 10,000 tasks, of which `held` says the bytes.
    fn grown(held: impl Fn(u64) -> u64) -> Growth {
        let mut growth = Growth::over(10_000);
        (1..=10_000_u32).for_each(|task| growth.look(task, held(u64::from(task))));
        growth
    }

    fn pages(bytes: u64) -> u64 {
        bytes.div_ceil(PAGE) * PAGE
    }

    #[test]
    fn what_stays_or_settles_does_not_go_on() {
        assert!(!grown(|_| 17 * PAGE).goes_on());
        assert!(!grown(|task| pages(task.min(4_000) * 1_024)).goes_on());
        assert_eq!(grown(|_| 16 * PAGE).in_words(), "1.00 MiB throughout");
    }

    #[test]
    fn a_leak_goes_on_and_is_told_with_its_rate() {
        let leak = grown(|task| pages((1 << 20) + task * 1_024));
        assert!(leak.goes_on());
        assert!((leak.per_task() - 1_024.0).abs() < 20.0, "{}", leak.per_task());
        assert!(grown(|task| pages(task * 16)).goes_on(), "16 bytes a task");
        assert!(grown(|task| pages(task.next_power_of_two() * 1_024)).goes_on(), "doubled");
    }

    #[test]
    fn few_tasks_are_judged_without_harm() {
        let mut growth = Growth::over(10_000);
        assert_eq!((growth.goes_on(), growth.per_task()), (false, 0.0));
        growth.look(50, PAGE);
        assert!(!growth.goes_on());
    }

    #[test]
    fn it_has_settled_when_it_was_flat_for_as_long_as_it_grew() {
        let until = |held: &dyn Fn(u32) -> u64| {
            let mut settling = Settling::from(PAGE);
            (1..=10_000).find(|task| settling.has_settled(*task, held(*task)))
        };
        assert_eq!(until(&|_| PAGE), Some(LEAST));
        assert_eq!(until(&|task| u64::from(task.min(1_200)) * PAGE), Some(2_400));
        assert_eq!(until(&|task| pages(u64::from(task) * 1_024)), None);
    }
}
