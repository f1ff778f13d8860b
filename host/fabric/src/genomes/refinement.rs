//! Refinements of agent types: set, taken back, recorded.
//!
//! First the agents that get other parameters are started, then the change is recorded, then
//! it counts, and then the agents change places: as where a genome takes over (`promotion`).

use std::sync::Arc;
use std::time::SystemTime;

use chimera_layer4_core::refinement::{
    MOST_ON_THE_WAY, Refined, RefinedBy, Refinement, RefinementEntry, RefinementView,
};
use chimera_layer4_core::{FabricError, FabricResult};
use chimera_layer4_stores::genomes::{NewRefinement, NextRefinement};

use super::Genomes;
use super::open::OpenGenomes;
use super::promotion::{Succession, TakenOver};
use super::state::Unfit;
use crate::agents::registry::AgentEntry;
use crate::telemetry::events::EventKind;
use crate::telemetry::log;

/// The most entries of one answer.
const MOST_ENTRIES: usize = 1000;

impl Genomes {
    pub(crate) async fn refine(
        &self,
        name: &str,
        refinement: Refinement,
        by: RefinedBy,
    ) -> FabricResult<Refined> {
        let genomes = Arc::clone(self.opened().await?);
        let (own, name) = (Arc::clone(&genomes), name.to_owned());
        let refine = async move {
            let refined = own.refine(&name, refinement, by).await;
            refined.inspect_err(|error| log::refinement(&name, Err(error)))
        };
        genomes.to_the_end(refine).await
    }

    pub(crate) async fn undo_refinement(&self, name: &str, by: RefinedBy) -> FabricResult<Refined> {
        let genomes = Arc::clone(self.opened().await?);
        let (own, name) = (Arc::clone(&genomes), name.to_owned());
        let undo = async move {
            let undone = own.undo(&name, by).await;
            undone.inspect_err(|error| log::refinement(&name, Err(error)))
        };
        genomes.to_the_end(undo).await
    }

    pub(crate) async fn refinement(
        &self,
        name: &str,
        before: Option<u64>,
        limit: usize,
    ) -> FabricResult<RefinementView> {
        let genomes = self.opened().await?;
        genomes.must_know_or_have_refined(name)?;
        let limit = limit.clamp(1, MOST_ENTRIES);
        let of = name.to_owned();
        let page = genomes.on_disk(move |genomes| genomes.refinements.entries(&of, before, limit));
        let record = page.await?;
        // The entries of a type begin with one that nothing counted before.
        let is_last = record.len() < limit;
        let next = record.last().map(|entry| entry.number).filter(|_| !is_last);
        let in_force = self.pool.agents.refinement(name);
        let in_force = in_force.map(|entry| RefinementEntry::clone(&entry));
        Ok(RefinementView { agent_type: name.to_owned(), in_force, record, next })
    }
}

/// A change of a refinement that is not recorded yet.
struct Change<'a> {
    name: &'a str,
    by: RefinedBy,
    /// The entry that counts now.
    before: Option<Arc<RefinementEntry>>,
    /// The entry that undoing it brings back; the change is an undo where `set` is absent.
    restored: Option<RefinementEntry>,
    set: Option<Refinement>,
}

impl Change<'_> {
    /// What counts after it.
    fn next(&self) -> Refinement {
        let restored = || self.restored.as_ref().and_then(|entry| entry.refinement.clone());
        self.set.clone().or_else(restored).unwrap_or_default()
    }
}

impl OpenGenomes {
    async fn refine(
        self: &Arc<Self>,
        name: &str,
        refinement: Refinement,
        by: RefinedBy,
    ) -> FabricResult<Refined> {
        let complaints = [refinement.complaints(), by.complaints()].concat();
        if !complaints.is_empty() {
            return Err(FabricError::InvalidRequest(complaints));
        }
        let _one = self.refining.lock().await;
        self.must_know_or_have_refined(name)?;
        let before = self.pool.agents.refinement(name);
        if let Some(entry) = &before
            && entry.refinement.as_ref() == Some(&refinement)
        {
            let _turn = self.turn(name).await;
            let done = self.renew(name, &refinement).await?;
            return Ok(refined(RefinementEntry::clone(entry), done));
        }
        if before.is_none() && self.pool.agents.refinements().len() >= Refinement::MOST_TYPES {
            return Err(FabricError::RefinementConflict(format!(
                "{} agent types have a refinement in force, which is the most; undo one first",
                Refinement::MOST_TYPES
            )));
        }
        self.must_lead_somewhere(name, &refinement)?;
        let set = Some(refinement);
        self.change(Change { name, by, before, restored: None, set }).await
    }

    async fn undo(self: &Arc<Self>, name: &str, by: RefinedBy) -> FabricResult<Refined> {
        let complaints = by.complaints();
        if !complaints.is_empty() {
            return Err(FabricError::InvalidRequest(complaints));
        }
        let _one = self.refining.lock().await;
        self.must_know_or_have_refined(name)?;
        let before = self.pool.agents.refinement(name).ok_or_else(|| {
            let message =
                format!("no refinement of {name:?} is in force, so there is none to undo");
            FabricError::RefinementConflict(message)
        })?;
        let restored = match before.before {
            None => None,
            Some(number) => {
                let entry = self.on_disk(move |genomes| genomes.refinements.entry(number)).await?;
                let lost = || format!("the record of refinements has no entry {number}");
                Some(entry.ok_or_else(|| FabricError::Internal(lost()))?)
            }
        };
        if let Some(refinement) = restored.as_ref().and_then(|entry| entry.refinement.as_ref()) {
            self.must_lead_somewhere(name, refinement).map_err(|error| match error {
                FabricError::InvalidRequest(why) => FabricError::RefinementConflict(format!(
                    "what counted before cannot count again: {}; set another refinement",
                    why.join("; ")
                )),
                error => error,
            })?;
        }
        self.change(Change { name, by, before: Some(before), restored, set: None }).await
    }

    /// Whether the type has or had a refinement, or is one.
    fn must_know_or_have_refined(&self, name: &str) -> FabricResult<()> {
        let agents = &self.pool.agents;
        // One that is down may be routed away from.
        if agents.is_type(name) || agents.was_refined(name) {
            return Ok(());
        }
        Err(agents.unknown(name))
    }

    /// Whether tasks that are routed on come to an agent type.
    fn must_lead_somewhere(&self, name: &str, refinement: &Refinement) -> FabricResult<()> {
        let Some(to) = &refinement.route_to else { return Ok(()) };
        let agents = &self.pool.agents;
        let last = agents.route(name, to).map_err(|way| {
            let is_long = way.len() > MOST_ON_THE_WAY;
            let way: Vec<String> = way.iter().map(|name| format!("{name:?}")).collect();
            if is_long {
                return FabricError::RefinementConflict(format!(
                    "route_to is {to:?}, and the way of a task would have more than \
                     {MOST_ON_THE_WAY} types: {}; name the last one",
                    way.join(" → ")
                ));
            }
            FabricError::RefinementConflict(format!(
                "route_to is {to:?}, and tasks would come back: {}; name another type, or change \
                 the route of one on the way",
                way.join(" → ")
            ))
        })?;
        if agents.is_type(&last) {
            return Ok(());
        }
        match agents.unknown(&last) {
            loading @ FabricError::AgentTypeLoading { .. } => Err(loading),
            FabricError::AgentTypeNotFound { task_types, .. } if task_types.contains(&last) => {
                Err(FabricError::RefinementConflict(format!(
                    "route_to is {to:?}, and tasks would come back: no other agent type supports \
                     {last:?}"
                )))
            }
            unknown => Err(FabricError::InvalidRequest(vec![format!("route_to: {unknown}")])),
        }
    }

    /// Makes a change, with the agents that it concerns.
    async fn change(self: &Arc<Self>, change: Change<'_>) -> FabricResult<Refined> {
        let (name, next) = (change.name, change.next());
        let now = change.before.as_ref().and_then(|entry| entry.refinement.as_ref());
        let parameters_change = now.map_or_else(
            || !next.parameters.is_empty(),
            |refinement| refinement.parameters != next.parameters,
        );
        if !parameters_change {
            return Ok(refined(self.record_change(change).await?, None));
        }
        let _turn = self.turn(name).await;
        self.check_no_rollout(name)?;
        // No task starts an agent with the old ones meanwhile.
        let registered = self.pool.agents.registered(name);
        let _held = match &registered {
            Some(registered) => Some(registered.starting.lock().await),
            None => None,
        };
        let old = self.unlike(name, &next);
        if let Some(registered) = registered.as_ref().filter(|_| old.is_empty()) {
            self.pool.try_refinement(registered, &next).await?;
        }
        let mut entry = None;
        let record = async {
            entry = Some(Box::pin(self.record_change(change)).await?);
            Ok(())
        };
        let done = self.take_over(&old, Succession::Refinement(&next), record, Unfit::Refuse);
        let done = done.await?;
        let entry = entry.ok_or_else(|| FabricError::Internal("nothing was recorded".into()))?;
        Ok(refined(entry, (!old.is_empty()).then_some(done)))
    }

    /// Records a change; it counts from then on, and the log and listeners have it.
    async fn record_change(self: &Arc<Self>, change: Change<'_>) -> FabricResult<RefinementEntry> {
        let Change { name, by, before, restored, set } = change;
        let next = match (set, &restored) {
            (Some(refinement), _) => NextRefinement::Set(refinement),
            (None, Some(RefinementEntry { number, refinement: Some(refinement), .. })) => {
                NextRefinement::Undone(Some((*number, refinement.clone())))
            }
            (None, _) => NextRefinement::Undone(None),
        };
        let (is_set, at) = (matches!(next, NextRefinement::Set(_)), SystemTime::now().into());
        let before = before.map(|entry| entry.number);
        let new = NewRefinement { at, agent_type: name.to_owned(), by, before, next };
        let entry = self.on_disk(move |genomes| genomes.refinements.append(new)).await?;
        let in_force = if is_set { Some(entry.clone()) } else { restored };
        self.pool.agents.note_refinement(name, in_force.map(Arc::new));
        log::refinement(name, Ok(&entry));
        self.telemetry.events.tell(|| EventKind::AgentTypeRefined {
            agent_type: name.to_owned(),
            number: entry.number,
            outcome: entry.change.word(),
            author: entry.author.clone(),
            source_layer: entry.source_layer.clone(),
            reason: entry.reason.clone(),
            refinement: self.pool.agents.refinements().remove(name),
        });
        Ok(entry)
    }

    /// Agents in charge of a type with other parameters than it has by a refinement.
    fn unlike(&self, name: &str, refinement: &Refinement) -> Vec<Arc<AgentEntry>> {
        let mut agents = self.pool.agents.in_charge(name);
        agents.retain(|entry| {
            let setup = entry.agent.config();
            setup.parameters != refinement.parameters_over(&setup.declared)
        });
        agents
    }

    /// Has agents that have other parameters replaced. The caller has the type's turn.
    async fn renew(
        self: &Arc<Self>,
        name: &str,
        refinement: &Refinement,
    ) -> FabricResult<Option<TakenOver>> {
        let old = self.unlike(name, refinement);
        if old.is_empty() {
            return Ok(None);
        }
        self.check_no_rollout(name)?;
        let recorded = std::future::ready(Ok(()));
        let to = Succession::Refinement(refinement);
        self.take_over(&old, to, recorded, Unfit::Refuse).await.map(Some)
    }

    /// Has agents that were started before the record was read get the parameters that it says.
    pub(super) async fn renew_refined(self: &Arc<Self>) {
        for name in self.pool.agents.refinements().into_keys() {
            let _turn = self.turn(&name).await;
            let in_force = self.pool.agents.refinement(&name);
            let Some(refinement) = in_force.as_ref().and_then(|entry| entry.refinement.as_ref())
            else {
                continue;
            };
            if let Err(error) = self.renew(&name, refinement).await {
                tracing::error!(
                    agent_type = name, %error,
                    "agents keep the parameters that they were started with, and not those of the \
                     type's refinement, until it is set again"
                );
            }
        }
    }
}

fn refined(entry: RefinementEntry, done: Option<TakenOver>) -> Refined {
    let (agents, behind, state) = match done {
        None => (Vec::new(), Vec::new(), None),
        Some(done) => (done.agents, done.behind, Some(done.state.outcome())),
    };
    Refined { entry, agents, behind, state }
}
