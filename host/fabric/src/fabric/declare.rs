//! Agents as the configuration file declares them, at the start and when it changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use chimera_layer4_core::config::AgentDeclaration;
use chimera_layer4_core::{AgentId, Digest, FabricError, FabricResult};
use chimera_layer4_runtime::Genome;

use super::Fabric;
use crate::agents::AgentSource;
use crate::agents::registry::AgentType;
use crate::utils;

/// What is in force of the declarations.
#[derive(Default)]
pub(crate) struct Declared {
    in_force: tokio::sync::Mutex<BTreeMap<String, InForce>>,
}

struct InForce {
    declaration: AgentDeclaration,
    /// The component that the file names. Another may be in charge since.
    component: Digest,
    /// What its agents were started with.
    genome: Arc<Genome>,
    /// Those that were started with it.
    agents: Vec<AgentId>,
    /// The one that a task starts, should none of them run.
    on_demand: AgentId,
}

impl InForce {
    fn all(self) -> Vec<AgentId> {
        let Self { mut agents, on_demand, .. } = self;
        agents.push(on_demand);
        agents
    }
}

/// What became of one declaration.
#[derive(Debug)]
pub struct Applied {
    /// The agent type.
    pub name: String,
    /// What was done.
    pub outcome: Outcome,
}

/// What was done about a declaration.
#[derive(Debug)]
pub enum Outcome {
    /// Its agents were started.
    Started,
    /// Neither it nor its component has changed.
    Unchanged,
    /// New agents took over; running tasks finished in the old ones.
    Replaced,
    /// It is gone; tasks of the type wait until it is back.
    Removed {
        /// So many wait now.
        waiting: u64,
    },
    /// It is as it was before.
    Failed(FabricError),
}

impl Outcome {
    /// In one word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Started => "started",
            Outcome::Unchanged => "unchanged",
            Outcome::Replaced => "replaced",
            Outcome::Removed { .. } => "removed",
            Outcome::Failed(_) => "failed",
        }
    }

    /// What its operator may want to know; `None`: nothing.
    #[must_use]
    pub fn note(&self, name: &str) -> Option<String> {
        match self {
            Outcome::Removed { waiting: waiting @ 1.. } => Some(format!(
                "{waiting} tasks wait for it, until it is declared again or they are cancelled: \
                 `chimera task list --type {name}`"
            )),
            _ => None,
        }
    }
}

impl Fabric {
    /// Makes agents what `declared` says: starts those that are new, replaces
    /// those that are declared otherwise now or whose component's bytes have
    /// changed, ends those that are gone. No task is dropped. What fails leaves
    /// the agents of its type as they were.
    ///
    /// `told` is called for each type before it is begun. From
    /// [`shutdown`](Self::shutdown) on nothing is started, replaced or ended any more.
    pub async fn apply_agents(
        &self,
        declared: &BTreeMap<String, AgentDeclaration>,
        told: impl Fn(&str),
    ) -> Vec<Applied> {
        if self.life.check_not_ending().is_err() {
            return self.none_applied(declared);
        }
        self.await_agents(declared.keys().cloned());
        // One change at a time.
        let mut in_force = self.declared.in_force.lock().await;
        let mut applied = Vec::new();
        let gone: Vec<String> =
            in_force.keys().filter(|name| !declared.contains_key(*name)).cloned().collect();
        for name in gone {
            told(&name);
            drop(self.genomes.abort_rollout(&name, "a reload").await);
            let starting = self.pool.agents.registered(&name).map(|old| old.starting);
            // No agent of the type is started while this is held.
            let held = match &starting {
                Some(starting) => Some(starting.lock().await),
                None => None,
            };
            self.pool.agents.unregister(&name);
            let old = in_force.remove(&name).map_or_else(Vec::new, InForce::all);
            drop(held);
            self.pool.retire(old).await;
            let waiting = self.queued_for(&name).await;
            applied.push(Applied { name, outcome: Outcome::Removed { waiting } });
        }
        self.pool.agents.keep_down(|name| declared.contains_key(name));
        let wanted: usize = declared.values().map(|one| one.instances as usize).sum();
        for (name, declaration) in declared {
            told(name);
            // The host may have begun to end since the type before.
            let may = self.life.check_not_ending().and_then(|()| self.has_places_for(wanted));
            let outcome = match may {
                Ok(()) => self.apply_one(&mut in_force, name, declaration).await,
                Err(error) => Err(error),
            };
            let outcome = outcome.unwrap_or_else(Outcome::Failed);
            // Where something of it is in force, it is as it was before.
            let down = match &outcome {
                Outcome::Failed(error) if !in_force.contains_key(name) => Some(error.to_string()),
                _ => None,
            };
            self.pool.agents.note_down(name, down);
            self.pool.agents.not_awaited(name);
            applied.push(Applied { name: name.clone(), outcome });
        }
        applied
    }

    fn none_applied(&self, declared: &BTreeMap<String, AgentDeclaration>) -> Vec<Applied> {
        let none = |name: &String| {
            let (name, outcome) = (name.clone(), Outcome::Failed(self.life.not_running()));
            Applied { name, outcome }
        };
        declared.keys().map(none).collect()
    }

    /// The declared agent types that no task can be given to, since their agents did
    /// not start, each with the reason. They are tried again when the declarations
    /// are applied again.
    #[must_use]
    pub fn agent_types_down(&self) -> BTreeMap<String, String> {
        self.pool.agents.down()
    }

    /// Agents of these types will be started by [`apply_agents`](Self::apply_agents):
    /// until then a task for one is answered "try again later", not "no such type".
    pub fn await_agents(&self, names: impl IntoIterator<Item = String>) {
        self.pool.agents.await_types(names);
    }

    /// Tasks that wait for an agent type, as far as the store can say.
    async fn queued_for(&self, name: &str) -> u64 {
        let queued = self.tasks.stats().await.map(|stats| stats.queued_by_type);
        let queued = queued.unwrap_or_default().into_iter();
        queued.filter(|(of, _)| of == name).map(|(_, count)| count).sum()
    }

    /// The file may say more than the host was started with.
    fn has_places_for(&self, wanted: usize) -> FabricResult<()> {
        let most = self.config.max_agents;
        if wanted <= most {
            return Ok(());
        }
        let message = format!(
            "{wanted} agents are declared, and this host was started with `max_agents` {most}; \
             restart it"
        );
        Err(FabricError::InvalidRequest(vec![message]))
    }

    async fn apply_one(
        &self,
        in_force: &mut BTreeMap<String, InForce>,
        name: &str,
        declaration: &AgentDeclaration,
    ) -> FabricResult<Outcome> {
        let bytes = self.genomes.declared_bytes(&declaration.component).await?;
        let component = Digest::of(&bytes);
        if let Some(old) = in_force.get(name)
            && old.component == component
            && old.declaration == *declaration
        {
            return Ok(Outcome::Unchanged);
        }
        // The file was changed without waiting for the trial. The lineage
        // records how the trial ended before it records what the file puts in
        // charge. Without a trial there is nothing to abort.
        let _ = self.genomes.abort_rollout(name, "a reload").await;
        // What is in charge stays so until its agents run.
        let turn = self.genomes.turn(name).await?;
        let chosen = self.genomes.choose(name, bytes).await?;
        let genome = Arc::clone(&chosen.genome);
        // While agents change, no task starts one of its own.
        let starting = self.pool.agents.registered(name).map(|old| old.starting);
        let starting = starting.unwrap_or_default();
        let held = Arc::clone(&starting).lock_owned().await;
        let agents = self.take_over(in_force.get_mut(name), name, declaration, &genome).await?;
        let on_demand = utils::generate_agent_id();
        let config = declaration.config(name, on_demand, self.default_quota());
        let source = AgentSource::Bytes(Arc::clone(&chosen.bytes));
        self.pool.agents.register(name, AgentType { source, config, starting });
        let declaration = declaration.clone();
        let now = InForce { declaration, component, genome, agents, on_demand };
        let old = in_force.insert(name.to_owned(), now);
        self.genomes.note_declared(name, &chosen).await?;
        drop((held, turn));
        self.pool.capacity_changed();
        let outcome = if old.is_some() { Outcome::Replaced } else { Outcome::Started };
        self.pool.retire(old.map_or_else(Vec::new, InForce::all)).await;
        Ok(outcome)
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
    ) -> FabricResult<Vec<AgentId>> {
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
            let next = match (&error, &mut old) {
                (FabricError::TooManyAgents { .. }, Some(old)) => old.agents.pop(),
                _ => None,
            };
            match (next, old) {
                (Some(one), still) => {
                    gone += 1;
                    old = still;
                    self.pool.retire(vec![one]).await;
                }
                (None, old) => {
                    self.pool.retire(begun).await;
                    self.bring_back(old, name, gone).await;
                    return Err(error);
                }
            }
        }
        Ok(begun)
    }

    /// Starts as many agents as went, as they were.
    async fn bring_back(&self, old: Option<&mut InForce>, name: &str, gone: usize) {
        let Some(old) = old else { return };
        // What those run that are still there: another may have taken over.
        let there = self.pool.agents.in_charge(name);
        let genome = there.first().map_or(&old.genome, |entry| entry.agent.genome());
        for _ in 0..gone {
            let id = utils::generate_agent_id();
            let config = old.declaration.config(name, id, self.default_quota());
            match self.pool.spawn_for_waiting(Arc::clone(genome), config).await {
                Ok(_) => old.agents.push(id),
                Err(error) => {
                    tracing::error!(agent_type = name, %error, "an agent could not be brought back");
                }
            }
        }
    }
}
