//! The agents that run, and the types that tasks can name.

mod changes;
mod entry;
mod group;
mod refined;
mod supported;
mod types;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chimera_layer4_core::{AgentId, Digest, FabricError, FabricResult, ResourceQuota, Task};
use chimera_layer4_runtime::Agent;
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

pub(crate) use self::entry::{AgentEntry, AgentPermit, Turn};
use self::group::AgentGroup;
pub(crate) use self::group::TrafficSplit;
pub use self::types::AgentSource;
pub(crate) use self::types::AgentType;
use crate::scheduler::Capacity;

fn closed() -> FabricError {
    FabricError::NotRunning { state: "shut down" }
}

/// Every agent by its id, and by its type.
#[derive(Default)]
pub(crate) struct AgentRegistry(RwLock<Registry>);

#[derive(Default)]
struct Registry {
    by_id: HashMap<AgentId, Arc<AgentEntry>>,
    by_type: BTreeMap<String, AgentGroup>,
    types: BTreeMap<String, AgentType>,
    /// Types that every host has, also while another of the name takes their place.
    built_in: BTreeMap<String, AgentType>,
    /// Types that are declared, and whose first agents are being started.
    awaited: BTreeSet<String>,
    /// More types may come that are not known yet.
    is_loading: bool,
    /// Types that are declared, and whose agents did not start: why.
    down: BTreeMap<String, String>,
    /// What the last agents of registered types supported, of which none runs now.
    resting: BTreeMap<String, BTreeSet<String>>,
    /// What the record of refinements says, by the agent types that it names.
    refined: BTreeMap<String, refined::Refined>,
    /// Agents being spawned hold a place already.
    reserved: usize,
    /// Agents on trial, which do not count against `max_agents`.
    on_trial: usize,
    /// Shut down: nothing comes in any more.
    closed: bool,
}

/// A place under `max_agents`, given back unless an agent takes it.
pub(crate) struct AgentSlot<'a>(&'a AgentRegistry);

impl AgentRegistry {
    fn read(&self) -> RwLockReadGuard<'_, Registry> {
        self.0.read()
    }

    fn write(&self) -> RwLockWriteGuard<'_, Registry> {
        self.0.write()
    }

    /// Reserves a place for one more agent.
    pub(crate) fn reserve(&self, max_agents: usize) -> FabricResult<AgentSlot<'_>> {
        let mut registry = self.write();
        if registry.closed {
            return Err(closed());
        }
        if registry.places_taken() >= max_agents {
            return Err(FabricError::TooManyAgents { max_agents });
        }
        registry.reserved += 1;
        Ok(AgentSlot(self))
    }

    /// Puts an agent in the place reserved for it. A place that is given back takes
    /// the lock that is held here: as a parameter it is dropped after it.
    pub(crate) fn insert(
        &self,
        place: AgentSlot<'_>,
        agent: Agent,
    ) -> FabricResult<Arc<AgentEntry>> {
        let id = agent.config().agent_id;
        let mut registry = self.write();
        if registry.closed {
            return Err(closed());
        }
        if registry.by_id.contains_key(&id) {
            return Err(FabricError::InvalidRequest(vec![format!(
                "agent_id {id} is taken; `utils::generate_agent_id()` makes a new one"
            )]));
        }
        // Its type's quota may have changed while the first agent of it started.
        match registry.types.get(&agent.config().agent_type) {
            Some(registered) if registered.config.agent_id == id => {
                agent.set_quota(registered.config.resource_quota.clone())?;
            }
            _ => {}
        }
        let entry = registry.enter(agent);
        let name = entry.agent.config().agent_type.clone();
        registry.of_type(&name).push(Arc::clone(&entry));
        // Under the lock the place turns into the agent, so no reader counts both.
        registry.reserved -= 1;
        std::mem::forget(place);
        Ok(entry)
    }

    /// Gives one agent another quota; `None`: there is no such agent.
    ///
    /// # Errors
    /// `InvalidRequest` when the quota is out of range.
    pub(crate) fn allocate_to(
        &self,
        id: AgentId,
        quota: &ResourceQuota,
    ) -> FabricResult<Option<()>> {
        // Under the lock, so that a successor which takes its place has it too.
        let registry = self.write();
        registry.by_id.get(&id).map(|entry| entry.agent.set_quota(quota.clone())).transpose()
    }

    /// Gives the agents of a type another quota, and those that its
    /// registration starts later. How many run; `None`: there is no such type.
    ///
    /// # Errors
    /// `InvalidRequest` when the quota is out of range.
    pub(crate) fn allocate(
        &self,
        name: &str,
        quota: &ResourceQuota,
    ) -> FabricResult<Option<usize>> {
        // Under one lock, so that an agent which starts meanwhile is in either part.
        let registry = &mut *self.write();
        let (running, registered) = (registry.by_type.get(name), registry.types.get_mut(name));
        if running.is_none() && registered.is_none() {
            return Ok(None);
        }
        let mut given = 0;
        for entry in running.iter().flat_map(|of_type| of_type.all()) {
            entry.agent.set_quota(quota.clone())?;
            given += 1;
        }
        if let Some(registered) = registered {
            registered.config.resource_quota = quota.clone();
        }
        Ok(Some(given))
    }

    pub(crate) fn get(&self, id: AgentId) -> Option<Arc<AgentEntry>> {
        self.read().by_id.get(&id).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<AgentEntry>> {
        let mut all: Vec<_> = self.read().by_id.values().cloned().collect();
        all.sort_by_key(|entry| entry.id());
        all
    }

    /// Takes one agent out of the registry; the caller shuts it down.
    pub(crate) fn take(&self, id: AgentId) -> Option<Arc<AgentEntry>> {
        self.write().remove(id)
    }

    /// Closes the registry and returns its agents; the caller shuts them down.
    pub(crate) fn take_all(&self) -> Vec<Arc<AgentEntry>> {
        let mut registry = self.write();
        registry.closed = true;
        registry.by_type.clear();
        registry.by_id.drain().map(|(_, entry)| entry).collect()
    }

    pub(crate) fn count(&self) -> usize {
        self.read().by_id.len()
    }

    /// Whether an agent of the type runs.
    pub(crate) fn runs(&self, name: &str) -> bool {
        self.read().by_type.contains_key(name)
    }

    /// The genome of a type's agents, where all run the same.
    pub(crate) fn genome_of(&self, name: &str) -> Option<Digest> {
        self.read().by_type.get(name)?.genome
    }

    /// The runs that each type can take at once. A registered type without an
    /// agent takes one, which starts the first.
    pub(crate) fn capacity(&self, max_agents: usize) -> Vec<Capacity> {
        let registry = self.read();
        let up = registry.by_type.values().map(|of_type| Capacity {
            agent_type: Arc::clone(&of_type.name),
            slots: of_type.room,
            genome: of_type.genome,
            arms: Arc::clone(&of_type.arms),
        });
        let is_idle = |(name, _): &(&String, &AgentType)| !registry.by_type.contains_key(*name);
        let (built_in, own): (Vec<_>, Vec<_>) =
            registry.types.iter().filter(is_idle).partition(|(_, its)| its.is_built_in);
        // What every host has comes last: there may be a place for one more agent.
        let idle = own.into_iter().chain(built_in).map(|(name, _)| Capacity {
            agent_type: name.as_str().into(),
            slots: 1,
            genome: None,
            arms: Arc::default(),
        });
        // Without a place for another agent their tasks wait.
        let places = max_agents.saturating_sub(registry.places_taken());
        // After the end nothing is started any more.
        if registry.closed { Vec::new() } else { up.chain(idle.take(places)).collect() }
    }

    /// Nothing comes in any more; those that are there stay until they are taken.
    pub(crate) fn close(&self) {
        self.write().closed = true;
    }

    /// The genomes that may run a task of a type, the one that is meant for it
    /// first. One that is given may be meant for a genome on trial.
    pub(crate) fn meant_for(&self, name: &str, task: Option<&Task>) -> Vec<Digest> {
        let registry = self.read();
        registry.by_type.get(name).map_or_else(Vec::new, |of_type| of_type.meant_for(task))
    }

    /// Puts a task in the hands of the least busy agent of a type, of those that
    /// run a genome if it is named; `None`: no agent of the type runs. One that
    /// is given may go to a genome on trial.
    pub(crate) fn admit(
        &self,
        name: &str,
        task: Option<&Task>,
        on: Option<Digest>,
        capacity: usize,
    ) -> Option<FabricResult<AgentPermit>> {
        let registry = self.read();
        let of_type = registry.by_type.get(name)?;
        let taker = of_type.taker(task, on)?;
        // Counted first and taken back, since others are admitted meanwhile.
        let in_flight = of_type.in_flight.fetch_add(1, Ordering::Relaxed);
        if in_flight >= of_type.room.saturating_add(capacity) {
            of_type.in_flight.fetch_sub(1, Ordering::Relaxed);
            let (agent_type, retry_after) = (name.to_owned(), Duration::from_secs(1));
            return Some(Err(FabricError::QueueFull { agent_type, capacity, retry_after }));
        }
        Some(Ok(taker.begin_task()))
    }
}

impl Registry {
    /// Under `max_agents`.
    fn places_taken(&self) -> usize {
        self.by_id.len().saturating_sub(self.on_trial) + self.reserved
    }

    fn of_type(&mut self, name: &str) -> &mut AgentGroup {
        self.by_type.entry(name.to_owned()).or_insert_with(|| AgentGroup::named(name))
    }

    /// Enters an agent under its id, and replaces one that has the same id.
    fn enter(&mut self, agent: Agent) -> Arc<AgentEntry> {
        let in_flight = Arc::clone(&self.of_type(&agent.config().agent_type).in_flight);
        let entry = Arc::new(AgentEntry::new(agent, in_flight));
        self.by_id.insert(entry.id(), Arc::clone(&entry));
        entry
    }

    fn remove(&mut self, id: AgentId) -> Option<Arc<AgentEntry>> {
        let entry = self.by_id.remove(&id)?;
        let name = &entry.agent.config().agent_type;
        if let Some(of_type) = self.by_type.get_mut(name) {
            let on_trial = !of_type.agents().iter().any(|other| other.id() == id);
            self.on_trial -= usize::from(on_trial);
            let supported = std::mem::take(&mut of_type.supported);
            of_type.remove(id);
            if of_type.is_empty() {
                self.by_type.remove(name);
                if self.types.contains_key(name) {
                    self.resting.insert(name.clone(), supported);
                }
            }
        }
        Some(entry)
    }
}

impl Drop for AgentSlot<'_> {
    fn drop(&mut self) {
        self.0.write().reserved -= 1;
    }
}
