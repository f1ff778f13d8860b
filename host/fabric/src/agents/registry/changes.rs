//! One genome in the place of another.
//!
//! Each change is made under the registry's lock and waits for nothing, so no task
//! sees half of it: it is put in the hands of an agent from before or of one
//! from after, and stays there.

use std::sync::Arc;

use chimera_layer4_core::{FabricError, FabricResult};
use chimera_layer4_runtime::Agent;

use super::{AgentEntry, AgentRegistry, AgentSource, Registry, TrafficSplit, closed};

/// Who has come with a change, and who has to be ended after it.
#[derive(Default)]
pub(crate) struct Retired {
    /// Agents that were replaced; their running tasks finish.
    pub(crate) replaced: Vec<Arc<AgentEntry>>,
    /// Those that took over from them.
    pub(crate) entered: Vec<Arc<AgentEntry>>,
    /// They were to take over from agents that had gone meanwhile.
    pub(crate) unwanted: Vec<Agent>,
}

impl AgentRegistry {
    /// Those of a type that are in charge.
    pub(crate) fn in_charge(&self, name: &str) -> Vec<Arc<AgentEntry>> {
        self.read().by_type.get(name).map_or_else(Vec::new, |of_type| of_type.agents().to_vec())
    }

    /// Lets each of these take over from the agent whose id it has.
    ///
    /// # Errors
    /// `NotRunning` after the end; nothing has changed then.
    pub(crate) fn take_over(&self, agents: Vec<Agent>) -> FabricResult<Retired> {
        let mut registry = self.write();
        if registry.closed {
            return Err(closed());
        }
        let mut left = Retired::default();
        for agent in agents {
            let Some(old) = registry.by_id.get(&agent.config().agent_id) else {
                left.unwanted.push(agent);
                continue;
            };
            // It may have been changed while the successor was made.
            agent.set_quota(old.agent.quota())?;
            let name = agent.config().agent_type.clone();
            let entry = registry.enter(agent);
            left.entered.push(Arc::clone(&entry));
            left.replaced.extend(registry.of_type(&name).replace(entry));
        }
        Ok(left)
    }

    /// Gives candidates and their control shares of their type's tasks, as
    /// `split` says. They do not count against `max_agents`. The answer is all of them.
    ///
    /// # Errors
    /// `NotRunning` after the end; `RolloutConflict` where no agent is in charge. The
    /// caller has them back then.
    pub(crate) fn put_on_trial(
        &self,
        name: &str,
        candidates: Vec<Agent>,
        control: Vec<Agent>,
        split: TrafficSplit,
    ) -> Result<Vec<Arc<AgentEntry>>, (FabricError, Vec<Agent>)> {
        let mut registry = self.write();
        let ready = registry.ready_for_trial(name, candidates.iter().chain(&control));
        if let Err(error) = ready {
            return Err((error, candidates.into_iter().chain(control).collect()));
        }
        registry.on_trial += candidates.len() + control.len();
        let [candidates, control] = [candidates, control].map(|agents| {
            agents.into_iter().map(|agent| registry.enter(agent)).collect::<Vec<_>>()
        });
        let entered = candidates.iter().chain(&control).cloned().collect();
        registry.of_type(name).put_on_trial(candidates, control, split);
        Ok(entered)
    }

    /// Gives all tasks to the agents in charge. Returns those that were on
    /// trial; the caller ends them.
    pub(crate) fn end_trial(&self, name: &str) -> Vec<Arc<AgentEntry>> {
        let mut registry = self.write();
        let Some(of_type) = registry.by_type.get_mut(name) else { return Vec::new() };
        let ended = of_type.end_trial();
        if of_type.is_empty() {
            registry.by_type.remove(name);
        }
        registry.on_trial -= ended.len();
        for entry in &ended {
            registry.by_id.remove(&entry.id());
        }
        ended
    }

    /// What a registered type's agents are made of when a task starts one.
    pub(crate) fn set_source(&self, name: &str, source: AgentSource) {
        if let Some(registered) = self.write().types.get_mut(name) {
            registered.source = source;
        }
    }
}

impl Registry {
    /// Gives agents that are to be put on trial the quota of those in charge: they were made
    /// with it, and it may have been changed meanwhile.
    fn ready_for_trial<'a>(
        &self,
        name: &str,
        mut agents: impl Iterator<Item = &'a Agent>,
    ) -> FabricResult<()> {
        if self.closed {
            return Err(closed());
        }
        let in_charge = self.by_type.get(name).and_then(|of_type| of_type.agents().first());
        let Some(like) = in_charge else {
            let message = format!("no agent of {name:?} is in charge any more");
            return Err(FabricError::RolloutConflict(message));
        };
        let quota = like.agent.quota();
        agents.try_for_each(|agent| agent.set_quota(quota.clone()))
    }
}
