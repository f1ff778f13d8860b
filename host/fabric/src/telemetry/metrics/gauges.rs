//! What is read when the metrics are asked for: the queue, the agents, the machine.

use std::collections::BTreeMap;
use std::time::Duration;

use chimera_layer4_core::HealthStatus;
use chimera_layer4_core::scheduler::BreakerState;
use prometheus::proto::{Counter, Gauge, Metric, MetricFamily, MetricType};

use super::guest::pair;
use super::load::LoadNow;
use crate::scheduler::{GenomeBreaker, SchedulerStats};
use chimera_layer4_core::status::{ActiveAgent, SystemStatus};

/// A fabric at one moment.
pub(crate) struct Snapshot {
    pub(crate) uptime: Duration,
    pub(crate) status: SystemStatus,
    /// Tasks that may wait for one agent type.
    pub(crate) capacity: usize,
    pub(crate) agents: Vec<ActiveAgent>,
    /// Absent when the store could not be asked.
    pub(crate) queue: Option<SchedulerStats>,
    pub(crate) accuracy: Vec<(String, f64)>,
    /// Bytes that agent types keep by key.
    pub(crate) kept: Vec<(String, u64)>,
    pub(crate) load: LoadNow,
    /// The listeners to events.
    pub(crate) subscribers: usize,
}

/// The agents of one type, summed.
#[derive(Default)]
struct TypeGauges {
    count: u64,
    unwell: u64,
    slots: u64,
    busy: usize,
}

impl TypeGauges {
    fn add(&mut self, agent: &ActiveAgent) {
        self.count += 1;
        self.unwell += u64::from(agent.health.status != HealthStatus::Healthy);
        self.slots += u64::from(agent.capabilities.max_concurrent_tasks);
        self.busy += agent.tasks_in_hand;
    }
}

/// Families of metrics, in the making.
#[derive(Debug, Default)]
pub(crate) struct Gauges(BTreeMap<&'static str, MetricFamily>);

impl Gauges {
    pub(crate) fn of(now: &Snapshot) -> Self {
        let mut gauges = Self::default();
        gauges.host(now);
        gauges.agents(&now.agents, &now.load);
        if let Some(queue) = &now.queue {
            gauges.queue(queue);
        }
        let (name, help) = (
            "layer4_task_accuracy",
            "Mean accuracy of outputs that layer 3 judged in the last five minutes; 0 without a \
             label where none was judged.",
        );
        for (agent_type, accuracy) in &now.accuracy {
            gauges.gauge(name, help, &[("agent_type", agent_type)], *accuracy);
        }
        if now.accuracy.is_empty() {
            gauges.gauge(name, help, &[], 0.0);
        }
        for (agent_type, bytes) in &now.kept {
            let help =
                "Bytes that the agents of a type keep by key: bucket, key, value and 100 an entry.";
            gauges.gauge(
                "layer4_keyvalue_bytes",
                help,
                &[("agent_type", agent_type)],
                *bytes as f64,
            );
        }
        gauges
    }

    fn host(&mut self, now: &Snapshot) {
        let version = env!("CARGO_PKG_VERSION");
        self.gauge(
            "layer4_build_info",
            "The program, in its labels.",
            &[("version", version)],
            1.0,
        );
        let uptime = now.uptime.as_secs_f64();
        self.gauge("layer4_uptime_seconds", "Seconds since the start.", &[], uptime);
        let status = match now.status {
            SystemStatus::Healthy => 0.0,
            SystemStatus::Degraded => 1.0,
            SystemStatus::Draining | SystemStatus::Stopped => 2.0,
        };
        let help = "What /health says: 0 healthy, 1 degraded, 2 draining or stopped.";
        self.gauge("layer4_health_status", help, &[], status);
        let help = "Tasks that may wait for one agent type.";
        self.gauge("layer4_queue_capacity", help, &[], now.capacity as f64);
        let help = "Share of all processors that this process used lately, 0.0 to 1.0.";
        self.gauge("layer4_cpu_usage", help, &[], now.load.cpu);
        let help = "Share of the machine's or the control group's memory that is in use, 0.0 to \
                    1.0.";
        self.gauge("layer4_memory_usage", help, &[], now.load.memory);
        let help = "Lines of log that were lost: their reader did not keep up, or they could not be written.";
        self.counter("layer4_log_lines_lost_total", help, &[], super::lost_log_lines() as f64);
        let help = "Readers of the event stream.";
        self.gauge("layer4_event_subscribers", help, &[], now.subscribers as f64);
    }

    fn agents(&mut self, agents: &[ActiveAgent], load: &LoadNow) {
        let mut by_type: BTreeMap<&str, TypeGauges> = BTreeMap::new();
        for agent in agents {
            by_type.entry(&agent.agent_type).or_default().add(agent);
            let id = agent.id.to_string();
            let labels = [("agent_id", id.as_str()), ("agent_type", &agent.agent_type)];
            self.agent(&labels, load.of_agent(agent.id), agent.memory_mb, agent.faults as f64);
            let help = "Seconds that runs were paused for their share of processor time.";
            let paused = agent.paused_seconds;
            self.counter("layer4_cpu_throttled_seconds_total", help, &labels, paused);
        }
        if agents.is_empty() {
            // A host without agents has these names too.
            self.agent(&[], 0.0, 0.0, 0.0);
        }
        for (agent_type, TypeGauges { count, unwell, slots, busy }) in by_type {
            let label = [("agent_type", agent_type)];
            self.gauge("layer4_agents_active", "Agents that run.", &label, count as f64);
            let help = "Agents that the last heartbeat found not healthy.";
            self.gauge("layer4_agents_unhealthy", help, &label, unwell as f64);
            let help = "Tasks that the type's agents can run at once.";
            self.gauge("layer4_agent_slots", help, &label, slots as f64);
            let help = "Tasks in flight on the type's agents.";
            self.gauge("layer4_agent_tasks_in_hand", help, &label, busy as f64);
        }
    }

    /// What the specification names of an agent.
    fn agent(&mut self, labels: &[(&str, &str)], cores: f64, memory_mb: f64, faults: f64) {
        let help = "Processor cores that the agent used lately.";
        self.gauge("layer4_agent_cpu_usage", help, labels, cores);
        let help = "Mebibytes of linear memory and tables that the agent holds.";
        self.gauge("layer4_agent_memory_mb", help, labels, memory_mb);
        let help = "Runs that ended with a fault.";
        self.counter("layer4_agent_errors_total", help, labels, faults);
    }

    fn queue(&mut self, queue: &SchedulerStats) {
        for (state, count) in &queue.by_state {
            let help = "Tasks in the store, by state.";
            let state = state.to_string();
            self.gauge("layer4_tasks_total", help, &[("state", &state)], *count as f64);
        }
        for (agent_type, count) in &queue.queued_by_type {
            let label = [("agent_type", agent_type.as_str())];
            let help = "Tasks that wait or are delayed, by agent type.";
            self.gauge("layer4_queue_depth", help, &label, *count as f64);
        }
        for (priority, count) in &queue.waiting_by_priority {
            let priority = priority.to_string();
            let help = "Tasks that wait to be run, by class.";
            self.gauge("layer4_queue_waiting", help, &[("priority", &priority)], *count as f64);
            let oldest = queue.oldest_waiting.iter().find(|(of, _)| of.to_string() == priority);
            let seconds = oldest.map_or(0.0, |(_, age)| age.as_secs_f64());
            let help = "Seconds that the task which waits longest has waited, by class.";
            self.gauge("layer4_queue_oldest_seconds", help, &[("priority", &priority)], seconds);
        }
        for of_type in &queue.types {
            let label = [("agent_type", of_type.agent_type.as_str())];
            let help = "The circuit breaker: 0 closed, 1 half-open, 2 open; of several genomes, the worst.";
            self.gauge("layer4_breaker_state", help, &label, breaker(of_type.breaker));
            let help = "Times that a circuit breaker opened, over all genomes.";
            let opened = of_type.breaker_opened as f64;
            self.counter("layer4_breaker_opened_total", help, &label, opened);
            for GenomeBreaker { genome, state, .. } in &of_type.breakers {
                let genome = genome.to_string();
                let labels = [("agent_type", of_type.agent_type.as_str()), ("genome", &genome)];
                let help = "The circuit breaker of each genome that agents run: 0 closed, 1 half-open, 2 open.";
                self.gauge("layer4_genome_breaker_state", help, &labels, breaker(*state));
            }
        }
    }

    fn gauge(&mut self, name: &'static str, help: &str, labels: &[(&str, &str)], value: f64) {
        let mut gauge = Gauge::default();
        gauge.set_value(value);
        let mut metric = metric(labels);
        metric.set_gauge(gauge);
        self.put(name, help, MetricType::GAUGE, metric);
    }

    fn counter(&mut self, name: &'static str, help: &str, labels: &[(&str, &str)], value: f64) {
        let mut counter = Counter::default();
        counter.set_value(value);
        let mut metric = metric(labels);
        metric.set_counter(counter);
        self.put(name, help, MetricType::COUNTER, metric);
    }

    fn put(&mut self, name: &'static str, help: &str, kind: MetricType, metric: Metric) {
        let family = self.0.entry(name).or_insert_with(|| {
            let mut family = MetricFamily::default();
            family.set_name(name.to_owned());
            family.set_help(help.to_owned());
            family.set_field_type(kind);
            family
        });
        family.mut_metric().push(metric);
    }

    pub(super) fn into_families(self) -> impl Iterator<Item = MetricFamily> {
        self.0.into_values()
    }
}

fn metric(labels: &[(&str, &str)]) -> Metric {
    Metric::from_label(labels.iter().map(|(name, value)| pair(name, value)).collect())
}

/// As a number that rules can compare.
fn breaker(state: BreakerState) -> f64 {
    match state {
        BreakerState::Closed => 0.0,
        BreakerState::HalfOpen => 1.0,
        BreakerState::Open => 2.0,
    }
}
