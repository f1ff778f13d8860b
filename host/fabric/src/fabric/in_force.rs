//! What is in force of the declared agent types, and how another declaration takes over.

use std::collections::BTreeMap;
use std::sync::Arc;

use chimera_layer4_core::config::{AgentDeclaration, AgentOrigin};
use chimera_layer4_core::{AgentId, Digest, FabricError, FabricResult, HostFault};
use chimera_layer4_runtime::Genome;

use super::Fabric;
use super::outcome::Outcome;
use crate::agents::AgentSource;
use crate::agents::registry::AgentType;
use crate::telemetry::log;
use crate::utils;

/// What is in force of a declaration.
pub(super) struct InForce {
    /// Where it is declared.
    pub(super) origin: AgentOrigin,
    pub(super) declaration: AgentDeclaration,
    /// The component that is declared. Another may be in charge since.
    component: Digest,
    /// What its agents were started with.
    genome: Arc<Genome>,
    /// Those that were started with it.
    agents: Vec<AgentId>,
    /// The one that a task starts, should none of them run.
    on_demand: AgentId,
}

/// Agents that were started to take over.
struct TakenOver {
    agents: Vec<AgentId>,
    /// How many old ones had to make room for them.
    gone: u32,
}

impl InForce {
    /// Its agents.
    pub(super) fn all(self) -> Vec<AgentId> {
        let Self { mut agents, on_demand, .. } = self;
        agents.push(on_demand);
        agents
    }
}

impl Fabric {
    /// Puts a declaration in force, unless it is so already.
    pub(super) async fn apply_one(
        &self,
        in_force: &mut BTreeMap<String, InForce>,
        name: &str,
        origin: AgentOrigin,
        declaration: &AgentDeclaration,
    ) -> FabricResult<Outcome> {
        let bytes = self.genomes.declared_bytes(&declaration.component).await?;
        let component = Digest::of(&bytes);
        if let Some(old) = in_force.get_mut(name)
            && old.component == component
            && old.declaration == *declaration
        {
            old.origin = origin;
            return Ok(Outcome::Unchanged);
        }
        // What is in charge stays so until its agents run, and none is put on trial.
        let turn = loop {
            if let Some(turn) = self.genomes.turn_without_trial(name).await? {
                break turn;
            }
            // What is refused ends no trial.
            self.try_out(name, declaration, &bytes).await?;
            // The declaration was changed without waiting for the trial. The lineage
            // records how the trial ended before it records what the declaration puts in
            // charge. One that has ended meanwhile needs no abort.
            let _ = self.genomes.abort_rollout(name, origin.change()).await;
        };
        let chosen = self.genomes.choose(name, bytes).await?;
        let genome = Arc::clone(&chosen.genome);
        // While agents change, no task starts one of its own.
        let before = self.pool.agents.registered(name);
        // The type that every host has goes where another of its name is declared.
        let built_in = before.as_ref().filter(|before| before.is_built_in);
        let built_in = built_in.map(|before| before.config.agent_id);
        let starting = before.map(|before| before.starting).unwrap_or_default();
        let held = Arc::clone(&starting).lock_owned().await;
        let old = in_force.get_mut(name);
        let TakenOver { agents, gone } = self.take_over(old, name, declaration, &genome).await?;
        // Before they are what is in force: where it cannot be recorded, nothing has changed.
        if let Err(error) = self.genomes.note_declared(name, origin, &chosen).await {
            self.pool.retire(agents);
            self.bring_back(in_force.get_mut(name), name, gone).await;
            return Err(error);
        }
        let on_demand = utils::generate_agent_id();
        let config = declaration.config(name, on_demand, self.default_quota());
        let source = AgentSource::Bytes(Arc::clone(&chosen.bytes));
        self.pool.agents.register(name, AgentType { source, config, starting, is_built_in: false });
        let declaration = declaration.clone();
        let now = InForce { origin, declaration, component, genome, agents, on_demand };
        let old = in_force.insert(name.to_owned(), now);
        drop((held, turn));
        self.pool.capacity_changed();
        let outcome = if old.is_some() { Outcome::Replaced } else { Outcome::Started };
        let mut retired = old.map_or_else(Vec::new, InForce::all);
        retired.extend(built_in);
        self.pool.retire(retired);
        Ok(outcome)
    }

    /// Whether an agent of the declaration starts: one that no task sees.
    async fn try_out(
        &self,
        name: &str,
        declaration: &AgentDeclaration,
        bytes: &Arc<[u8]>,
    ) -> FabricResult<()> {
        let chosen = self.genomes.choose(name, Arc::clone(bytes)).await?;
        let config = declaration.config(name, utils::generate_agent_id(), self.default_quota());
        self.pool.try_out(chosen.genome, config).await
    }

    /// Starts the declared number of agents. Where `max_agents` is reached, an
    /// old one goes first for each new one; if a new one fails, the old ones
    /// that went are started again.
    async fn take_over(
        &self,
        mut old: Option<&mut InForce>,
        name: &str,
        declaration: &AgentDeclaration,
        genome: &Arc<Genome>,
    ) -> FabricResult<TakenOver> {
        let mut begun = Vec::new();
        let mut gone = 0;
        while begun.len() < declaration.instances as usize {
            let id = utils::generate_agent_id();
            let config = declaration.config(name, id, self.default_quota());
            let error = match self.pool.spawn_for_waiting(Arc::clone(genome), config).await {
                Ok(_) => {
                    begun.push(id);
                    continue;
                }
                Err(error) => error,
            };
            // Those that end have the room that is wanted.
            if matches!(error, FabricError::Host(HostFault::NoRoom { .. }))
                && self.pool.one_more_ended().await
            {
                continue;
            }
            let next = match (&error, &mut old) {
                (FabricError::TooManyAgents { .. }, Some(old)) => old.agents.pop(),
                _ => None,
            };
            match (next, old) {
                (Some(one), still) => {
                    gone += 1;
                    old = still;
                    self.pool.retire(vec![one]);
                }
                (None, old) => {
                    self.pool.retire(begun);
                    self.bring_back(old, name, gone).await;
                    return Err(error);
                }
            }
        }
        Ok(TakenOver { agents: begun, gone })
    }

    /// Starts as many agents as went, as they were.
    async fn bring_back(&self, old: Option<&mut InForce>, name: &str, gone: u32) {
        let Some(old) = old else { return };
        // What those run that are still there: another may have taken over.
        let there = self.pool.agents.in_charge(name);
        let genome = there.first().map_or(&old.genome, |entry| entry.agent.genome());
        for _ in 0..gone {
            let id = utils::generate_agent_id();
            let config = old.declaration.config(name, id, self.default_quota());
            match self.pool.spawn_for_waiting(Arc::clone(genome), config).await {
                Ok(_) => old.agents.push(id),
                Err(error) => log::not_brought_back(name, &error),
            }
        }
    }
}
