//! Another genome takes over at once.
//!
//! First the agents that will take over are made and given the state of the old
//! ones (`state`); if one does not start or does not go on from there, nothing
//! has changed. Then the lineage names the new genome, and then the agents
//! change places, which is a few pointers under a lock.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chimera_layer4_core::genome::Swapped;
use chimera_layer4_core::genome::lineage::{self, Event};
use chimera_layer4_core::genome::rollout::How;
use chimera_layer4_core::telemetry::EXECUTOR_LOG;
use chimera_layer4_core::{AgentId, Digest, FabricError, FabricResult, Refinement};
use chimera_layer4_runtime::{Agent, Genome};
use tokio::sync::oneshot;
use tracing::field::display;

use super::Genomes;
use super::admission::GenomeRef;
use super::open::{OpenGenomes, entry};
use super::state::{Handovers, StateSummary, Unfit, hand_over, micros};
use crate::agents::pool::OVERLAPPING;
use crate::agents::registry::{AgentEntry, AgentSource};
use crate::telemetry::events::EventKind;
use chimera_layer4_stores::genomes::{Entries, GenomeStoreResult, NewEntry};

impl Genomes {
    /// The entry for layer 7 (improvement of genomes): another genome takes over in one
    /// agent. It is admitted for the agent's type first. Running tasks finish on the old
    /// one.
    ///
    /// # Errors
    /// `AgentNotFound`; as [`push`](Self::push); what the new
    /// agent's `init` failed with. The agent then keeps the old genome.
    pub async fn update_agent(
        &self,
        agent_id: AgentId,
        genome: impl Into<GenomeRef>,
    ) -> FabricResult<Swapped> {
        self.life.check_not_ending()?;
        let found = self.pool.agents.get(agent_id);
        let old = found.ok_or(FabricError::AgentNotFound(agent_id))?;
        let agent_type = old.agent.config().agent_type.clone();
        let to = self.resolve_genome(genome.into(), &agent_type).await?;
        let genomes = self.opened().await?;
        let loaded = genomes.load(to).await?;
        let own = Arc::clone(genomes);
        genomes.to_the_end(async move { own.update(old, loaded).await }).await
    }

    /// Puts a genome in charge of an agent type at once: every agent of it,
    /// and those that tasks start later, also after a restart of the host.
    ///
    /// # Errors
    /// `AgentTypeNotFound`; `RolloutConflict` while another is on trial, or
    /// when it is in charge already; as
    /// [`update_agent`](Self::update_agent).
    pub async fn promote(
        &self,
        agent_type: &str,
        genome: impl Into<GenomeRef>,
        by: &str,
    ) -> FabricResult<Swapped> {
        self.life.check_not_ending()?;
        self.pool.agents.must_know(agent_type)?;
        let to = self.resolve_genome(genome.into(), agent_type).await?;
        let genomes = self.opened().await?;
        let (own, agent_type) = (Arc::clone(genomes), agent_type.to_owned());
        let how = How::ByHand { by: by.to_owned() };
        genomes
            .to_the_end(async move {
                let _turn = own.turn(&agent_type).await;
                own.check_no_rollout(&agent_type)?;
                own.promote(&agent_type, to, how, Vec::new()).await
            })
            .await
    }

    /// Puts the genome back in charge of an agent type that was so before this
    /// one. The answer to doing it twice is the one before that. State that the
    /// earlier genome does not take is left behind.
    ///
    /// # Errors
    /// `RolloutConflict` when there was none before, or while another is on
    /// trial; as [`update_agent`](Self::update_agent).
    pub async fn rollback(&self, agent_type: &str, by: &str) -> FabricResult<Swapped> {
        self.life.check_not_ending()?;
        self.pool.agents.must_know(agent_type)?;
        let genomes = self.opened().await?;
        let own = Arc::clone(genomes);
        let (agent_type, why) = (agent_type.to_owned(), format!("by {by}"));
        genomes.to_the_end(async move { own.go_back(&agent_type, why).await }).await
    }
}

/// The genome in charge, and the one that was so before it was promoted.
fn before_the_last(entries: &[lineage::Entry], agent_type: &str) -> Option<(Digest, Digest)> {
    // Each promotion is a step up, each rollback to another one a step down.
    let mut steps: Vec<Digest> = Vec::new();
    for entry in entries.iter().filter(|entry| entry.agent_type.as_deref() == Some(agent_type)) {
        match &entry.event {
            Event::Promoted { .. } => steps.push(entry.genome),
            Event::RolledBack { to, .. } if steps.last() != Some(to) => {
                steps.pop();
                if steps.last() != Some(to) {
                    steps.push(*to);
                }
            }
            _ => {}
        }
    }
    let last = steps.pop()?;
    steps.pop().map(|before| (last, before))
}

/// What agents that take over have that those before them had not.
#[derive(Clone, Copy)]
pub(super) enum Succession<'a> {
    /// Another genome.
    Genome(&'a Arc<Genome>),
    /// The parameters of another refinement.
    Refinement(&'a Refinement),
}

/// Agents that changed places, wave by wave.
#[derive(Default)]
pub(super) struct TakenOver {
    pub(super) agents: Vec<AgentId>,
    pub(super) behind: Vec<AgentId>,
    /// The longest that tasks waited for it.
    switch: Duration,
    pub(super) state: StateSummary,
}

impl TakenOver {
    fn swapped(self, agent_type: String, from: Option<Digest>, to: Digest) -> Swapped {
        let Self { agents, behind, switch, state } = self;
        let (switch_micros, state) = (micros(switch), state.outcome());
        Swapped { agent_type, agents, behind, from, to, switch_micros, state }
    }
}

impl OpenGenomes {
    /// Runs it to its end even if the caller goes away, so that the lineage and
    /// the agents agree.
    pub(super) async fn to_the_end<T: Send + 'static>(
        &self,
        what: impl Future<Output = FabricResult<T>> + Send + 'static,
    ) -> FabricResult<T> {
        let (answer, answered) = oneshot::channel();
        self.changing.spawn(async move { drop(answer.send(what.await)) });
        answered.await.unwrap_or(Err(FabricError::NotRunning { state: "shut down" }))
    }

    async fn update(
        self: &Arc<Self>,
        old: Arc<AgentEntry>,
        genome: Arc<Genome>,
    ) -> FabricResult<Swapped> {
        let agent_type = old.agent.config().agent_type.clone();
        let _turn = self.turn(&agent_type).await;
        // One of them may be on trial.
        self.check_no_rollout(&agent_type)?;
        let (from, to) = (old.agent.genome().digest(), genome.digest());
        let event = Event::Updated { agent: old.id(), from };
        let updated = entry(to, Some(&agent_type), event);
        let (to_genome, record) = (Succession::Genome(&genome), self.record(vec![updated]));
        let done = self.take_over(&[old], to_genome, record, Unfit::Refuse).await?;
        Ok(self.tell(done.swapped(agent_type, Some(from), to)))
    }

    async fn go_back(self: &Arc<Self>, agent_type: &str, why: String) -> FabricResult<Swapped> {
        let _turn = self.turn(agent_type).await;
        self.check_no_rollout(agent_type)?;
        let entries = self.entries_of(agent_type).await?;
        let none = || {
            let message = format!("no other genome was in charge of {agent_type:?} before");
            FabricError::RolloutConflict(message)
        };
        let (from, to) = before_the_last(&entries, agent_type).ok_or_else(none)?;
        let event = entry(from, Some(agent_type), Event::RolledBack { to, why });
        self.switch(agent_type, to, vec![event], Unfit::StartAnew).await
    }

    /// Puts a genome in charge, with what led to it in the lineage before that.
    pub(super) async fn promote(
        self: &Arc<Self>,
        agent_type: &str,
        to: Digest,
        how: How,
        mut entries: Vec<NewEntry>,
    ) -> FabricResult<Swapped> {
        let from = self.active_or_running(agent_type).await?;
        // After a fault agents may run another one than the lineage says.
        let runs_it = |entry: &Arc<AgentEntry>| entry.agent.genome().digest() == to;
        if from == Some(to) && self.pool.agents.in_charge(agent_type).iter().all(runs_it) {
            let message = format!("{to} is in charge of {agent_type:?} already");
            return Err(FabricError::RolloutConflict(message));
        }
        entries.push(entry(to, Some(agent_type), Event::Promoted { from, how }));
        self.switch(agent_type, to, entries, Unfit::Refuse).await
    }

    /// Records these, and has every agent of the type run the genome.
    async fn switch(
        self: &Arc<Self>,
        agent_type: &str,
        to: Digest,
        entries: Vec<NewEntry>,
        unfit: Unfit,
    ) -> FabricResult<Swapped> {
        let from = self.active_or_running(agent_type).await?;
        let bytes: Arc<[u8]> = self.on_disk(move |genomes| genomes.store.get(&to)).await?.into();
        let loaded = self.pool.load(&bytes).await?;
        // No task starts an agent of the old one meanwhile.
        let starting = self.pool.agents.registered(agent_type).map(|old| old.starting);
        let _held = match &starting {
            Some(starting) => Some(starting.lock().await),
            None => None,
        };
        let old = self.pool.agents.in_charge(agent_type);
        let (to_genome, record) = (Succession::Genome(&loaded), self.record(entries));
        let done = self.take_over(&old, to_genome, record, unfit).await?;
        self.pool.agents.set_source(agent_type, AgentSource::Bytes(bytes));
        Ok(self.tell(done.swapped(agent_type.to_owned(), from, to)))
    }

    /// Others take over from these agents, as many at once as the engine has room for, once
    /// the first of them have started and `record` has recorded it.
    pub(super) async fn take_over(
        self: &Arc<Self>,
        old: &[Arc<AgentEntry>],
        to: Succession<'_>,
        record: impl Future<Output = FabricResult<()>> + Send,
        unfit: Unfit,
    ) -> FabricResult<TakenOver> {
        let mut waves = old.chunks(OVERLAPPING);
        let mut done = TakenOver::default();
        let first = waves.next().unwrap_or_default();
        let (successors, state) = self.successors(first, to, unfit).await?;
        if let Err(error) = record.await {
            drop(state);
            self.end_unused(successors).await;
            return Err(error);
        }
        self.change_places(first, successors, state, &mut done).await?;
        for wave in waves {
            // The old agents are in charge and have to leave room: those that
            // cannot be replaced are left out.
            match self.successors(wave, to, unfit).await {
                Ok((successors, state)) => {
                    self.change_places(wave, successors, state, &mut done).await?;
                }
                Err(error) => {
                    tracing::error!(%error, "agents stay as they were until the same is asked again");
                    done.behind.extend(wave.iter().map(|entry| entry.id()));
                }
            }
        }
        Ok(done)
    }

    /// An agent that takes over from each of these, and goes on from its state.
    async fn successors<'a>(
        &self,
        old: &'a [Arc<AgentEntry>],
        to: Succession<'_>,
        unfit: Unfit,
    ) -> FabricResult<(Vec<Agent>, Handovers<'a>)> {
        let mut successors = Vec::with_capacity(old.len());
        for entry in old {
            let (executor, agent) = (&self.pool.executor, &entry.agent);
            let successor = match to {
                Succession::Genome(genome) => executor.succeed(agent, Arc::clone(genome)).await,
                Succession::Refinement(refinement) => {
                    let parameters = refinement.parameters_over(&agent.config().declared);
                    executor.succeed_refined(agent, parameters).await
                }
            };
            match successor {
                Ok(agent) => successors.push(agent),
                Err(error) => {
                    self.end_unused(successors).await;
                    return Err(error);
                }
            }
        }
        match hand_over(old, &successors, self.agent_timeout, unfit).await {
            Ok(state) => Ok((successors, state)),
            Err(error) => {
                self.end_unused(successors).await;
                Err(error)
            }
        }
    }

    async fn change_places(
        &self,
        old: &[Arc<AgentEntry>],
        successors: Vec<Agent>,
        state: Handovers<'_>,
        done: &mut TakenOver,
    ) -> FabricResult<()> {
        let began = Instant::now();
        let left = self.pool.agents.take_over(successors)?;
        done.switch = done.switch.max(began.elapsed());
        state.complete(&mut done.state);
        done.agents.extend(old.iter().map(|entry| entry.id()));
        self.pool.end(left.replaced);
        // Under the same ids: the last line about each says that it runs.
        left.entered.iter().for_each(|entry| self.telemetry.started(&entry.runner()));
        self.end_unused(left.unwanted).await;
        Ok(())
    }

    /// Ends agents that no task has seen.
    pub(super) async fn end_unused(&self, agents: Vec<Agent>) {
        for agent in agents {
            if let Err(fault) = agent.shutdown(self.agent_timeout).await {
                let agent = agent.config().agent_id;
                tracing::warn!(%agent, %fault, "an agent that was not needed did not end well");
            }
        }
    }

    /// What is in charge of a type by the lineage, else what its agents run.
    pub(super) async fn active_or_running(
        self: &Arc<Self>,
        agent_type: &str,
    ) -> FabricResult<Option<Digest>> {
        let running = || self.pool.agents.genome_of(agent_type);
        Ok(self.active(agent_type).await?.or_else(running))
    }

    /// All that happened for an agent type.
    pub(super) async fn entries_of(
        self: &Arc<Self>,
        agent_type: &str,
    ) -> FabricResult<Vec<lineage::Entry>> {
        let name = agent_type.to_owned();
        self.on_disk(move |genomes| genomes.every_entry(Some(&name))).await
    }

    /// The lineage, page by page: of one agent type, or the whole.
    pub(super) fn every_entry(
        &self,
        agent_type: Option<&str>,
    ) -> GenomeStoreResult<Vec<lineage::Entry>> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let which = Entries { agent_type, genome: None, after, limit: 1000 };
            let page = self.lineage.reader().entries(&which)?;
            let Some(last) = page.last() else { return Ok(all) };
            after = Some(last.sequence);
            all.extend(page);
        }
    }

    pub(super) fn check_no_rollout(&self, agent_type: &str) -> FabricResult<()> {
        let Some(live) = self.evidence.trials.get(agent_type) else { return Ok(()) };
        let candidate = live.rollout().candidate();
        Err(FabricError::RolloutConflict(format!(
            "{candidate} is on trial for {agent_type:?}; promote or abort its rollout first"
        )))
    }

    fn tell(&self, swapped: Swapped) -> Swapped {
        let Swapped { agent_type, from, to, switch_micros, state, .. } = &swapped;
        let before = from.map(display);
        tracing::info!(
            target: EXECUTOR_LOG, code = "genome-promoted",
            agent_type, from = before, %to, switch_micros, %state, "a genome took over"
        );
        self.telemetry.metrics.genomes.swapped(agent_type, Duration::from_micros(*switch_micros));
        let (agent_type, from, to) = (agent_type.clone(), *from, *to);
        self.telemetry.events.tell(|| EventKind::GenomeSwapped { agent_type, from, to });
        swapped
    }
}
