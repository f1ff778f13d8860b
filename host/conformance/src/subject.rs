//! The component that is checked: what starts it, calls it and takes notes.

use std::sync::Arc;
use std::time::Duration;

use chimera_layer4_core::{
    AgentCapabilities, AgentConfig, FabricError, FabricResult, Fault, GuestFault, QuotaKind, Task,
};
use chimera_layer4_runtime::Genome;
use chimera_layer4_runtime::executor::{Called, Probe};

use super::checks::Check;
use super::notes::Notes;
use super::options::Options;
use super::payload::{Payload, Piece};
use super::report::Lines;
use chimera_layer4_fabric::{Fabric, utils};

/// The component that is checked.
pub(super) struct Subject<'a> {
    fabric: &'a Fabric,
    pub(super) genome: Arc<Genome>,
    pub(super) options: &'a Options,
    pub(super) notes: Notes,
    pub(super) lines: Lines,
}

/// How a call of `execute-task` ended.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// With JSON.
    Result,
    /// With an error of the contract.
    Said(GuestFault),
    /// With what is no JSON; that is noted, and a line of its own.
    NotJson,
    /// Not at all: the instance is gone.
    Broke(Fault),
}

/// A call of `execute-task`, and what it took.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) answer: Answer,
    pub(super) wall: Duration,
    /// Bytes that the instance holds.
    pub(super) memory: u64,
}

impl<'a> Subject<'a> {
    pub(super) fn new(fabric: &'a Fabric, genome: Arc<Genome>, options: &'a Options) -> Self {
        let (notes, lines) = (Notes::default(), Lines::default());
        Self { fabric, genome, options, notes, lines }
    }

    /// A probe of this configuration, without an instance.
    pub(super) fn probe(&self, config: &AgentConfig) -> FabricResult<Probe> {
        let config = AgentConfig { agent_id: utils::generate_agent_id(), ..config.clone() };
        self.fabric.agents().probe(Arc::clone(&self.genome), config)
    }

    /// An instance whose `init` was not called, or what came instead.
    pub(super) async fn instance(&mut self) -> FabricResult<Option<Probe>> {
        let mut probe = self.probe(&self.options.config)?;
        let made = probe.instantiate().await;
        Ok(match self.heard(made)?.answer {
            Ok(()) => Some(probe),
            Err(fault) => {
                self.lines.fail(Check::Start, format!("not in another instance: {fault}"));
                None
            }
        })
    }

    /// An instance in service; `None` after a failure, which the line `start` has.
    pub(super) async fn started(&mut self) -> FabricResult<Option<Probe>> {
        let Some(mut probe) = self.instance().await? else { return Ok(None) };
        let init = probe.init().await;
        Ok(match self.heard(init)?.answer {
            Ok(()) => Some(probe),
            Err(fault) => {
                self.lines.fail(Check::Start, format!("once it started, and later {fault}"));
                None
            }
        })
    }

    /// A task of the configured quota.
    pub(super) fn piece(&self, payload: Payload) -> Piece {
        let config = &self.options.config;
        let task = Task {
            resource_quota: config.resource_quota.clone(),
            source_layer: "chimera agent check".into(),
            ..utils::task_for(&config.agent_type, serde_json::Value::Null)
        };
        Piece { payload, task, attempt: 1, task_type: None }
    }

    /// Hands over a task.
    pub(super) async fn execute(&mut self, probe: &mut Probe, piece: &Piece) -> FabricResult<Ran> {
        let task = Task { id: utils::generate_task_id(), ..piece.task.clone() };
        let called = probe.execute(&task, piece.attempt, &piece.payload.json).await;
        let Called { answer, wall, memory, .. } = self.heard(called)?;
        self.notes.executed += 1;
        let answer = match answer {
            Ok(_) => Answer::Result,
            Err(Fault::Guest(GuestFault::BadOutput { reason, .. })) => {
                self.notes.not_json(&piece.payload, reason);
                Answer::NotJson
            }
            Err(Fault::Guest(fault)) if fault.returned() => {
                self.notes.error_of(piece, &fault);
                Answer::Said(fault)
            }
            Err(fault) => Answer::Broke(fault),
        };
        Ok(Ran { answer, wall, memory })
    }

    /// Asks an instance that is in service how it is and what it can do. What it
    /// does not answer has a line of its own, and ends the instance.
    pub(super) async fn ask(&mut self, probe: &mut Probe, when: &str) -> FabricResult<()> {
        if probe.is_alive() {
            self.health(probe, when).await?;
        }
        if probe.is_alive() {
            self.capabilities(probe, when).await?;
        }
        Ok(())
    }

    /// Asks what it can do, and notes when the answer is another one than before.
    pub(super) async fn capabilities(
        &mut self,
        probe: &mut Probe,
        when: &str,
    ) -> FabricResult<Option<AgentCapabilities>> {
        let called = probe.capabilities().await;
        Ok(match self.heard(called)?.answer {
            Ok(said) => {
                self.notes.capabilities(&said, when);
                Some(said)
            }
            Err(fault) => {
                self.lines.fail(Check::Capabilities, format!("{when}: {fault}"));
                None
            }
        })
    }

    /// Asks how it is.
    pub(super) async fn health(&mut self, probe: &mut Probe, when: &str) -> FabricResult<()> {
        let called = probe.health().await;
        match self.heard(called)?.answer {
            Ok(said) => self.notes.health(said, when),
            Err(fault) => self.lines.fail(Check::Health, format!("{when}: {fault}")),
        }
        Ok(())
    }

    /// Takes notes of what a call reported. A fault of the host ends the check.
    pub(super) fn heard<T>(&mut self, called: Called<T>) -> FabricResult<Called<T>> {
        self.notes.reported(&called.telemetry, &called.left_open);
        match called.answer {
            Err(Fault::Host(fault)) => Err(FabricError::Host(fault)),
            Err(Fault::Guest(fault)) => {
                self.notes.error(&fault);
                Ok(Called { answer: Err(Fault::Guest(fault)), ..called })
            }
            answer => Ok(Called { answer, ..called }),
        }
    }
}

/// Whether a call took longer than it may; the next one may, too.
pub(super) fn is_over_time(fault: &Fault) -> bool {
    let Fault::OverQuota(breach) = fault else { return false };
    matches!(breach.quota, QuotaKind::ExecutionTime | QuotaKind::AgentTimeout | QuotaKind::Deadline)
}

/// Whether the call returned with an error of the contract.
pub(super) fn is_contract_error(fault: &Fault) -> bool {
    matches!(fault, Fault::Guest(fault) if fault.returned())
}
