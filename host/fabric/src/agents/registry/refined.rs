//! The refinements in force: what becomes of a task as it is submitted, and of the parameters
//! of an agent as it starts.

use std::collections::BTreeMap;
use std::sync::Arc;

use chimera_layer4_core::refinement::{
    Directory, Parameters, Refinement, RefinementEntry, RefinementSummary, admit, circle,
};
use chimera_layer4_core::{AgentConfig, Task, TaskId};
use chimera_layer4_stores::genomes::Standing;

use super::{AgentRegistry, Registry};

/// What the record of refinements says of an agent type.
#[derive(Default)]
pub(super) struct Refined {
    in_force: Option<Arc<RefinementEntry>>,
    /// Tasks that named it may have gone to another type.
    was_routed: bool,
}

impl AgentRegistry {
    /// What the record says as the host opens it.
    pub(crate) fn load_refinements(&self, record: Vec<Standing>) {
        let of_type = |Standing { agent_type, in_force, was_routed }| {
            (agent_type, Refined { in_force: in_force.map(Arc::new), was_routed })
        };
        self.write().refined = record.into_iter().map(of_type).collect();
    }

    /// From now on this counts for a type; `None`: none does.
    pub(crate) fn note_refinement(&self, name: &str, in_force: Option<Arc<RefinementEntry>>) {
        let mut registry = self.write();
        let refined = registry.refined.entry(name.to_owned()).or_default();
        let routes = in_force.as_ref().and_then(|entry| entry.refinement.as_ref());
        refined.was_routed |= routes.is_some_and(|refinement| refinement.route_to.is_some());
        refined.in_force = in_force;
    }

    /// The entry that counts for a type now.
    pub(crate) fn refinement(&self, name: &str) -> Option<Arc<RefinementEntry>> {
        self.read().refined.get(name)?.in_force.clone()
    }

    /// What counts for each type, in short.
    pub(crate) fn refinements(&self) -> BTreeMap<String, RefinementSummary> {
        let registry = self.read();
        let in_force = registry.refined.keys().filter_map(|name| {
            let (number, refinement) = registry.refinement(name)?;
            Some((name.clone(), RefinementSummary::of(number, refinement)))
        });
        in_force.collect()
    }

    /// Whether the record names a type.
    pub(crate) fn was_refined(&self, name: &str) -> bool {
        self.read().refined.contains_key(name)
    }

    /// Makes of a task what the refinements in force say, and gives it the agent type that it
    /// goes to.
    pub(crate) fn admit_task(&self, task: &mut Task) {
        let (id, registry) = (task.id, self.read());
        admit(task, &AsTask { id, registry: &registry });
    }

    /// Whether a task that named this may have gone to another agent type before.
    pub(crate) fn may_go_elsewhere(&self, name: &str) -> bool {
        let registry = self.read();
        !registry.is_type(name) || registry.refined.get(name).is_some_and(|one| one.was_routed)
    }

    /// Where tasks of a type would go if they were routed to `to`.
    ///
    /// # Errors
    /// They would come back: the way that they would take.
    pub(crate) fn route(&self, name: &str, to: &str) -> Result<String, Vec<String>> {
        let (id, registry) = (TaskId::from(uuid::Uuid::nil()), self.read());
        circle(name, to, &AsTask { id, registry: &registry })
    }

    /// The parameters that an agent of these settings gets; `None`: those of its settings.
    pub(crate) fn refined_parameters(&self, config: &AgentConfig) -> Option<Parameters> {
        let registry = self.read();
        let (_, refinement) = registry.refinement(&config.agent_type)?;
        (!refinement.parameters.is_empty()).then(|| refinement.parameters_over(&config.parameters))
    }
}

impl Registry {
    fn refinement(&self, name: &str) -> Option<(u64, &Refinement)> {
        let entry = self.refined.get(name)?.in_force.as_ref()?;
        Some((entry.number, entry.refinement.as_ref()?))
    }
}

/// The host as a task with this id finds it.
struct AsTask<'a> {
    id: TaskId,
    registry: &'a Registry,
}

impl Directory for AsTask<'_> {
    fn is_type(&self, name: &str) -> bool {
        self.registry.is_type(name)
    }

    fn refinement(&self, name: &str) -> Option<(u64, &Refinement)> {
        self.registry.refinement(name)
    }

    fn supporting(&self, task_type: &str, passed: &[String]) -> Option<String> {
        self.registry.supporting(task_type, self.id, passed)
    }
}
