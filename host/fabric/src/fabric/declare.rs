//! Agent types as they are declared, at the start and when that changes.
//!
//! The settings, what was deployed and the agents folder declare types; which declaration of
//! a type counts is decided in `core`. Each place is changed by itself, and the others'
//! agents are not touched.

use std::collections::BTreeMap;
use std::sync::Arc;

use chimera_layer4_core::config::{AgentDeclaration, AgentOrigin, AgentSources, Declarations};
use chimera_layer4_core::{AgentId, Digest, FabricError, FabricResult};
use chimera_layer4_runtime::Genome;
use parking_lot::Mutex;

use super::Fabric;
use crate::agents::AgentSource;
use crate::agents::registry::AgentType;
use crate::utils;

/// What is declared, and what is in force of it.
#[derive(Default)]
pub(crate) struct Declared {
    /// Held while agents change, which may take minutes.
    pub(super) in_force: tokio::sync::Mutex<Force>,
    /// What is shown of each declared type, also meanwhile.
    shown: Mutex<BTreeMap<String, Shown>>,
}

#[derive(Default)]
pub(super) struct Force {
    pub(super) sources: AgentSources,
    types: BTreeMap<String, InForce>,
}

/// What is shown of a declared type.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    /// Where the declaration is that counts.
    pub(crate) origin: AgentOrigin,
    /// Why its newest declaration is not in force.
    failed: Option<String>,
    /// Where another declaration is, which does not count.
    beside: Option<AgentOrigin>,
}

impl Shown {
    /// What is declared and not in force, and why.
    pub(crate) fn refused(&self) -> Option<String> {
        let beside = |beside: AgentOrigin| {
            let (counts, other) = (self.origin.words(), beside.words());
            format!("{other} declares it too, which does not count beside {counts}")
        };
        self.failed.clone().or_else(|| self.beside.map(beside))
    }
}

impl Declared {
    /// What is shown of each declared type.
    pub(crate) fn shown(&self) -> BTreeMap<String, Shown> {
        self.shown.lock().clone()
    }

    /// A declaration was refused before it came to be applied. What is in force stays.
    pub(super) fn note_refused(&self, name: &str, origin: AgentOrigin, reason: String) {
        let mut shown = self.shown.lock();
        let new = Shown { origin, failed: None, beside: None };
        shown.entry(name.to_owned()).or_insert(new).failed = Some(reason);
    }

    /// The types whose newest declaration could not be put in force.
    fn failed(&self) -> Vec<String> {
        let shown = self.shown.lock();
        let failed = shown.iter().filter(|(_, shown)| shown.failed.is_some());
        failed.map(|(name, _)| name.clone()).collect()
    }
}

struct InForce {
    declaration: AgentDeclaration,
    /// The component that is declared. Another may be in charge since.
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

/// New declarations of one place, by type; `None`: it declares the type no longer.
pub(super) type Changes = BTreeMap<String, Option<AgentDeclaration>>;

impl Fabric {
    /// Makes agents what the settings declare: starts those that are new, replaces
    /// those that are declared otherwise now or whose component's bytes have
    /// changed, ends those that are gone. No task is dropped. What fails leaves
    /// the agents of its type as they were. Types that were deployed or are in the agents
    /// folder stay as they are, but for those that failed, which are tried again.
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
        let mut force = self.declared.in_force.lock().await;
        let changes = force.sources.changes_to(AgentOrigin::Settings, declared);
        let failed = self.declared.failed();
        let mut applied =
            self.apply_changes(&mut force, AgentOrigin::Settings, changes, &told).await;
        for name in failed {
            let Some((origin, declaration)) = force.sources.of(&name) else { continue };
            if origin != AgentOrigin::Settings {
                let again = Changes::from([(name, Some(declaration.clone()))]);
                applied.extend(self.apply_changes(&mut force, origin, again, &told).await);
            }
        }
        applied
    }

    fn none_applied(&self, declared: &Declarations) -> Vec<Applied> {
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

    /// Changes what one place declares: first what goes, then what is new or otherwise.
    pub(super) async fn apply_changes(
        &self,
        force: &mut Force,
        origin: AgentOrigin,
        changes: Changes,
        told: &impl Fn(&str),
    ) -> Vec<Applied> {
        for (name, to) in &changes {
            force.sources.set(origin, name, to.clone());
        }
        let (there, gone): (Vec<_>, Vec<_>) =
            changes.into_iter().partition(|(name, _)| force.sources.of(name).is_some());
        let mut applied = Vec::new();
        for (name, _) in gone {
            self.declared.shown.lock().remove(&name);
            self.pool.agents.note_down(&name, None);
            self.pool.agents.not_awaited(&name);
            if let Some(old) = force.types.remove(&name) {
                told(&name);
                let waiting = self.remove(&name, origin, old).await;
                applied.push(Applied { name, outcome: Outcome::Removed { waiting } });
            }
        }
        for (name, to) in there {
            told(&name);
            let Some((counts, declaration)) = force.sources.of(&name) else { continue };
            let declaration = declaration.clone();
            // Another place goes before this one.
            let other = to.is_some() && counts != origin;
            let outcome = match other {
                true => Err(FabricError::AgentTypeDeclared {
                    agent_type: name.clone(),
                    by: counts.words(),
                }),
                false => self.apply_checked(force, &name, counts, &declaration).await,
            };
            let outcome = outcome.unwrap_or_else(Outcome::Failed);
            self.note(force, &name, counts, (!other).then_some(&outcome));
            applied.push(Applied { name, outcome });
        }
        applied
    }

    /// What is shown of a type from now on, and whether tasks can be given to it.
    fn note(&self, force: &Force, name: &str, origin: AgentOrigin, outcome: Option<&Outcome>) {
        self.pool.agents.not_awaited(name);
        let beside = force.sources.beside(name);
        let mut shown = self.declared.shown.lock();
        let before = shown.get(name).and_then(|before| before.failed.clone());
        let failed = match outcome {
            Some(Outcome::Failed(error)) => Some(error.to_string()),
            Some(_) => None,
            None => before,
        };
        // Where something of it is in force, it is as it was before.
        let down = failed.clone().filter(|_| !force.types.contains_key(name));
        self.pool.agents.note_down(name, down);
        shown.insert(name.to_owned(), Shown { origin, failed, beside });
    }

    /// Ends the agents of a type that is declared no longer; how many tasks wait for it.
    async fn remove(&self, name: &str, origin: AgentOrigin, old: InForce) -> u64 {
        drop(self.genomes.abort_rollout(name, origin.change()).await);
        let starting = self.pool.agents.registered(name).map(|old| old.starting);
        // No agent of the type is started while this is held.
        let held = match &starting {
            Some(starting) => Some(starting.lock().await),
            None => None,
        };
        self.pool.agents.unregister(name);
        drop(held);
        self.pool.retire(old.all()).await;
        self.queued_for(name).await
    }

    /// Tasks that wait for an agent type, as far as the store can say.
    async fn queued_for(&self, name: &str) -> u64 {
        let queued = self.tasks.stats().await.map(|stats| stats.queued_by_type);
        let queued = queued.unwrap_or_default().into_iter();
        queued.filter(|(of, _)| of == name).map(|(_, count)| count).sum()
    }

    /// The settings may say more than the host was started with. Of the other places each
    /// type is judged by itself, beside those that are in force.
    fn has_places_for(
        &self,
        force: &Force,
        name: &str,
        origin: AgentOrigin,
        declaration: &AgentDeclaration,
    ) -> FabricResult<()> {
        let most = self.config.max_agents;
        let sum = |all: &Declarations| all.values().map(|one| one.instances as usize).sum();
        let settings = AgentOrigin::Settings;
        let (wanted, advice): (usize, _) = if origin == settings {
            (force.sources.declared_in(settings).map_or(0, sum), "restart it")
        } else {
            let others = force.types.iter().filter(|(other, _)| *other != name);
            let others = others.map(|(_, one)| one.declaration.instances as usize);
            let own = declaration.instances as usize;
            (others.sum::<usize>() + own, "declare fewer, or raise it and restart")
        };
        if wanted <= most {
            return Ok(());
        }
        let message = format!(
            "{wanted} agents are declared, and this host was started with `max_agents` {most}; \
             {advice}"
        );
        Err(FabricError::InvalidRequest(vec![message]))
    }

    async fn apply_checked(
        &self,
        force: &mut Force,
        name: &str,
        origin: AgentOrigin,
        declaration: &AgentDeclaration,
    ) -> FabricResult<Outcome> {
        // The host may have begun to end since the type before.
        self.life.check_not_ending()?;
        self.has_places_for(force, name, origin, declaration)?;
        self.apply_one(&mut force.types, name, origin, declaration).await
    }

    async fn apply_one(
        &self,
        in_force: &mut BTreeMap<String, InForce>,
        name: &str,
        origin: AgentOrigin,
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
        // The declaration was changed without waiting for the trial. The lineage
        // records how the trial ended before it records what the declaration puts in
        // charge. Without a trial there is nothing to abort.
        let _ = self.genomes.abort_rollout(name, origin.change()).await;
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
        self.genomes.note_declared(name, origin, &chosen).await?;
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
