//! The agents that run, and the types that tasks can name.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use chimera_layer4_core::{
    AgentConfig, AgentHealth, AgentId, HealthStatus, Layer4Error, Layer4Result,
};
use chimera_layer4_runtime::Agent;

use super::status::ActiveAgent;

/// Where the component of a registered type comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentSource {
    /// The component's bytes.
    Bytes(Arc<[u8]>),
    /// A file, read when the type's first task comes.
    File(PathBuf),
}

/// A type that tasks can name before an agent of it runs.
#[derive(Clone, Debug)]
pub(super) struct AgentType {
    pub(super) source: AgentSource,
    pub(super) config: AgentConfig,
}

/// One agent with what the fabric knows of it.
pub(super) struct Entry {
    pub(super) agent: Agent,
    in_hand: AtomicUsize,
    health: Mutex<AgentHealth>,
}

/// A task in hand: counted until it is dropped.
pub(super) struct InHand(pub(super) Arc<Entry>);

impl Entry {
    pub(super) fn new(agent: Agent) -> Self {
        let health = Mutex::new(AgentHealth { status: HealthStatus::Healthy, message: None });
        Self { agent, in_hand: AtomicUsize::new(0), health }
    }

    pub(super) fn id(&self) -> AgentId {
        self.agent.config().agent_id
    }

    pub(super) fn in_hand(&self) -> usize {
        self.in_hand.load(Ordering::Relaxed)
    }

    pub(super) fn health(&self) -> AgentHealth {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_health(&self, health: AgentHealth) {
        *self.health.lock().unwrap_or_else(PoisonError::into_inner) = health;
    }

    pub(super) fn describe(&self) -> ActiveAgent {
        let totals = self.agent.totals();
        ActiveAgent {
            agent_id: self.id(),
            agent_type: self.agent.config().agent_type.clone(),
            genome: self.agent.genome().digest(),
            capabilities: self.agent.capabilities().clone(),
            health: self.health(),
            tasks_in_hand: self.in_hand(),
            tasks_done: totals.tasks,
            faults: totals.faults,
            restarts: totals.restarts,
            cpu_seconds: totals.cpu.as_secs_f64(),
        }
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        self.0.in_hand.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Every agent by its id, and by its type.
#[derive(Default)]
pub(super) struct Agents(RwLock<Book>);

#[derive(Default)]
struct Book {
    by_id: HashMap<AgentId, Arc<Entry>>,
    by_type: BTreeMap<String, Vec<Arc<Entry>>>,
    types: BTreeMap<String, AgentType>,
    /// Agents being spawned hold a place already.
    reserved: usize,
}

/// A place under `max_agents`, given back unless an agent takes it.
pub(super) struct Place<'a>(&'a Agents);

impl Agents {
    fn read(&self) -> RwLockReadGuard<'_, Book> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Book> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reserves a place for one more agent.
    pub(super) fn reserve(&self, max_agents: usize) -> Layer4Result<Place<'_>> {
        let mut book = self.write();
        if book.by_id.len() + book.reserved >= max_agents {
            return Err(Layer4Error::TooManyAgents { max_agents });
        }
        book.reserved += 1;
        Ok(Place(self))
    }

    /// Puts an agent in the place reserved for it.
    pub(super) fn insert(&self, _place: Place<'_>, agent: Agent) -> Layer4Result<Arc<Entry>> {
        let entry = Arc::new(Entry::new(agent));
        let mut book = self.write();
        let id = entry.id();
        if book.by_id.contains_key(&id) {
            drop(book); // The place is given back under the same lock.
            return Err(Layer4Error::InvalidRequest(vec![format!(
                "agent_id {id} is taken; `utils::generate_agent_id()` makes a new one"
            )]));
        }
        book.by_id.insert(id, Arc::clone(&entry));
        let kind = entry.agent.config().agent_type.clone();
        book.by_type.entry(kind).or_default().push(Arc::clone(&entry));
        drop(book);
        Ok(entry)
    }

    pub(super) fn register(&self, name: &str, agent_type: AgentType) {
        self.write().types.insert(name.to_owned(), agent_type);
    }

    pub(super) fn registered(&self, name: &str) -> Option<AgentType> {
        self.read().types.get(name).cloned()
    }

    pub(super) fn get(&self, id: AgentId) -> Option<Arc<Entry>> {
        self.read().by_id.get(&id).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Entry>> {
        let mut all: Vec<_> = self.read().by_id.values().cloned().collect();
        all.sort_by_key(|entry| entry.id());
        all
    }

    /// Ends with no agents; whoever takes them shuts them down.
    pub(super) fn take_all(&self) -> Vec<Arc<Entry>> {
        let mut book = self.write();
        book.by_type.clear();
        book.by_id.drain().map(|(_, entry)| entry).collect()
    }

    pub(super) fn count(&self) -> usize {
        self.read().by_id.len()
    }

    /// The names that a task may target.
    pub(super) fn known_types(&self) -> Vec<String> {
        let book = self.read();
        let mut names: Vec<_> = book.by_type.keys().chain(book.types.keys()).cloned().collect();
        names.sort();
        names.dedup();
        names
    }

    /// Puts a task in the hands of the least busy agent of a type; `None`:
    /// no agent of the type runs.
    pub(super) fn admit(&self, name: &str, capacity: usize) -> Option<Layer4Result<InHand>> {
        let book = self.read();
        let entries = book.by_type.get(name)?;
        let least = entries.iter().min_by_key(|entry| entry.in_hand())?;
        let room = |entry: &Entry| entry.agent.capabilities().max_concurrent_tasks as usize;
        let in_hand: usize = entries.iter().map(|entry| entry.in_hand()).sum();
        let running: usize = entries.iter().map(|entry| room(entry)).sum();
        if in_hand >= running.saturating_add(capacity) {
            return Some(Err(Layer4Error::QueueFull { agent_type: name.to_owned(), capacity }));
        }
        least.in_hand.fetch_add(1, Ordering::Relaxed);
        Some(Ok(InHand(Arc::clone(least))))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.write().reserved -= 1;
    }
}
