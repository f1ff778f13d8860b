//! Agents as the configuration file declares them, at the start and when it changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use chimera_layer4_core::config::AgentDeclaration;
use chimera_layer4_core::{AgentId, Digest, Layer4Error, Layer4Result};
use chimera_layer4_runtime::Genome;

use super::agents::{AgentSource, AgentType};
use super::{Layer4Fabric, end, read_component};
use crate::utils;

/// What is in force of the declarations.
#[derive(Default)]
pub(super) struct Declared(tokio::sync::Mutex<BTreeMap<String, InForce>>);

struct InForce {
    declaration: AgentDeclaration,
    genome: Digest,
    agents: Vec<AgentId>,
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
    /// New agents took over; tasks in hand finished in the old ones.
    Replaced,
    /// It is gone; tasks of the type wait until it is back.
    Removed,
    /// It is as it was before.
    Failed(Layer4Error),
}

impl Outcome {
    /// In one word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Started => "started",
            Outcome::Unchanged => "unchanged",
            Outcome::Replaced => "replaced",
            Outcome::Removed => "removed",
            Outcome::Failed(_) => "failed",
        }
    }
}

impl Layer4Fabric {
    /// Makes agents what `declared` says: starts those that are new, replaces
    /// those that are declared otherwise now or whose component's bytes have
    /// changed, ends those that are gone. No task is dropped. What fails leaves
    /// the agents of its type as they were.
    ///
    /// `told` hears of each type before it is begun.
    pub async fn apply_agents(
        &self,
        declared: &BTreeMap<String, AgentDeclaration>,
        told: impl Fn(&str),
    ) -> Vec<Applied> {
        // One change at a time.
        let mut in_force = self.declared.0.lock().await;
        let mut applied = Vec::new();
        let gone: Vec<String> =
            in_force.keys().filter(|name| !declared.contains_key(*name)).cloned().collect();
        for name in gone {
            told(&name);
            self.crew.agents.unregister(&name);
            let old = in_force.remove(&name).map_or_else(Vec::new, |old| old.agents);
            self.retire(old).await;
            applied.push(Applied { name, outcome: Outcome::Removed });
        }
        for (name, declaration) in declared {
            told(name);
            let outcome = self.apply_one(&mut in_force, name, declaration).await;
            let outcome = outcome.unwrap_or_else(Outcome::Failed);
            applied.push(Applied { name: name.clone(), outcome });
        }
        applied
    }

    async fn apply_one(
        &self,
        in_force: &mut BTreeMap<String, InForce>,
        name: &str,
        declaration: &AgentDeclaration,
    ) -> Layer4Result<Outcome> {
        let most = self.config.max_component_bytes();
        let bytes = read_component(&declaration.component, most).await?;
        let genome = Digest::of(&bytes);
        if let Some(old) = in_force.get(name)
            && old.genome == genome
            && old.declaration == *declaration
        {
            return Ok(Outcome::Unchanged);
        }
        // Compiled, and its first agent started, before anything is changed.
        let loaded = self.crew.load(&bytes).await?;
        let mut old = in_force.get(name).map_or_else(Vec::new, |old| old.agents.clone());
        let mut agents = match self.start_declared(name, declaration, &loaded, &mut old).await {
            Ok(agents) => agents,
            Err((begun, error)) => {
                self.retire(begun).await;
                if let Some(in_force) = in_force.get_mut(name) {
                    in_force.agents = old;
                }
                return Err(error);
            }
        };
        let config = declaration.config(name, utils::generate_agent_id(), self.default_quota());
        // The one that a task starts, should none of the others run.
        agents.push(config.agent_id);
        let source = AgentSource::Bytes(bytes.into());
        self.crew.agents.register(name, AgentType { source, config, starting: Arc::default() });
        self.capacity_changed();
        let replaced = in_force.contains_key(name);
        self.retire(old).await;
        let now = InForce { declaration: declaration.clone(), genome, agents };
        in_force.insert(name.to_owned(), now);
        Ok(if replaced { Outcome::Replaced } else { Outcome::Started })
    }

    /// Starts the declared number of agents. Where `max_agents` is reached, an
    /// old one goes first for each new one.
    async fn start_declared(
        &self,
        name: &str,
        declaration: &AgentDeclaration,
        genome: &Arc<Genome>,
        old: &mut Vec<AgentId>,
    ) -> Result<Vec<AgentId>, (Vec<AgentId>, Layer4Error)> {
        let mut begun = Vec::new();
        for _ in 0..declaration.instances {
            let id = utils::generate_agent_id();
            let config = declaration.config(name, id, self.default_quota());
            let mut started = self.spawn_entry(Arc::clone(genome), config.clone()).await;
            while matches!(started, Err(Layer4Error::TooManyAgents { .. }))
                && let Some(one) = old.pop()
            {
                self.retire(vec![one]).await;
                started = self.spawn_entry(Arc::clone(genome), config.clone()).await;
            }
            match started {
                Ok(_) => begun.push(id),
                Err(error) => return Err((begun, error)),
            }
        }
        Ok(begun)
    }

    /// Ends agents; what they have in hand finishes, what waits for them goes
    /// back to the queue.
    async fn retire(&self, agents: Vec<AgentId>) {
        for id in agents {
            // Somebody else may have ended it already.
            let Some(entry) = self.crew.agents.take(id) else { continue };
            self.watch.ended(&entry);
            if let Err(error) = end(&entry, self.config.agent_timeout()).await {
                tracing::warn!(agent = %id, %error, "an agent did not end in good order");
            }
        }
        self.capacity_changed();
    }
}
