//! Tasks, from their submission to their end.

use std::sync::Arc;

use chimera_layer4_core::Priority;
use chimera_layer4_core::scheduler::{DeadReason, TaskState};
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, Registry, Result};

use super::families::{Beginnings, ByType, counters, histograms};
use crate::scheduler::{Change, End, TaskChange};

pub(super) struct TaskMetrics {
    submitted: IntCounterVec,
    refused: IntCounterVec,
    processed: IntCounterVec,
    succeeded: IntCounterVec,
    failed: IntCounterVec,
    retries: IntCounterVec,
    dead: IntCounterVec,
    latency: HistogramVec,
    /// By class, most urgent first.
    waits: [Histogram; 5],
    by_type: ByType<TaskHandles>,
}

pub(super) struct TaskHandles {
    label: String,
    submitted: IntCounter,
    processed: IntCounter,
    succeeded: IntCounter,
    failed: IntCounter,
    retries: IntCounter,
    latency: Histogram,
}

const TYPE: &[&str] = &["agent_type"];

impl TaskMetrics {
    pub(super) fn new(registry: &Registry, beginnings: &mut Beginnings) -> Result<Self> {
        let mut of_type = |name, help| {
            beginnings.counter(name, help)?;
            counters(registry, name, help, TYPE)
        };
        let waits = histograms(
            registry,
            "layer4_queue_wait_ms",
            "Milliseconds from a task's submission to its first run, delays that were asked for \
             included.",
            &["priority"],
        )?;
        let submitted = of_type("layer4_tasks_submitted_total", "Tasks taken.")?;
        let processed = of_type("layer4_tasks_processed_total", "Tasks that ended.")?;
        let succeeded = of_type("layer4_tasks_succeeded_total", "Tasks that have an output.")?;
        let failed = of_type("layer4_tasks_failed_total", "Tasks that went to the dead letters.")?;
        let retries = of_type("layer4_task_retries_total", "Runs that failed and are made again.")?;
        let (latency, help) =
            ("layer4_task_latency_ms", "Milliseconds from a task's submission to its end.");
        beginnings.histogram(latency, help)?;
        Ok(Self {
            submitted,
            refused: counters(
                registry,
                "layer4_submissions_refused_total",
                "Submissions not taken, by the error's code.",
                &["code"],
            )?,
            processed,
            succeeded,
            failed,
            retries,
            dead: counters(
                registry,
                "layer4_dead_letters_total",
                "Tasks that went to the dead letters, by reason.",
                &["agent_type", "reason"],
            )?,
            latency: histograms(registry, latency, help, TYPE)?,
            waits: PRIORITIES.map(|priority| waits.with_label_values(&[&priority.to_string()])),
            by_type: ByType::default(),
        })
    }

    pub(super) fn refused(&self, code: &'static str) {
        self.refused.with_label_values(&[code]).inc();
    }

    /// Tasks of the type are counted from zero from now on.
    pub(super) fn known(&self, agent_type: &str) -> Arc<TaskHandles> {
        self.by_type.of(agent_type, |label| self.handles(label))
    }

    pub(super) fn task(&self, change: &TaskChange<'_>) {
        let of_type = self.known(change.agent_type);
        match change.what {
            Change::Submitted => of_type.submitted.inc(),
            Change::Started { attempt: 1, age } => {
                self.wait_of(change.priority).observe(age.as_secs_f64() * 1000.0);
            }
            Change::Retried { .. } => of_type.retries.inc(),
            Change::Ended(end) => self.ended(&of_type, &end),
            Change::Started { .. } | Change::GivenBack => {}
        }
    }

    fn ended(&self, of_type: &TaskHandles, end: &End<'_>) {
        of_type.processed.inc();
        of_type.latency.observe(end.took.as_secs_f64() * 1000.0);
        match end.state {
            TaskState::Succeeded => of_type.succeeded.inc(),
            TaskState::Dead => of_type.failed.inc(),
            _ => {}
        }
        if let Some(reason) = end.reason {
            self.dead.with_label_values(&[of_type.label.as_str(), &reason.to_string()]).inc();
        }
    }

    fn wait_of(&self, priority: Priority) -> &Histogram {
        let [critical, high, normal, low, background] = &self.waits;
        match priority {
            Priority::Critical => critical,
            Priority::High => high,
            Priority::Normal => normal,
            Priority::Low => low,
            Priority::Background => background,
        }
    }

    fn handles(&self, label: &str) -> TaskHandles {
        // From zero on, so that the first one shows as an increase.
        for reason in DeadReason::ALL {
            self.dead.with_label_values(&[label, &reason.to_string()]);
        }
        let of = |family: &IntCounterVec| family.with_label_values(&[label]);
        TaskHandles {
            label: label.to_owned(),
            submitted: of(&self.submitted),
            processed: of(&self.processed),
            succeeded: of(&self.succeeded),
            failed: of(&self.failed),
            retries: of(&self.retries),
            latency: self.latency.with_label_values(&[label]),
        }
    }
}

const PRIORITIES: [Priority; 5] =
    [Priority::Critical, Priority::High, Priority::Normal, Priority::Low, Priority::Background];
