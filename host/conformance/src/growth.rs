//! Whether memory grows with the tasks that are done.
//!
//! Linear memory grows by pages and never shrinks, an allocator takes more at
//! once than it needs, and what collects garbage takes still more before it
//! settles. So the first quarter of the tasks is a warm-up. What grew in the last
//! half is looked at for longer, until it has been flat for as long as it grew,
//! and for long enough that a leak would have shown. One of less than a page (64
//! KiB) in half of the tasks is not seen.

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

    /// Tasks from one step of growth to the next after the warm-up, in the mean.
    pub(super) fn gap(&self) -> u32 {
        let looks = self.looks.get(self.index(1)..).unwrap_or_default();
        let steps = looks.windows(2).filter(|two| two.first() < two.last()).count();
        let tasks = looks.len().saturating_sub(1).saturating_mul(self.every as usize);
        u32::try_from(tasks / steps.max(1)).unwrap_or(u32::MAX)
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
/// Steps of growth that would have come if it had not.
const STEPS: u32 = 4;

/// Waits for memory to settle.
#[derive(Debug)]
pub(super) struct Settling {
    bytes: u64,
    /// Steps of growth so far, and the task of the last one.
    steps: u32,
    last: u32,
    /// Tasks from one step to the next before.
    gap: u32,
}

impl Settling {
    /// After tasks in which it grew.
    pub(super) fn after(growth: &Growth) -> Self {
        Self { bytes: growth.at(4), steps: 0, last: 0, gap: growth.gap() }
    }

    /// Whether it has, now that `tasks` more are done and it holds `bytes`.
    pub(super) fn has_settled(&mut self, tasks: u32, bytes: u64) -> bool {
        if bytes > self.bytes {
            (self.bytes, self.steps, self.last) = (bytes, self.steps + 1, tasks);
        }
        let flat = tasks - self.last;
        // With few steps the gap of before says when the next one is due.
        let due = if self.steps < STEPS { self.gap.saturating_mul(STEPS) } else { 0 };
        flat >= self.last.max(LEAST).max(due)
    }

    /// Whether it grew at all.
    pub(super) fn grew(&self) -> bool {
        self.steps > 0
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
    fn a_leak_goes_on_and_is_reported_with_its_rate() {
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

    /// After how many more tasks it has settled, if within 10,000; whether it grew.
    fn settled(before: &Growth, held: impl Fn(u64) -> u64) -> (Option<u32>, bool) {
        let mut settling = Settling::after(before);
        let task = (1..=10_000).find(|task| settling.has_settled(*task, held(u64::from(*task))));
        (task, settling.grew())
    }

    #[test]
    fn it_has_settled_when_it_was_flat_for_as_long_as_it_grew() {
        let before = grown(|task| pages(task * 1_024));
        let end = 10_000 * 1_024;
        assert_eq!(settled(&before, |_| pages(end)), (Some(LEAST), false));
        let later = |task: u64| pages(end + task.min(1_200) * PAGE);
        assert_eq!(settled(&before, later), (Some(2_400), true));
        assert_eq!(settled(&before, |task| pages(end + task * 1_024)), (None, true));
    }

    #[test]
    fn a_slow_leak_is_waited_for() {
        let slow = |task: u64| pages(PAGE + task * 16);
        let before = grown(slow);
        assert!((3_000..5_000).contains(&before.gap()), "{}", before.gap());
        assert_eq!(settled(&before, |task| slow(10_000 + task)), (None, true));
        let step = grown(|task| if task < 9_000 { PAGE } else { 9 * PAGE });
        assert_eq!(settled(&step, |_| 9 * PAGE), (None, false), "it takes all tasks");
    }
}
