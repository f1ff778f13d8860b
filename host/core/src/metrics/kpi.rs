//! Key figures of each agent and genome over the last minutes.
//!
//! A window holds single runs, so its quantiles are exact. It is bounded by age
//! and by count; an agent that runs more than that in the time is judged by its
//! latest runs.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::scheduler::{Moment, Timestamp};
use crate::{AgentId, Digest, TaskId};

/// How far back a window reaches.
pub const WINDOW: Duration = Duration::from_secs(300);
/// Runs in a window at the most: enough that a 99th percentile stands on ten.
const MOST_RUNS: usize = 1024;
/// Windows at the most; the one that is quiet for longest goes first.
const MOST_WINDOWS: usize = 10_000;

/// What layer 3 found out about the output of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Validation))]
pub struct ValidationResult {
    /// Which task.
    pub task_id: TaskId,
    /// How right its output was, from 0.0 to 1.0.
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 1))]
    pub accuracy: f64,
}

/// One run that ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RunSample {
    /// When.
    pub at: Moment,
    /// How long it took.
    pub wall: Duration,
    /// Whether the agent returned an output.
    pub success: bool,
    /// Processor time that it used.
    pub cpu_seconds: f64,
    /// Mebibytes that its instance held at the most.
    pub memory_mb: f64,
}

/// How one agent did with one genome, over the last five minutes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KpiReport {
    /// The agent.
    pub agent_id: AgentId,
    /// The name that tasks target.
    pub agent_type: String,
    /// The genome that ran.
    pub genome: Digest,
    /// When this was said.
    pub at: Timestamp,
    /// Seconds that the window reaches back.
    pub window_secs: u64,
    /// Runs that the figures stand on.
    pub runs: usize,
    /// Milliseconds of a run: half took no longer.
    pub latency_ms: f64,
    /// Milliseconds: 95 % took no longer.
    pub latency_p95_ms: f64,
    /// Milliseconds: 99 % took no longer.
    pub latency_p99_ms: f64,
    /// Share of runs that returned an output, from 0.0 to 1.0.
    pub success_rate: f64,
    /// Mean accuracy that layer 3 reported for the genome's outputs in the
    /// window, from 0.0 to 1.0; absent without a report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Seconds of processor time of a run, in the mean.
    pub cpu_seconds: f64,
    /// Mebibytes that a run held at the most.
    pub memory_peak_mb: f64,
}

/// The windows of all agents.
#[derive(Debug, Default)]
pub struct Kpis {
    runs: HashMap<(AgentId, Digest), Window<RunSample>>,
    accuracy: HashMap<(String, Digest), Window<(Moment, f64)>>,
}

#[derive(Debug)]
struct Window<T> {
    agent_type: String,
    newest: Moment,
    entries: VecDeque<T>,
}

impl<T> Window<T> {
    fn new(agent_type: &str) -> Self {
        let newest = Moment::default();
        Self { agent_type: agent_type.to_owned(), newest, entries: VecDeque::new() }
    }

    fn push(&mut self, at: Moment, entry: T) {
        if self.entries.len() >= MOST_RUNS {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
        self.newest = self.newest.max(at);
    }
}

impl Kpis {
    /// A run ended.
    pub fn ran(&mut self, agent_id: AgentId, agent_type: &str, genome: Digest, run: RunSample) {
        make_room(&mut self.runs, &(agent_id, genome));
        let window = self.runs.entry((agent_id, genome));
        window.or_insert_with(|| Window::new(agent_type)).push(run.at, run);
    }

    /// Layer 3 judged an output of a genome.
    pub fn validated(&mut self, agent_type: &str, genome: Digest, at: Moment, accuracy: f64) {
        let key = (agent_type.to_owned(), genome);
        make_room(&mut self.accuracy, &key);
        let window = self.accuracy.entry(key);
        window.or_insert_with(|| Window::new(agent_type)).push(at, (at, accuracy));
    }

    /// How each agent did, said `at` this time of day; those that ran nothing in
    /// the window are forgotten.
    #[must_use]
    pub fn reports(&mut self, now: Moment, at: Timestamp) -> Vec<KpiReport> {
        self.runs.retain(|_, window| now.since(window.newest) <= WINDOW);
        self.accuracy.retain(|_, window| now.since(window.newest) <= WINDOW);
        let report = |(key, window)| self.report(key, window, now, at);
        let mut reports: Vec<_> = self.runs.iter().filter_map(report).collect();
        reports.sort_by_key(|report| (report.agent_id, report.genome));
        reports
    }

    /// Mean accuracy of each agent type's outputs in the window, all genomes
    /// together; types without a report are left out.
    #[must_use]
    pub fn accuracy_by_type(&self, now: Moment) -> Vec<(String, f64)> {
        let mut by_type: HashMap<&str, (f64, usize)> = HashMap::new();
        for ((agent_type, _), window) in &self.accuracy {
            let (sum, count) = by_type.entry(agent_type).or_default();
            for accuracy in recent_accuracy(window, now) {
                *sum += accuracy;
                *count += 1;
            }
        }
        let mean =
            |(name, (sum, count)): (&str, (f64, usize))| (name.to_owned(), sum / count as f64);
        let mut means: Vec<_> =
            by_type.into_iter().filter(|(_, (_, count))| *count > 0).map(mean).collect();
        means.sort_by(|a, b| a.0.cmp(&b.0));
        means
    }

    fn report(
        &self,
        (agent_id, genome): &(AgentId, Digest),
        window: &Window<RunSample>,
        now: Moment,
        at: Timestamp,
    ) -> Option<KpiReport> {
        let recent: Vec<&RunSample> =
            window.entries.iter().filter(|run| now.since(run.at) <= WINDOW).collect();
        let runs = recent.len();
        if runs == 0 {
            return None;
        }
        let mut wall: Vec<Duration> = recent.iter().map(|run| run.wall).collect();
        wall.sort_unstable();
        let quantile = |share| nearest_rank(&wall, share).as_secs_f64() * 1000.0;
        let count = runs as f64;
        let key = (window.agent_type.clone(), *genome);
        let judged = self.accuracy.get(&key).map(|judged| recent_accuracy(judged, now));
        Some(KpiReport {
            agent_id: *agent_id,
            agent_type: window.agent_type.clone(),
            genome: *genome,
            at,
            window_secs: WINDOW.as_secs(),
            runs,
            latency_ms: quantile(0.5),
            latency_p95_ms: quantile(0.95),
            latency_p99_ms: quantile(0.99),
            success_rate: recent.iter().filter(|run| run.success).count() as f64 / count,
            accuracy: judged.and_then(|judged| mean(&judged)),
            cpu_seconds: recent.iter().map(|run| run.cpu_seconds).sum::<f64>() / count,
            memory_peak_mb: recent.iter().map(|run| run.memory_mb).fold(0.0, f64::max),
        })
    }
}

fn recent_accuracy(window: &Window<(Moment, f64)>, now: Moment) -> Vec<f64> {
    let recent = window.entries.iter().filter(|(at, _)| now.since(*at) <= WINDOW);
    recent.map(|(_, accuracy)| *accuracy).collect()
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The smallest value that a share of all do not exceed; of none, zero.
fn nearest_rank(sorted: &[Duration], share: f64) -> Duration {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// Before another window is opened, the quietest goes if there are too many.
fn make_room<K: Clone + Eq + std::hash::Hash, T>(windows: &mut HashMap<K, Window<T>>, next: &K) {
    if windows.len() < MOST_WINDOWS || windows.contains_key(next) {
        return;
    }
    let quietest = windows.iter().min_by_key(|(_, window)| window.newest);
    if let Some(key) = quietest.map(|(key, _)| key.clone()) {
        windows.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const SAID: Timestamp = Timestamp(7);

    fn agent(n: u128) -> AgentId {
        AgentId::from(Uuid::from_u128(n))
    }

    fn run(at: u64, millis: u64, success: bool) -> RunSample {
        let (at, wall) = (Moment(at), Duration::from_millis(millis));
        RunSample { at, wall, success, cpu_seconds: 0.5, memory_mb: millis as f64 }
    }

    #[test]
    fn a_report_stands_on_the_runs_of_its_window() {
        let genome = Digest::of(b"one");
        let mut kpis = Kpis::default();
        kpis.ran(agent(1), "echo", genome, run(0, 9_999, false));
        for millis in 1..=100 {
            kpis.ran(agent(1), "echo", genome, run(300_001, millis, millis > 10));
        }
        kpis.validated("echo", genome, Moment(0), 0.0);
        kpis.validated("echo", genome, Moment(300_001), 0.5);
        kpis.validated("echo", genome, Moment(300_001), 1.0);
        let [report] = &kpis.reports(Moment(300_001), SAID)[..] else { panic!("one agent ran") };
        assert_eq!((report.runs, report.latency_ms), (100, 50.0));
        assert_eq!((report.latency_p95_ms, report.latency_p99_ms), (95.0, 99.0));
        assert_eq!((report.success_rate, report.accuracy), (0.9, Some(0.75)));
        assert_eq!((report.cpu_seconds, report.memory_peak_mb), (0.5, 100.0));
        assert_eq!(kpis.accuracy_by_type(Moment(300_001)), [("echo".to_owned(), 0.75)]);
        assert!(kpis.reports(Moment(700_000), SAID).is_empty(), "all of it is long ago");
        assert!(kpis.accuracy_by_type(Moment(700_000)).is_empty());
    }

    #[test]
    fn genomes_of_one_agent_are_counted_separately() {
        let mut kpis = Kpis::default();
        kpis.ran(agent(1), "echo", Digest::of(b"one"), run(1, 1, true));
        kpis.ran(agent(1), "echo", Digest::of(b"two"), run(1, 2, false));
        let rates: Vec<_> = kpis.reports(Moment(1), SAID).iter().map(|r| r.success_rate).collect();
        assert_eq!(rates.iter().sum::<f64>(), 1.0);
        assert_eq!(rates.len(), 2);
    }

    #[test]
    fn windows_are_bounded_in_length_and_number() {
        let genome = Digest::of(b"one");
        let mut kpis = Kpis::default();
        for at in 0..2 * MOST_RUNS as u64 {
            kpis.ran(agent(0), "echo", genome, run(at, at, true));
        }
        assert_eq!(kpis.reports(Moment(2048), SAID)[0].runs, MOST_RUNS);
        for n in 1..=MOST_WINDOWS as u128 {
            kpis.ran(agent(n), "echo", genome, run(10_000 + n as u64, 1, true));
        }
        assert_eq!(kpis.runs.len(), MOST_WINDOWS);
        assert!(!kpis.runs.contains_key(&(agent(0), genome)), "the quietest went");
    }
}
