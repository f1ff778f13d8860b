//! [`MetricsCollector`]: counts what happens, for Prometheus and for layer 5.
//!
//! What is counted as it happens is kept in handles, one set for each agent
//! type; what is merely looked at, such as the queue's depth, is put into
//! `Gauges` when the metrics are read. A label is never a task's id nor a
//! guest's unbounded word.

mod families;
mod gauges;
mod genomes;
mod guest;
mod http;
mod load;
mod runs;
mod tasks;

use std::sync::OnceLock;
use std::time::Duration;

use chimera_layer4_core::metrics::{KpiReport, Kpis, RunSample};
use chimera_layer4_core::scheduler::Timestamp;
use chimera_layer4_core::{AgentId, FabricError, FabricResult};
use chimera_layer4_runtime::RunReport;
use parking_lot::{Mutex, MutexGuard};
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, Registry, TextEncoder};

pub(crate) use self::gauges::{Gauges, Snapshot};
pub(crate) use self::http::HttpMetrics;
pub(crate) use self::runs::Runner;

use self::families::Beginnings;
use self::genomes::GenomeMetrics;
use self::guest::GuestMetrics;
use self::load::{Load, LoadNow};
use self::runs::RunMetrics;
use self::tasks::TaskMetrics;
use crate::scheduler::{TaskChange, moment};

/// Counts what happens in one fabric.
pub struct MetricsCollector {
    registry: Registry,
    tasks: TaskMetrics,
    runs: RunMetrics,
    guests: Mutex<GuestMetrics>,
    kpis: Mutex<Kpis>,
    pub(crate) http: HttpMetrics,
    pub(crate) genomes: GenomeMetrics,
    load: Mutex<Load>,
    loads: prometheus::IntCounterVec,
    compile_seconds: prometheus::Histogram,
    beginnings: Beginnings,
}

impl MetricsCollector {
    /// A collector that has counted nothing.
    ///
    /// # Errors
    /// `Internal`: two metrics have one name, which is a defect.
    pub fn new() -> FabricResult<Self> {
        let registry = Registry::new();
        let made = Self::made(&registry);
        made.map_err(|error| FabricError::Internal(format!("metrics: {error}")))
    }

    fn made(registry: &Registry) -> prometheus::Result<Self> {
        registry.register(Box::new(ProcessCollector::for_self()))?;
        let mut beginnings = Beginnings::default();
        Ok(Self {
            tasks: TaskMetrics::new(registry, &mut beginnings)?,
            runs: RunMetrics::new(registry, &mut beginnings)?,
            beginnings,
            guests: Mutex::default(),
            kpis: Mutex::default(),
            http: HttpMetrics::new(registry)?,
            genomes: GenomeMetrics::new(registry)?,
            load: Mutex::default(),
            loads: families::counters(
                registry,
                "layer4_genome_loads_total",
                "Components loaded: from where their compiled code came, or refused.",
                &["from"],
            )?,
            compile_seconds: families::histogram(
                registry,
                "layer4_compile_seconds",
                "Wall time to compile a component, in seconds.",
                &families::SECONDS,
            )?,
            registry: registry.clone(),
        })
    }

    /// Something became of a task.
    pub(crate) fn task(&self, change: &TaskChange<'_>) {
        self.tasks.task(change);
    }

    /// A submission was not taken.
    pub(crate) fn refused(&self, code: &'static str) {
        self.tasks.refused(code);
    }

    /// Tasks may target these types: each counts from zero from now on.
    pub(crate) fn known(&self, agent_types: &[String]) {
        for agent_type in agent_types {
            self.tasks.known(agent_type);
            self.runs.of(agent_type);
        }
    }

    /// An agent started.
    pub(crate) fn spawned(&self, agent_type: &str) {
        self.runs.of(agent_type).spawned.inc();
    }

    /// An agent was restarted.
    pub(crate) fn restarted(&self, agent_type: &str) {
        self.runs.of(agent_type).restarts.inc();
    }

    /// A component was loaded, or not.
    pub(crate) fn loaded(&self, from: &'static str, compile: Option<Duration>) {
        self.loads.with_label_values(&[from]).inc();
        if let Some(took) = compile {
            self.compile_seconds.observe(took.as_secs_f64());
        }
    }

    /// A run ended.
    pub(crate) fn ran(&self, runner: &Runner<'_>, report: &RunReport) {
        let Runner { agent_id, agent_type, genome } = *runner;
        self.runs.ran(agent_type, report);
        if !report.telemetry.metrics.is_empty() {
            let dropped = self.guests().record(agent_type, &report.telemetry.metrics);
            self.runs.of(agent_type).dropped("series", dropped);
        }
        let run = RunSample {
            at: moment(),
            wall: report.wall,
            success: report.result.is_ok(),
            cpu_seconds: report.usage.cpu_seconds,
            memory_mb: report.usage.memory_peak_mb,
        };
        self.kpis().ran(agent_id, agent_type, genome, run);
    }

    /// Looks at the machine and at the processor time of each agent so far.
    pub(crate) fn look(&self, agents: impl Iterator<Item = (AgentId, Duration)>) {
        self.load.lock().look(agents);
    }

    /// What the last look saw.
    pub(crate) fn load_now(&self) -> LoadNow {
        self.load.lock().now()
    }

    /// Key figures of each agent and genome, said at this time.
    #[must_use]
    pub fn kpis_at(&self, now: Timestamp) -> Vec<KpiReport> {
        self.kpis().reports(moment(), now)
    }

    pub(crate) fn kpis(&self) -> MutexGuard<'_, Kpis> {
        self.kpis.lock()
    }

    /// All of it in Prometheus' text format, with what was looked at just now.
    ///
    /// # Errors
    /// `Internal`: a family has no name or no value, which is a defect.
    pub(crate) fn text(&self, gauges: Gauges) -> FabricResult<String> {
        let mut families: Vec<MetricFamily> = self.registry.gather();
        families.extend(gauges.into_families());
        families.push(self.guests().family());
        // A family of which nothing was counted yet has nothing to say.
        families.retain(|family| !family.get_metric().is_empty());
        self.beginnings.complete(&mut families);
        families.sort_by(|a, b| a.name().cmp(b.name()));
        let text = TextEncoder::new().encode_to_string(&families);
        text.map_err(|error| FabricError::Internal(format!("metrics: {error}")))
    }

    fn guests(&self) -> MutexGuard<'_, GuestMetrics> {
        self.guests.lock()
    }
}

/// Asked for the lines of log that were lost, where a program writes any.
static LOST_LOG_LINES: OnceLock<Box<dyn Fn() -> u64 + Send + Sync>> = OnceLock::new();

/// Sets the function that counts the lines of log that could not be written. A
/// process has one log, so the first function that is set stays.
pub fn count_lost_log_lines(lost: impl Fn() -> u64 + Send + Sync + 'static) {
    let _ = LOST_LOG_LINES.set(Box::new(lost));
}

fn lost_log_lines() -> u64 {
    LOST_LOG_LINES.get().map_or(0, |lost| lost())
}

/// Adds what may be nothing.
fn add(counter: &IntCounter, by: u64) {
    if by > 0 {
        counter.inc_by(by);
    }
}
