//! What the fabric reports: key figures, metrics, events; and what layer 3
//! reports to it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chimera_layer4_core::{KpiReport, Layer4Error, Layer4Result, Validation};
use tokio::sync::broadcast;

use super::Fabric;
use crate::events::{Event, Events};
use crate::metrics::{Gauges, Snapshot};
use crate::scheduler::moment;
use crate::traces::Trace;

impl Fabric {
    /// Layer 5's view: how each agent did with each genome, over the last
    /// minutes. The same is told as an event every `kpi_reporting_interval_secs`.
    #[must_use]
    pub fn get_kpi_data(&self) -> Vec<KpiReport> {
        self.telemetry.metrics.kpis_at(SystemTime::now().into())
    }

    /// Layer 3's entry: what it found out about the output of a task. It counts
    /// for the genome that made the output.
    ///
    /// # Errors
    /// `InvalidRequest` when the accuracy is not from 0.0 to 1.0, or the task
    /// has no output; `TaskNotFound`, `Store`, `NotRunning`.
    pub async fn submit_validation(&self, validation: Validation) -> Layer4Result<()> {
        let Validation { task_id, accuracy } = validation;
        if !(0.0..=1.0).contains(&accuracy) {
            return Err(Layer4Error::InvalidRequest(vec![format!(
                "accuracy is {accuracy}; allowed is 0 to 1"
            )]));
        }
        let record = self.get_task(task_id).await?;
        let success = record.result.as_ref().is_some_and(|result| result.success);
        let (true, Some(genome)) = (success, record.genome) else {
            return Err(Layer4Error::InvalidRequest(vec![format!(
                "task {task_id} is {} and has no output to be judged",
                record.state
            )]));
        };
        let agent_type = &record.task.target_agent_type;
        self.telemetry.metrics.kpis().validated(agent_type, genome, moment(), accuracy);
        self.telemetry.trials.judged(agent_type, genome, task_id, accuracy);
        self.telemetry.recorder.judged(task_id, accuracy).await;
        Ok(())
    }

    /// Everything counted, in Prometheus' text format.
    ///
    /// # Errors
    /// `Internal`, which is a defect.
    pub async fn metrics_text(&self) -> Layer4Result<String> {
        let metrics = &self.telemetry.metrics;
        let mut queue = self.get_scheduler_stats().await.ok();
        if let Some(queue) = &mut queue {
            // Nothing is said of a type that is gone.
            queue.types.retain(|of_type| self.knows_agent_type(&of_type.agent_type));
        }
        let now = Snapshot {
            uptime: self.uptime(),
            status: self.status(&self.pool.agents.all(), queue.is_some()),
            capacity: self.config.task_queue_capacity,
            agents: self.get_active_agents(),
            queue,
            kept: self.may_keep_by_key().await,
            accuracy: metrics.kpis().accuracy_by_type(moment()),
            load: metrics.load_now(),
            subscribers: self.telemetry.events.listeners(),
        };
        metrics.text(Gauges::of(&now))
    }

    /// Hears of what happens from now on. A listener that falls behind loses
    /// the oldest events, and hears how many.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Event>> {
        self.telemetry.events.listen()
    }

    /// What happens, for listeners that may come back.
    pub fn events(&self) -> &Events {
        &self.telemetry.events
    }

    /// Counts an answer of the API. The route is one of its own, never a path as typed.
    pub fn http_answered(&self, route: &str, method: &str, status: u16, took: Duration) {
        self.telemetry.metrics.http.answered(route, method, status, took);
    }

    /// Begins the span of a request to the API, inside the one that `traceparent` and
    /// `tracestate` of its headers name.
    pub fn request_trace(
        &self,
        headers: &BTreeMap<String, String>,
        method: &'static str,
        route: &str,
    ) -> Trace {
        self.telemetry.traces.request(headers, method, route)
    }
}
