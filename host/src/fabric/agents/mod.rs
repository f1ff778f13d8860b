//! The agents that run, and the types that tasks can name.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use chimera_layer4_core::quota::MEBIBYTE;
use chimera_layer4_core::{
    AgentConfig, AgentHealth, AgentId, Digest, HealthStatus, Layer4Error, Layer4Result,
    ResourceQuota,
};
use chimera_layer4_runtime::Agent;

use super::status::ActiveAgent;
use crate::scheduler::Capacity;

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
    /// Held by whoever starts the first agent; the other first tasks wait for it.
    pub(super) starting: Arc<tokio::sync::Mutex<()>>,
}

/// One agent with what the fabric knows of it.
pub(super) struct Entry {
    pub(super) agent: Agent,
    in_hand: AtomicUsize,
    /// Tasks in hand over all agents of the type.
    of_type: Arc<AtomicUsize>,
    health: Mutex<AgentHealth>,
    being_asked: AtomicBool,
}

/// The turn to ask an agent for its health, given back when it is dropped.
pub(super) struct Turn(pub(super) Arc<Entry>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.being_asked.store(false, Ordering::Release);
    }
}

/// A task in hand: counted until it is dropped.
pub(super) struct InHand(pub(super) Arc<Entry>);

impl Entry {
    fn new(agent: Agent, of_type: Arc<AtomicUsize>) -> Self {
        let health = Mutex::new(AgentHealth { status: HealthStatus::Healthy, message: None });
        let in_hand = AtomicUsize::new(0);
        Self { agent, in_hand, of_type, health, being_asked: AtomicBool::new(false) }
    }

    /// `None` while somebody else is asking.
    pub(super) fn turn_to_ask(self: &Arc<Self>) -> Option<Turn> {
        let taken = self.being_asked.swap(true, Ordering::AcqRel);
        (!taken).then(|| Turn(Arc::clone(self)))
    }

    fn room(&self) -> usize {
        self.agent.capabilities().max_concurrent_tasks as usize
    }

    fn take_in_hand(self: &Arc<Self>) -> InHand {
        self.in_hand.fetch_add(1, Ordering::Relaxed);
        InHand(Arc::clone(self))
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
            paused_seconds: totals.paused.as_secs_f64(),
            memory_mb: totals.memory as f64 / MEBIBYTE as f64,
        }
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        self.0.in_hand.fetch_sub(1, Ordering::Relaxed);
        self.0.of_type.fetch_sub(1, Ordering::Relaxed);
    }
}

fn closed() -> Layer4Error {
    Layer4Error::NotRunning { state: "shut down" }
}

/// Every agent by its id, and by its type.
#[derive(Default)]
pub(super) struct Agents(RwLock<Book>);

#[derive(Default)]
struct Book {
    by_id: HashMap<AgentId, Arc<Entry>>,
    by_type: BTreeMap<String, OfType>,
    types: BTreeMap<String, AgentType>,
    /// Agents being spawned hold a place already.
    reserved: usize,
    /// Shut down: nothing comes in any more.
    closed: bool,
}

/// The agents of one type. Their sums are kept, since each task asks for them.
#[derive(Default)]
struct OfType {
    agents: Vec<Arc<Entry>>,
    in_hand: Arc<AtomicUsize>,
    /// Tasks that may run at once, over all of them.
    room: usize,
    /// The type's name, shared with whoever asks.
    name: Arc<str>,
    /// The genome, where all of them run the same.
    genome: Option<Digest>,
}

impl OfType {
    fn note_genome(&mut self) {
        let digest = |entry: &Arc<Entry>| entry.agent.genome().digest();
        let first = self.agents.first().map(digest);
        self.genome = first.filter(|first| self.agents.iter().all(|e| digest(e) == *first));
    }

    /// One with nothing in hand if there is one, else the least busy.
    fn least_busy(&self) -> Option<&Arc<Entry>> {
        let idle = self.agents.iter().find(|entry| entry.in_hand() == 0);
        idle.or_else(|| self.agents.iter().min_by_key(|entry| entry.in_hand()))
    }
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
        if book.closed {
            return Err(closed());
        }
        if book.by_id.len() + book.reserved >= max_agents {
            return Err(Layer4Error::TooManyAgents { max_agents });
        }
        book.reserved += 1;
        Ok(Place(self))
    }

    /// Puts an agent in the place reserved for it.
    pub(super) fn insert(&self, place: Place<'_>, agent: Agent) -> Layer4Result<Arc<Entry>> {
        let id = agent.config().agent_id;
        let mut book = self.write();
        if book.closed {
            return Err(closed());
        }
        if book.by_id.contains_key(&id) {
            return Err(Layer4Error::InvalidRequest(vec![format!(
                "agent_id {id} is taken; `utils::generate_agent_id()` makes a new one"
            )]));
        }
        // Its type's quota may have changed while the first agent of it started.
        match book.types.get(&agent.config().agent_type) {
            Some(registered) if registered.config.agent_id == id => {
                agent.set_quota(registered.config.resource_quota.clone())?;
            }
            _ => {}
        }
        let of_type = book.by_type.entry(agent.config().agent_type.clone()).or_default();
        let entry = Arc::new(Entry::new(agent, Arc::clone(&of_type.in_hand)));
        of_type.room += entry.room();
        // Compared with what all the others run, which is known already.
        let genome = entry.agent.genome().digest();
        let same = of_type.agents.is_empty() || of_type.genome == Some(genome);
        of_type.genome = same.then_some(genome);
        of_type.name = entry.agent.config().agent_type.as_str().into();
        of_type.agents.push(Arc::clone(&entry));
        book.by_id.insert(id, Arc::clone(&entry));
        // Under the lock the place turns into the agent, so nobody sees both.
        book.reserved -= 1;
        std::mem::forget(place);
        Ok(entry)
    }

    pub(super) fn register(&self, name: &str, agent_type: AgentType) {
        self.write().types.insert(name.to_owned(), agent_type);
    }

    /// Its agents stay; tasks of the type wait once they are gone.
    pub(super) fn unregister(&self, name: &str) {
        self.write().types.remove(name);
    }

    pub(super) fn registered(&self, name: &str) -> Option<AgentType> {
        self.read().types.get(name).cloned()
    }

    /// Gives the agents of a type another quota, and those that its
    /// registration starts later. How many run; `None`: there is no such type.
    ///
    /// # Errors
    /// `InvalidRequest` when the quota is out of range.
    pub(super) fn allocate(
        &self,
        name: &str,
        quota: &ResourceQuota,
    ) -> Layer4Result<Option<usize>> {
        // Under one lock, so that an agent which starts meanwhile is in either part.
        let book = &mut *self.write();
        let (running, registered) = (book.by_type.get(name), book.types.get_mut(name));
        if running.is_none() && registered.is_none() {
            return Ok(None);
        }
        let running = running.map_or(&[][..], |of_type| &of_type.agents);
        for entry in running {
            entry.agent.set_quota(quota.clone())?;
        }
        if let Some(registered) = registered {
            registered.config.resource_quota = quota.clone();
        }
        Ok(Some(running.len()))
    }

    pub(super) fn get(&self, id: AgentId) -> Option<Arc<Entry>> {
        self.read().by_id.get(&id).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Entry>> {
        let mut all: Vec<_> = self.read().by_id.values().cloned().collect();
        all.sort_by_key(|entry| entry.id());
        all
    }

    /// Takes one agent out of the book; whoever takes it shuts it down.
    pub(super) fn take(&self, id: AgentId) -> Option<Arc<Entry>> {
        let mut book = self.write();
        let entry = book.by_id.remove(&id)?;
        let name = &entry.agent.config().agent_type;
        if let Some(of_type) = book.by_type.get_mut(name) {
            of_type.agents.retain(|other| other.id() != id);
            of_type.room -= entry.room();
            of_type.note_genome();
            if of_type.agents.is_empty() {
                book.by_type.remove(name);
            }
        }
        Some(entry)
    }

    /// Ends with no agents; whoever takes them shuts them down.
    pub(super) fn take_all(&self) -> Vec<Arc<Entry>> {
        let mut book = self.write();
        book.closed = true;
        book.by_type.clear();
        book.by_id.drain().map(|(_, entry)| entry).collect()
    }

    pub(super) fn count(&self) -> usize {
        self.read().by_id.len()
    }

    /// Whether an agent of the type runs.
    pub(super) fn runs(&self, name: &str) -> bool {
        self.read().by_type.contains_key(name)
    }

    /// The genome of a type's agents, where all run the same.
    pub(super) fn genome_of(&self, name: &str) -> Option<Digest> {
        self.read().by_type.get(name)?.genome
    }

    /// The runs that each type can take at once. A registered type without an
    /// agent takes one, which starts the first.
    pub(super) fn capacity(&self, max_agents: usize) -> Vec<Capacity> {
        let book = self.read();
        let up = book.by_type.values().map(|of_type| Capacity {
            agent_type: Arc::clone(&of_type.name),
            slots: of_type.room,
            genome: of_type.genome,
        });
        let idle = book.types.keys().filter(|name| !book.by_type.contains_key(*name));
        let idle =
            idle.map(|name| Capacity { agent_type: name.as_str().into(), slots: 1, genome: None });
        // Without a place for another agent their tasks wait.
        let places = max_agents.saturating_sub(book.by_id.len() + book.reserved);
        // After the end nothing is started any more.
        if book.closed { Vec::new() } else { up.chain(idle.take(places)).collect() }
    }

    /// Whether a task may target the name.
    pub(super) fn knows(&self, name: &str) -> bool {
        let book = self.read();
        book.by_type.contains_key(name) || book.types.contains_key(name)
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
        let of_type = book.by_type.get(name)?;
        let least_busy = of_type.least_busy()?;
        // Counted first and taken back, since others are admitted meanwhile.
        let in_hand = of_type.in_hand.fetch_add(1, Ordering::Relaxed);
        if in_hand >= of_type.room.saturating_add(capacity) {
            of_type.in_hand.fetch_sub(1, Ordering::Relaxed);
            let (agent_type, retry_after) = (name.to_owned(), Duration::from_secs(1));
            return Some(Err(Layer4Error::QueueFull { agent_type, capacity, retry_after }));
        }
        Some(Ok(least_busy.take_in_hand()))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.write().reserved -= 1;
    }
}
