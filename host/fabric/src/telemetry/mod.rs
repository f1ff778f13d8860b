//! What the fabric counts and reports of tasks and agents: metrics, events, traces
//! and the log.
//!
//! It only observes: no task's outcome depends on it.

pub mod events;
pub(crate) mod log;
pub mod metrics;
pub mod traces;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chimera_layer4_core::{AgentId, FabricConfig, FabricResult, KpiReport, Task};
use chimera_layer4_runtime::RunReport;
use chimera_layer4_runtime::sandbox::OnProgress;
use tokio::sync::broadcast;

use self::events::{Event, EventKind, Events, TaskEvent, TaskEventKind};
use self::log::Life;
use self::metrics::{MetricsCollector, Runner};
use self::traces::{Trace, Traces};
use crate::scheduler::{Change, End, Observe, TaskChange};

/// Where it is counted and told: key figures, events, traces.
pub struct Telemetry {
    pub(crate) metrics: MetricsCollector,
    pub(crate) events: Events,
    pub(crate) traces: Traces,
}

impl Observe for Telemetry {
    fn task(&self, change: &TaskChange<'_>) {
        self.metrics.task(change);
        log::task(change);
        self.events.tell_at(change.at, || {
            EventKind::Task(TaskEvent {
                task_id: change.id,
                agent_type: change.agent_type.to_owned(),
                priority: change.priority,
                change: kind(&change.what),
            })
        });
    }

    fn refused(&self, code: &'static str) {
        self.metrics.refused(code);
    }
}

fn kind(change: &Change<'_>) -> TaskEventKind {
    match *change {
        Change::Submitted => TaskEventKind::Submitted {},
        Change::Started { attempt, .. } => TaskEventKind::Started { attempt },
        Change::Retried { attempt, again, error } => {
            TaskEventKind::Retried { attempt, again, error: error.to_owned() }
        }
        Change::GivenBack => TaskEventKind::GivenBack {},
        Change::Ended(End { state, reason, error, .. }) => {
            TaskEventKind::Ended { state, reason, error: error.map(str::to_owned) }
        }
    }
}

impl Telemetry {
    pub(crate) fn new(config: &FabricConfig) -> FabricResult<Arc<Self>> {
        Ok(Arc::new(Self {
            metrics: MetricsCollector::new()?,
            events: Events::default(),
            traces: Traces::new(config)?,
        }))
    }

    pub(crate) fn started(&self, agent: &Runner<'_>) {
        let Runner { agent_id, agent_type, genome } = *agent;
        self.metrics.spawned(agent_type);
        log::agent(agent, Life::Started);
        self.events.tell(|| {
            let agent_type = agent_type.to_owned();
            EventKind::AgentStarted { agent_id, agent_type, genome }
        });
    }

    pub(crate) fn restarted(&self, agent: &Runner<'_>) {
        let Runner { agent_id, agent_type, .. } = *agent;
        self.metrics.restarted(agent_type);
        log::agent(agent, Life::Restarted);
        self.events.tell(|| {
            let agent_type = agent_type.to_owned();
            EventKind::AgentRestarted { agent_id, agent_type }
        });
    }

    pub(crate) fn ended(&self, agent: &Runner<'_>) {
        log::agent(agent, Life::Ended);
        let agent_id = agent.agent_id;
        self.events.tell(|| {
            let agent_type = agent.agent_type.to_owned();
            EventKind::AgentEnded { agent_id, agent_type }
        });
    }

    pub(crate) fn ran(&self, agent: &Runner<'_>, report: &RunReport) {
        self.metrics.ran(agent, report);
    }

    /// Tells how far a task is, where events are wanted when it begins.
    pub(crate) fn progress(self: &Arc<Self>, task: &Task) -> Option<OnProgress> {
        if !self.events.are_wanted() {
            return None;
        }
        let telemetry = Arc::clone(self);
        let (task_id, priority) = (task.id, task.priority);
        let agent_type = task.target_agent_type.clone();
        Some(Arc::new(move |progress| {
            telemetry.events.tell(|| {
                let (fraction, message) = (progress.fraction, progress.message.clone());
                let change = TaskEventKind::Progress { fraction, message };
                EventKind::Task(TaskEvent {
                    task_id,
                    agent_type: agent_type.clone(),
                    priority,
                    change,
                })
            });
        }))
    }

    /// Looks at the machine and takes all agents' key figures now, given the processor
    /// time that each agent has used so far.
    pub(crate) fn look(&self, cpu: impl Iterator<Item = (AgentId, Duration)>) {
        self.metrics.look(cpu);
        if !self.events.are_wanted() {
            return;
        }
        for report in self.kpis() {
            self.events.tell_at(report.at, || EventKind::Kpi(report));
        }
    }

    /// Layer 5's view: how each agent did with each genome, over the last
    /// minutes. The same is sent as an event every `kpi_reporting_interval_secs`.
    #[must_use]
    pub fn kpis(&self) -> Vec<KpiReport> {
        self.metrics.kpis_at(SystemTime::now().into())
    }

    /// Subscribes to events from now on. A listener that falls behind loses the
    /// oldest events and gets their number.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Event>> {
        self.events.listen()
    }

    /// What happens, for listeners that may come back.
    pub fn events(&self) -> &Events {
        &self.events
    }

    /// Counts an answer of the API. The route is one of its own, never a path as typed.
    pub fn http_answered(&self, route: &str, method: &str, status: u16, took: Duration) {
        self.metrics.http.answered(route, method, status, took);
    }

    /// Begins the span of a request to the API, inside the one that `traceparent` and
    /// `tracestate` of its headers name.
    pub fn request_trace(
        &self,
        headers: &BTreeMap<String, String>,
        method: &'static str,
        route: &str,
    ) -> Trace {
        self.traces.request(headers, method, route)
    }
}
