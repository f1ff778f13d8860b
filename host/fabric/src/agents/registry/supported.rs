//! Task types that agents say they support: what a task may name in place of an agent type.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use chimera_layer4_core::TaskId;

use super::{AgentRegistry, Registry};

/// Of all task types that agents support, so many are shown where nothing fits.
const SHOWN: usize = 100;

impl AgentRegistry {
    /// Whether a task that names this means an agent type, also one that is being started
    /// or is down.
    pub(crate) fn is_type(&self, name: &str) -> bool {
        let registry = self.read();
        registry.is_type(name)
    }

    /// The task types that the agents of a type say they support, in order.
    pub(crate) fn supported_by(&self, name: &str) -> Vec<String> {
        let registry = self.read();
        let mut of_type = registry.supported().filter(|(its, _)| *its == name);
        of_type.next().map(|(_, all)| all.iter().cloned().collect()).unwrap_or_default()
    }
}

impl Registry {
    /// Whether the name is an agent type's.
    pub(super) fn is_type(&self, name: &str) -> bool {
        self.by_type.contains_key(name)
            || self.types.contains_key(name)
            || self.awaited.contains(name)
            || self.down.contains_key(name)
    }

    /// An agent type, none of `passed`, whose agents support a task type. Of several, a task
    /// goes to the same one each time as long as they are the same.
    pub(super) fn supporting(
        &self,
        task_type: &str,
        task: TaskId,
        passed: &[String],
    ) -> Option<String> {
        let each = self
            .supported()
            .filter(|(name, supported)| supported.contains(task_type) && !passed.contains(name));
        // Of each pair of a task and a type the weight is another, and the highest wins: a
        // type that comes or goes moves no task between the others.
        let weight = |name: &str| {
            let mut hasher = DefaultHasher::new();
            (task, name).hash(&mut hasher);
            hasher.finish()
        };
        each.map(|(name, _)| name).max_by_key(|name| weight(name)).cloned()
    }

    /// By agent type, of those that a task can be given to.
    fn supported(&self) -> impl Iterator<Item = (&String, &BTreeSet<String>)> {
        let running = self.by_type.iter().map(|(name, of_type)| (name, &of_type.supported));
        let resting = self.resting.iter().filter(|(name, _)| {
            self.types.contains_key(*name) && !self.by_type.contains_key(*name)
        });
        running.chain(resting)
    }

    /// The task types that agents support, in order, of all agent types together.
    pub(super) fn task_types(&self) -> Vec<String> {
        let all: BTreeSet<&String> = self.supported().flat_map(|(_, all)| all).collect();
        all.into_iter().take(SHOWN).cloned().collect()
    }
}
