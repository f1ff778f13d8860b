//! What becomes of the agents' own state when a genome takes over.
//!
//! Each agent hands it to its successor, all of them at once, before anything
//! is recorded: a genome that cannot go on from where the old one stands does
//! not take over. From then until it has, tasks wait.

use std::sync::Arc;
use std::time::Duration;

use chimera_layer4_core::genome::StateCarried;
use chimera_layer4_core::{FabricError, FabricResult};
use chimera_layer4_runtime::Agent;
use chimera_layer4_runtime::executor::{Carried, Handover};
use futures_util::future::join_all;

use crate::agents::registry::AgentEntry;

/// What a swap does with a state that cannot be carried over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// The replacement fails: the old genome stays in charge.
    Refuse,
    /// The new one starts anew. For a rollback to an earlier genome, which may
    /// not know the state that a later one kept; the later one has to go.
    StartAnew,
}

/// The state of agents that are being replaced, during its handover.
pub(super) struct Handovers<'a> {
    each: Vec<Handover<'a>>,
    /// Why it was left behind.
    lost: Option<String>,
}

/// Has each agent hand its state to its successor.
///
/// # Errors
/// What the first `save` or `restore` failed with. All old agents go on then.
pub(super) async fn hand_over<'a>(
    old: &'a [Arc<AgentEntry>],
    successors: &[Agent],
    timeout: Duration,
    unfit: Unfit,
) -> FabricResult<Handovers<'a>> {
    let each = old.iter().zip(successors).map(|(old, new)| async move {
        // A running task ends within its own limit; `save` and `restore` have `timeout`.
        let limit = old.agent.quota().execution_time().saturating_add(timeout);
        let handover = old.agent.hand_over(new, limit).await;
        handover.map_err(|fault| FabricError::from_fault(old.id(), fault, timeout))
    });
    // To the end in any case: a save that is cut short costs an instance.
    let all = join_all(each).await;
    match all.into_iter().collect::<FabricResult<Vec<_>>>() {
        Ok(each) => Ok(Handovers { each, lost: None }),
        Err(error) if unfit == Unfit::StartAnew => {
            tracing::warn!(%error, "a state is left behind");
            Ok(Handovers { each: Vec::new(), lost: Some(error.to_string()) })
        }
        Err(error) => Err(error),
    }
}

impl Handovers<'_> {
    /// The successors are in charge.
    pub(super) fn complete(self, summary: &mut StateSummary) {
        summary.lost = summary.lost.take().or(self.lost);
        for handover in self.each {
            let carried = handover.carried();
            summary.add(carried, handover.complete());
        }
    }
}

/// What is known of all waves of agents.
#[derive(Default)]
pub(super) struct StateSummary {
    agents: usize,
    carried: usize,
    bytes: u64,
    paused: Duration,
    /// Of the first agent that started anew.
    reason: Option<Carried>,
    /// Why some left it behind.
    lost: Option<String>,
}

impl StateSummary {
    fn add(&mut self, carried: Carried, paused: Duration) {
        self.agents += 1;
        self.paused = self.paused.max(paused);
        match carried {
            Carried::Bytes(bytes) => {
                self.carried += 1;
                self.bytes = self.bytes.saturating_add(bytes);
            }
            Carried::NotOffered { .. }
            | Carried::SeveralInstances { .. }
            | Carried::Fresh
            | Carried::NoInstance => self.reason = self.reason.or(Some(carried)),
        }
    }

    pub(super) fn outcome(&self) -> StateCarried {
        let Self { agents, carried, bytes, .. } = *self;
        if let Some(lost) = &self.lost {
            return StateCarried::StartedAnew { why: format!("it was left behind: {lost}") };
        }
        let why = match self.reason {
            None if agents == 0 => "no agent of the type ran".to_owned(),
            None => return StateCarried::Carried { bytes, paused_micros: micros(self.paused) },
            Some(reason) if carried == 0 => reason.to_string(),
            Some(reason) => format!("{carried} of {agents} agents carried theirs: {reason}"),
        };
        StateCarried::StartedAnew { why }
    }
}

/// As answers and metrics have a duration.
pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use chimera_layer4_runtime::executor::Party;

    use super::*;

    #[test]
    fn an_agent_that_started_anew_is_reported_with_the_reason() {
        let why = |summary: &StateSummary| match summary.outcome() {
            StateCarried::StartedAnew { why } => why,
            StateCarried::Carried { .. } => panic!("{:?}", summary.outcome()),
        };
        let mut summary = StateSummary::default();
        assert_eq!(why(&summary), "no agent of the type ran");
        summary.add(Carried::Bytes(5), Duration::from_micros(7));
        summary.add(Carried::Bytes(6), Duration::from_micros(3));
        let all = StateCarried::Carried { bytes: 11, paused_micros: 7 };
        assert_eq!(summary.outcome(), all);
        summary.add(Carried::NotOffered { by: Party::New }, Duration::ZERO);
        assert_eq!(
            why(&summary),
            "2 of 3 agents carried theirs: the new genome does not export `chimera:agent/state`"
        );
    }
}
