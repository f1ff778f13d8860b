//! What the fabric counts and tells of tasks and agents.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chimera_layer4_core::{Layer4Config, Layer4Result, Task};
use chimera_layer4_runtime::RunReport;
use chimera_layer4_runtime::executor::{AgentSetup, OnProgress};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::agents::{AgentEntry, Agents};
use super::genomes::{Recorder, Trials};
use super::log::{self, Life};
use crate::events::{EventKind, Events, TaskEvent, TaskEventKind};
use crate::metrics::{MetricsCollector, Runner};
use crate::scheduler::{Change, End, Observe, Placement, TaskChange};
use crate::traces::Traces;

/// Where it is counted and told.
pub(super) struct Telemetry {
    pub(super) metrics: MetricsCollector,
    pub(super) events: Events,
    pub(super) traces: Traces,
    pub(super) trials: Trials,
    pub(super) recorder: Recorder,
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
    pub(super) fn new(config: &Layer4Config) -> Layer4Result<Arc<Self>> {
        Ok(Arc::new(Self {
            metrics: MetricsCollector::new()?,
            events: Events::default(),
            traces: Traces::new(config)?,
            trials: Trials::default(),
            recorder: Recorder::new(config.recorded_tasks > 0, config.recorded_redaction.clone()),
        }))
    }

    pub(super) fn started(&self, entry: &AgentEntry) {
        let AgentSetup { agent_id, agent_type, .. } = entry.agent.config();
        self.metrics.spawned(agent_type);
        log::agent(entry, Life::Started);
        self.events.tell(|| EventKind::AgentStarted {
            agent_id: *agent_id,
            agent_type: agent_type.clone(),
            genome: entry.agent.genome().digest(),
        });
    }

    pub(super) fn restarted(&self, entry: &AgentEntry) {
        let AgentSetup { agent_id, agent_type, .. } = entry.agent.config();
        self.metrics.restarted(agent_type);
        log::agent(entry, Life::Restarted);
        self.events.tell(|| EventKind::AgentRestarted {
            agent_id: *agent_id,
            agent_type: agent_type.clone(),
        });
    }

    pub(super) fn ended(&self, entry: &AgentEntry) {
        log::agent(entry, Life::Ended);
        let AgentSetup { agent_id, agent_type, .. } = entry.agent.config();
        let (agent_id, agent_type) = (*agent_id, agent_type.clone());
        self.events.tell(|| EventKind::AgentEnded { agent_id, agent_type });
    }

    pub(super) fn ran(
        &self,
        entry: &AgentEntry,
        task: &Task,
        attempt: u32,
        place: &Placement,
        report: &RunReport,
    ) {
        let agent_type = &entry.agent.config().agent_type;
        let genome = entry.agent.genome().digest();
        let runner = Runner { agent_id: entry.id(), agent_type, genome };
        self.metrics.ran(&runner, report);
        if report.result.is_ok() {
            self.trials.answered(agent_type, task.id);
        }
        // What is made again goes to the champion alone: counted, it would be held
        // against it.
        if attempt <= 1 {
            self.trials.ran(&runner, place, report);
        }
        self.recorder.ran(task, genome, report);
    }

    /// Tells how far a task is, where events are wanted when it begins.
    pub(super) fn progress(self: &Arc<Self>, task: &Task) -> Option<OnProgress> {
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

    /// Looks at the machine and takes everybody's key figures now.
    fn look(&self, agents: &Agents) {
        let cpu = agents.all().into_iter().map(|entry| (entry.id(), entry.agent.totals().cpu));
        self.metrics.look(cpu);
        if !self.events.are_wanted() {
            return;
        }
        for report in self.metrics.kpis_at(SystemTime::now().into()) {
            self.events.tell_at(report.at, || EventKind::Kpi(report));
        }
    }
}

/// Looks every `interval`, until the handle is aborted.
pub(super) fn start(
    telemetry: Arc<Telemetry>,
    agents: Arc<Agents>,
    interval: Duration,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(interval);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            telemetry.look(&agents);
        }
    })
}
