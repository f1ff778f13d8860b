//! A candidate shows in real traffic what it can do, and is put in charge by
//! steps or taken back.

use std::sync::Arc;

use chimera_layer4_core::genome::lineage::Event;
use chimera_layer4_core::genome::rollout::{IsOver, NotStarted};
use chimera_layer4_core::genome::{Plan, Rollout, RolloutView};
use chimera_layer4_core::telemetry::EXECUTOR_LOG;
use chimera_layer4_core::{Digest, FabricError, FabricResult};
use chimera_layer4_runtime::{Agent, Genome};

use super::Genomes;
use super::admission::GenomeRef;
use super::open::{OpenGenomes, entry};
use super::rollout_controller;
use super::trials::Live;
use crate::agents::pool::OVERLAPPING;
use crate::telemetry::events::EventKind;
use crate::utils;

impl Genomes {
    /// Puts a genome on trial: it is given a share of the type's tasks, more by
    /// steps, and takes over by itself when it is shown to be no worse. It is
    /// taken back by itself when it is shown to be worse. Until then as many new
    /// agents of the genome in charge run as of this one, and are given as many
    /// tasks: they are what it is held against. Of a genome that carries state
    /// there are none.
    ///
    /// Tasks stay on one side by their `metadata["rollout-key"]`, or by their id
    /// without one; what is made again after a failure goes to the genome in
    /// charge. While the breaker of one side is open, its tasks go to the other;
    /// a candidate that does what the champion fails to do takes over without
    /// further steps.
    ///
    /// # Errors
    /// `AgentTypeNotFound`; `RolloutConflict` while another is on trial, where
    /// no agent of the type runs, or when the genome is in charge already;
    /// `InvalidRequest` when the plan is out of range; as
    /// [`update_agent`](Self::update_agent).
    pub async fn start_rollout(
        &self,
        agent_type: &str,
        genome: impl Into<GenomeRef>,
        plan: Plan,
    ) -> FabricResult<RolloutView> {
        self.life.check_not_ending()?;
        self.pool.agents.must_know(agent_type)?;
        let complaints = plan.complaints();
        if !complaints.is_empty() {
            return Err(FabricError::InvalidRequest(complaints));
        }
        let candidate = self.resolve_genome(genome.into(), agent_type).await?;
        // A trial needs a champion to compare with.
        self.pool.make_ready(agent_type).await?;
        let genomes = self.opened().await?;
        let (own, name) = (Arc::clone(genomes), agent_type.to_owned());
        let begun = genomes.to_the_end(async move { own.start(&name, plan, candidate).await });
        let begun = begun.await?;
        // Tasks that the champion's breaker keeps waiting are the candidate's now.
        self.pool.capacity_changed();
        Ok(begun)
    }

    /// Puts the candidate of an agent type's rollout in charge now. The answer
    /// comes when it is: the lineage says so, and its agents take the tasks.
    ///
    /// # Errors
    /// `RolloutConflict` when none is under way; as
    /// [`update_agent`](Self::update_agent) when the candidate
    /// could not take over, which leaves the champion in charge.
    pub async fn promote_rollout(&self, agent_type: &str, by: &str) -> FabricResult<RolloutView> {
        self.life.check_not_ending()?;
        self.decide(agent_type, |rollout| rollout.promote(by)).await
    }

    /// Ends an agent type's rollout and leaves the champion in charge. The answer
    /// comes when the lineage says so and the trial's agents take no more tasks.
    ///
    /// # Errors
    /// `RolloutConflict` when none is under way; `GenomeStore` when the lineage
    /// could not be written.
    pub async fn abort_rollout(&self, agent_type: &str, by: &str) -> FabricResult<RolloutView> {
        self.decide(agent_type, |rollout| rollout.abort(by)).await
    }

    async fn decide(
        &self,
        agent_type: &str,
        decision: impl FnOnce(&mut Rollout) -> Result<(), IsOver>,
    ) -> FabricResult<RolloutView> {
        let live = self.live(agent_type)?;
        let decided = {
            let mut rollout = live.rollout();
            decision(&mut rollout).map(|()| RolloutView::of(agent_type, &rollout))
        };
        match decided {
            Ok(view) => {
                live.changed.notify_one();
                live.carried_out().await?;
                Ok(view)
            }
            // Another caller decided. The lineage records how once that is carried out.
            Err(over) => {
                live.over().await;
                Err(FabricError::RolloutConflict(over.to_string()))
            }
        }
    }

    /// The rollouts that are under way.
    #[must_use]
    pub fn rollouts(&self) -> Vec<RolloutView> {
        let view = |live: &Arc<Live>| RolloutView::of(&live.agent_type, &live.rollout());
        self.evidence.trials.all().iter().map(view).collect()
    }

    /// The rollout of an agent type that is under way.
    ///
    /// # Errors
    /// `RolloutConflict` when none is; the lineage has those that ended.
    pub fn rollout(&self, agent_type: &str) -> FabricResult<RolloutView> {
        let live = self.live(agent_type)?;
        let rollout = live.rollout();
        Ok(RolloutView::of(agent_type, &rollout))
    }

    fn live(&self, agent_type: &str) -> FabricResult<Arc<Live>> {
        self.evidence.trials.get(agent_type).ok_or_else(|| {
            let message = format!(
                "no rollout of {agent_type:?} is under way; its history has those that ended"
            );
            FabricError::RolloutConflict(message)
        })
    }
}

/// The agents that a trial gives tasks to.
struct Sides {
    candidates: Vec<Agent>,
    /// Empty where agents carry state.
    control: Vec<Agent>,
}

impl OpenGenomes {
    async fn start(
        self: &Arc<Self>,
        agent_type: &str,
        plan: Plan,
        candidate: Digest,
    ) -> FabricResult<RolloutView> {
        let _turn = self.turn(agent_type).await;
        self.check_no_rollout(agent_type)?;
        if self.pool.agents.in_charge(agent_type).is_empty() {
            return Err(without_champion(agent_type));
        }
        let champion = self.pool.agents.genome_of(agent_type).ok_or_else(|| {
            let message =
                format!("agents of {agent_type:?} run several genomes; promote one first");
            FabricError::RolloutConflict(message)
        })?;
        let rollout = Rollout::start(plan, champion, candidate).map_err(not_started)?;
        self.begin(agent_type, rollout).await
    }

    async fn begin(
        self: &Arc<Self>,
        agent_type: &str,
        rollout: Rollout,
    ) -> FabricResult<RolloutView> {
        let (champion, candidate) = (rollout.champion(), rollout.candidate());
        let champions = self.pool.agents.in_charge(agent_type);
        let like = champions.first().ok_or_else(|| without_champion(agent_type))?;
        let most = rollout.plan().steps.last().copied().unwrap_or(1.0);
        let count = ((champions.len() as f64 * most).ceil() as usize).clamp(1, OVERLAPPING / 2);
        let Sides { candidates, control } = self.sides(&like.agent, candidate, count).await?;
        let rollout = if control.is_empty() { rollout.without_control() } else { rollout };
        let event = Event::RolloutStarted { against: champion, plan: rollout.plan().clone() };
        if let Err(error) = self.record(vec![entry(candidate, Some(agent_type), event)]).await {
            self.end_unused(candidates).await;
            self.end_unused(control).await;
            return Err(error);
        }
        let view = RolloutView::of(agent_type, &rollout);
        let held_against = control.iter().map(|agent| agent.config().agent_id).collect();
        let live = Arc::new(Live::new(agent_type, rollout, held_against));
        // Register the trial first, so that the candidate's first run counts.
        self.evidence.trials.insert(Arc::clone(&live));
        let of_task = Arc::clone(&live);
        let split = Arc::new(move |task: &_| of_task.arm(task));
        let put = self.pool.agents.put_on_trial(agent_type, candidates, control, split);
        let put = put.map(|entered| {
            entered.iter().for_each(|entry| self.telemetry.started(&entry.runner()));
        });
        if let Err((error, unused)) = put {
            self.evidence.trials.remove(agent_type);
            live.finish(Err(FabricError::NotRunning { state: "shut down" }));
            self.end_unused(unused).await;
            let event = Event::RolledBack { to: champion, why: error.to_string() };
            if let Err(error) = self.record(vec![entry(candidate, Some(agent_type), event)]).await {
                tracing::warn!(agent_type, %error, "the end of a rollout is not in the lineage");
            }
            return Err(error);
        }
        self.controllers.spawn(rollout_controller::drive(Arc::downgrade(self), live));
        tracing::info!(
            target: EXECUTOR_LOG, code = "rollout-began",
            agent_type, %champion, %candidate, share = view.share, "a rollout began"
        );
        let share = view.share;
        let agent_type = agent_type.to_owned();
        self.telemetry.events.tell(|| EventKind::RolloutStep { agent_type, candidate, share });
        Ok(view)
    }

    async fn sides(
        self: &Arc<Self>,
        champion: &Agent,
        candidate: Digest,
        count: usize,
    ) -> FabricResult<Sides> {
        let genome = self.load(candidate).await?;
        let candidates = self.alike(champion, &genome, count).await?;
        // New agents would know nothing of what the others do.
        if champion.genome().offers_state() {
            return Ok(Sides { candidates, control: Vec::new() });
        }
        match self.control(champion, count).await {
            Ok(control) => Ok(Sides { candidates, control }),
            Err(error) => {
                self.end_unused(candidates).await;
                Err(error)
            }
        }
    }

    /// Agents of the champion that are as new as the candidate's: also their
    /// code is read anew, since that of the others is in the processor's caches.
    async fn control(self: &Arc<Self>, champion: &Agent, count: usize) -> FabricResult<Vec<Agent>> {
        let digest = champion.genome().digest();
        let genome = match self.on_disk(move |genomes| genomes.store.get(&digest)).await {
            Ok(bytes) => self.pool.executor.load_apart(&bytes).await?,
            // It came as bytes that are not in the store, or the stored bytes are damaged.
            Err(error) => {
                tracing::debug!(%error, "the control shares the champion's code");
                Arc::clone(champion.genome())
            }
        };
        self.alike(champion, &genome, count).await
    }

    /// New agents of a genome, set up like another one.
    async fn alike(
        &self,
        like: &Agent,
        genome: &Arc<Genome>,
        count: usize,
    ) -> FabricResult<Vec<Agent>> {
        let mut agents = Vec::new();
        for _ in 0..count {
            let config = like.config_with(utils::generate_agent_id());
            match self.pool.executor.spawn(Arc::clone(genome), config).await {
                Ok(agent) => agents.push(agent),
                Err(error) => {
                    self.end_unused(agents).await;
                    return Err(error);
                }
            }
        }
        Ok(agents)
    }
}

fn without_champion(agent_type: &str) -> FabricError {
    let message = format!("no agent of {agent_type:?} runs to hold it against");
    FabricError::RolloutConflict(message)
}

fn not_started(error: NotStarted) -> FabricError {
    match error {
        NotStarted::Plan(complaints) => FabricError::InvalidRequest(complaints),
        NotStarted::SameGenome(_) => FabricError::RolloutConflict(error.to_string()),
    }
}
