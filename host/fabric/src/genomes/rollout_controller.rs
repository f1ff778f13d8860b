//! Drives rollouts: records what their trials decide, and does it.

use std::sync::{Arc, Weak};

use chimera_layer4_core::genome::lineage::{self, Event};
use chimera_layer4_core::genome::{RolloutState, Side, Verdict};
use chimera_layer4_core::telemetry::EXECUTOR_LOG;
use chimera_layer4_core::{Digest, FabricError, FabricResult};

use super::open::{OpenGenomes, entry};
use super::trials::Live;
use crate::telemetry::events::EventKind;
use chimera_layer4_stores::genomes::NewEntry;

/// Until the rollout has ended, or the fabric has.
pub(super) async fn drive(genomes: Weak<OpenGenomes>, live: Arc<Live>) {
    let mut told = live.rollout().share();
    loop {
        live.changed.notified().await;
        let Some(genomes) = genomes.upgrade() else { return };
        let state = live.rollout().state().clone();
        match state {
            RolloutState::Running { .. } => {
                let share = live.rollout().share();
                if share != told {
                    told = share;
                    genomes.next_step(&live, share).await;
                }
            }
            ended @ (RolloutState::Promoted { .. }
            | RolloutState::RolledBack { .. }
            | RolloutState::Aborted { .. }
            | RolloutState::Inconclusive) => {
                let outcome = genomes.end_rollout(&live, ended).await;
                if let Err(error) = &outcome {
                    let agent_type = &live.agent_type;
                    tracing::error!(agent_type, %error, "a rollout did not end as it should");
                }
                live.finish(outcome);
                return;
            }
        }
    }
}

impl OpenGenomes {
    async fn next_step(self: &Arc<Self>, live: &Live, share: f64) {
        let candidate = live.rollout().candidate();
        let agent_type = live.agent_type.clone();
        let event = entry(candidate, Some(&agent_type), Event::Step { share });
        if let Err(error) = self.record(vec![event]).await {
            tracing::warn!(agent_type, %error, "a step is not in the lineage");
        }
        tracing::info!(agent_type, %candidate, share, "a rollout goes on");
        self.telemetry.events.tell(|| EventKind::RolloutStep { agent_type, candidate, share });
    }

    /// Does what the end of a rollout asks for.
    ///
    /// # Errors
    /// The candidate could not take over, or the lineage could not be written;
    /// tasks go to the agents in charge all the same.
    async fn end_rollout(self: &Arc<Self>, live: &Live, state: RolloutState) -> FabricResult<()> {
        let _turn = self.turn(&live.agent_type).await;
        let name = live.agent_type.as_str();
        let Closing { champion, candidate, tasks, verdict } = closing(live, &state);
        let mut outcome = state.word();
        let mut why = reason(&state);
        let taken_over = match &state {
            RolloutState::Promoted { how } => {
                Some(self.promote(name, candidate, how.clone(), vec![verdict.clone()]).await)
            }
            _ => None,
        };
        if let Some(Err(error)) = &taken_over {
            outcome = "rolled-back";
            why = format!("it could not take over: {error}");
        }
        let recorded = match taken_over {
            Some(Ok(_)) => Ok(()),
            _ => {
                let event = Event::RolledBack { to: champion, why: why.clone() };
                self.record(vec![verdict, entry(candidate, Some(name), event)]).await
            }
        };
        // Whatever the disk said: tasks go to those in charge again.
        self.evidence.trials.remove(name);
        self.pool.end(self.pool.agents.end_trial(name));
        tracing::info!(
            target: EXECUTOR_LOG, code = "rollout-ended",
            agent_type = name, %candidate, tasks, outcome, why, "a rollout ended"
        );
        self.telemetry.metrics.genomes.rollout_ended(name, outcome);
        let agent_type = name.to_owned();
        self.telemetry.events.tell(|| EventKind::RolloutEnded {
            agent_type,
            candidate,
            outcome,
            tasks,
            why,
        });
        taken_over.map_or(Ok(()), |done| done.map(drop)).and(recorded)
    }

    /// Rollouts that were under way when the host went down: the champion was
    /// in charge and stays so, since what the trial had seen is gone.
    pub(super) fn close_interrupted(&self) -> FabricResult<()> {
        let entries = self.every_entry(None).map_err(FabricError::from)?;
        let closing: Vec<NewEntry> = lineage::rollouts(&entries)
            .into_iter()
            .map(|(agent_type, (candidate, champion))| {
                tracing::warn!(agent_type, %candidate, "a rollout was cut short");
                let why = "the host went down before its trial ended".to_owned();
                entry(candidate, Some(&agent_type), Event::RolledBack { to: champion, why })
            })
            .collect();
        if !closing.is_empty() {
            self.lineage.append_all(&closing).map_err(FabricError::from)?;
        }
        Ok(())
    }
}

/// A rollout as its trial left it.
struct Closing {
    champion: Digest,
    candidate: Digest,
    /// Runs of the candidate.
    tasks: u64,
    verdict: NewEntry,
}

fn closing(live: &Live, state: &RolloutState) -> Closing {
    let findings = live.findings();
    let rollout = live.rollout();
    let (champion, candidate) = (rollout.champion(), rollout.candidate());
    let tasks = rollout.trial().tasks(Side::Candidate);
    let verdict = match state {
        // What it was condemned for, however things looked a run later.
        RolloutState::RolledBack { findings } => Verdict::Worse { findings: findings.clone() },
        _ => rollout.trial().state(&rollout.plan().policy),
    };
    let event = Event::Verdict { verdict, tasks, findings };
    let verdict = entry(candidate, Some(&live.agent_type), event);
    Closing { champion, candidate, tasks, verdict }
}

/// Why it ended as it did.
fn reason(state: &RolloutState) -> String {
    match state {
        RolloutState::RolledBack { findings } => {
            findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    }
}
