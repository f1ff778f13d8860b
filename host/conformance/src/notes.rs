//! What is noticed on the side, whatever is checked: the errors that were
//! given, outputs, health, capabilities, telemetry. At the end each has a line.

use std::collections::{BTreeMap, BTreeSet};

use chimera_layer4_core::telemetry::Dropped;
use chimera_layer4_core::{
    AgentCapabilities, AgentHealth, Call, GuestFault, HealthStatus, RunTelemetry,
};

use super::payload::{Payload, Piece};

/// What was noticed so far.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// While calls are made in the wrong order: an error that they lead to is
    /// none of the agent's work.
    pub(super) out_of_order: bool,
    /// Calls of `execute-task`.
    pub(super) executed: u64,
    /// The first error of each kind, with the task that it was the answer to.
    pub(super) refused: BTreeMap<&'static str, Piece>,
    pub(super) errors: BTreeMap<&'static str, (Call, GuestFault)>,
    /// Kinds of error that were given without a message.
    pub(super) wordless: BTreeSet<&'static str>,
    pub(super) not_json: Option<String>,
    pub(super) capabilities: Option<AgentCapabilities>,
    pub(super) changed: Option<String>,
    pub(super) times_asked: u32,
    pub(super) unwell: Option<String>,
    pub(super) degraded: Option<String>,
    pub(super) left_open: Option<String>,
    pub(super) calls_left_open: u64,
    pub(super) dropped: Dropped,
}

impl Notes {
    pub(super) fn error(&mut self, fault: &GuestFault) {
        if self.out_of_order {
            return;
        }
        let (GuestFault::InvalidInput { message, during }
        | GuestFault::Unavailable { message, during, .. }
        | GuestFault::Failed { message, during }) = fault
        else {
            return;
        };
        if message.is_empty() {
            self.wordless.insert(fault.code());
        }
        // One that a task led to says more than one of another call.
        let seen = self.errors.entry(fault.code()).or_insert_with(|| (*during, fault.clone()));
        if seen.0 != Call::ExecuteTask {
            *seen = (*during, fault.clone());
        }
    }

    pub(super) fn error_of(&mut self, piece: &Piece, fault: &GuestFault) {
        if self.out_of_order {
            return;
        }
        self.refused.entry(fault.code()).or_insert_with(|| piece.clone());
    }

    pub(super) fn not_json(&mut self, payload: &Payload, reason: String) {
        self.not_json.get_or_insert_with(|| format!("for {}: {reason}", payload.name));
    }

    pub(super) fn capabilities(&mut self, said: &AgentCapabilities, when: &str) {
        self.times_asked += 1;
        match &self.capabilities {
            None => self.capabilities = Some(said.clone()),
            Some(first) if first != said => {
                let text = || format!("{when} it answers {said:?}, and after init {first:?}");
                self.changed.get_or_insert_with(text);
            }
            Some(_) => {}
        }
    }

    /// The task types that it declared first.
    pub(super) fn task_types(&self) -> Vec<String> {
        let said = self.capabilities.as_ref();
        said.map(|said| said.supported_task_types.clone()).unwrap_or_default()
    }

    pub(super) fn health(&mut self, said: AgentHealth, when: &str) {
        let text = || format!("{when} it is {}", health_in_words(&said));
        match said.status {
            HealthStatus::Healthy => {}
            HealthStatus::Degraded => drop(self.degraded.get_or_insert_with(text)),
            HealthStatus::Unhealthy => drop(self.unwell.get_or_insert_with(text)),
        }
    }

    pub(super) fn reported(&mut self, telemetry: &RunTelemetry, left_open: &[String]) {
        if let Some(name) = left_open.first() {
            self.calls_left_open += 1;
            self.left_open.get_or_insert_with(|| name.clone());
        }
        self.dropped.metrics += telemetry.dropped.metrics;
        self.dropped.spans += telemetry.dropped.spans;
        self.dropped.log_bytes += telemetry.dropped.log_bytes;
    }
}

/// How an agent is, as it says itself.
pub(super) fn health_in_words(health: &AgentHealth) -> String {
    let status = format!("{:?}", health.status).to_lowercase();
    health.message.as_ref().map_or(status.clone(), |message| format!("{status}: {message}"))
}
