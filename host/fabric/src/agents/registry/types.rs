//! The types that tasks can name: registered, being started, or down.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use chimera_layer4_core::{AgentConfig, AgentId, FabricError, FabricResult};

use super::{AgentRegistry, Registry};
use crate::utils;

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
pub(crate) struct AgentType {
    pub(crate) source: AgentSource,
    pub(crate) config: AgentConfig,
    /// Held by the task that starts the first agent; the other first tasks wait for it.
    pub(crate) starting: Arc<tokio::sync::Mutex<()>>,
    /// Whether every host has it. Another of its name takes its place.
    pub(crate) is_built_in: bool,
}

impl AgentRegistry {
    pub(crate) fn register(&self, name: &str, agent_type: AgentType) {
        self.write().types.insert(name.to_owned(), agent_type);
    }

    /// Its agents stay; tasks of the type wait once they are gone.
    pub(crate) fn unregister(&self, name: &str) {
        let mut registry = self.write();
        registry.types.remove(name);
        registry.resting.remove(name);
    }

    pub(crate) fn registered(&self, name: &str) -> Option<AgentType> {
        self.read().types.get(name).cloned()
    }

    /// Registers a type that every host has, unless another of its name is there, being
    /// started or down.
    pub(crate) fn register_built_in(&self, name: &str, agent_type: AgentType) {
        self.write().built_in.insert(name.to_owned(), agent_type);
        self.restore_built_in(name);
    }

    /// A type that every host has is there again, unless another of its name is.
    pub(crate) fn restore_built_in(&self, name: &str) {
        let mut registry = self.write();
        if registry.is_type(name) {
            return;
        }
        if let Some(mut agent_type) = registry.built_in.get(name).cloned() {
            // Its agent of before may still end.
            agent_type.config.agent_id = utils::generate_agent_id();
            registry.types.insert(name.to_owned(), agent_type);
        }
    }

    /// Tasks may target these types soon: their first agents are being started.
    pub(crate) fn await_types(&self, names: impl IntoIterator<Item = String>) {
        self.write().awaited.extend(names);
    }

    /// Whether more types may come that are not known yet.
    pub(crate) fn note_loading(&self, is_loading: bool) {
        self.write().is_loading = is_loading;
    }

    /// A type's agents are up, or could not be started.
    pub(crate) fn not_awaited(&self, name: &str) {
        self.write().awaited.remove(name);
    }

    /// A declared type's agents did not start, and why; `None`: they did.
    pub(crate) fn note_down(&self, name: &str, reason: Option<String>) {
        let mut registry = self.write();
        match reason {
            Some(reason) => drop(registry.down.insert(name.to_owned(), reason)),
            None => drop(registry.down.remove(name)),
        }
    }

    /// The declared types whose agents did not start, each with the reason.
    pub(crate) fn down(&self) -> BTreeMap<String, String> {
        self.read().down.clone()
    }

    /// Whether a task may target the name.
    ///
    /// # Errors
    /// As [`unknown`](Self::unknown).
    pub(crate) fn must_know(&self, name: &str) -> FabricResult<()> {
        if self.knows(name) { Ok(()) } else { Err(self.unknown(name)) }
    }

    /// Why no task may target a name: `AgentTypeLoading`, `AgentTypeDown`, or
    /// `AgentTypeNotFound` with those that there are, those that are down, and the task types
    /// that agents support.
    pub(crate) fn unknown(&self, name: &str) -> FabricError {
        let agent_type = name.to_owned();
        let registry = self.read();
        if registry.awaited.contains(name) {
            return FabricError::AgentTypeLoading { agent_type };
        }
        if let Some(reason) = registry.down.get(name) {
            return FabricError::AgentTypeDown { agent_type, reason: reason.clone() };
        }
        if registry.is_loading {
            return FabricError::AgentTypeLoading { agent_type };
        }
        let down = registry.down.keys().cloned().collect();
        let mut known = registry.names();
        // What every host has is worth naming only where there is nothing else.
        if known.len() > 1 {
            known.retain(|name| !registry.types.get(name).is_some_and(|its| its.is_built_in));
        }
        let task_types = registry.task_types();
        FabricError::AgentTypeNotFound { agent_type, known, down, task_types }
    }

    /// Whether a task may target the name.
    pub(crate) fn knows(&self, name: &str) -> bool {
        let registry = self.read();
        registry.by_type.contains_key(name) || registry.types.contains_key(name)
    }

    /// The agents of a type, those on trial too, oldest first.
    pub(crate) fn ids_of(&self, name: &str) -> Vec<AgentId> {
        let registry = self.read();
        let of_type = registry.by_type.get(name).into_iter().flat_map(|of_type| of_type.all());
        let mut ids: Vec<AgentId> = of_type.map(|entry| entry.id()).collect();
        ids.sort();
        ids.dedup();
        ids
    }

    /// The names that a task may target.
    pub(crate) fn known_types(&self) -> Vec<String> {
        self.read().names()
    }
}

impl Registry {
    /// The names that a task may target, in order.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.by_type.keys().chain(self.types.keys()).cloned().collect();
        names.sort();
        names.dedup();
        names
    }
}
