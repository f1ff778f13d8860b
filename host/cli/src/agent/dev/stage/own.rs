//! A host of this command's own, which keeps nothing but compiled code.

use std::time::Duration;

use chimera_layer4_core::genome::lineage::Retention;
use chimera_layer4_core::{AgentConfig, AgentId, Digest, FabricConfig, InstancePolicy, JsonText};

use super::{Put, Ran};
use crate::agent::dev::failed::Failed;
use crate::args::agent::DevArgs;
use crate::component::Component;
use crate::exit::despite_agents;
use crate::genome::backend::new_genome;
use crate::task;
use chimera_layer4_fabric::{Fabric, NewGenome};

/// A version of a minute ago is of no use any more.
const NOTHING_OLD: Retention = Retention { ancestors: 0, quiet_for: Duration::ZERO };

pub(in crate::agent::dev) struct Own {
    fabric: Fabric,
    agent: AgentConfig,
    running: Option<Running>,
}

struct Running {
    agent: AgentId,
    genome: Digest,
}

impl Own {
    pub(super) async fn open(config: FabricConfig, args: &DevArgs) -> anyhow::Result<Self> {
        let quota = task::quota(&config.default_resource_quota, &args.quota)?;
        let agent = task::agent("agent", quota, &args.grants, InstancePolicy::default())?;
        let fabric = Fabric::new(config)?;
        fabric.start().await?;
        Ok(Self { fabric, agent, running: None })
    }

    pub(super) fn running(&self) -> Option<Digest> {
        self.running.as_ref().map(|running| running.genome)
    }

    pub(super) async fn put(&mut self, component: Component) -> Result<Put, Failed> {
        let loaded = self.fabric.agents().load(&component.bytes).await.map_err(failed("check"))?;
        let genome = loaded.digest();
        let Some(running) = &mut self.running else {
            self.agent.agent_type = component.name;
            let spawned = self.fabric.agents().spawn_genome(loaded, self.agent.clone()).await;
            let agent = spawned.map_err(failed("start"))?;
            self.running = Some(Running { agent, genome });
            return Ok(Put::Started { genome });
        };
        if running.genome == genome {
            return Ok(Put::Unchanged { genome });
        }
        // Its author may import what they like; what it is granted is typed.
        let allow = loaded.inspection().imports.iter().map(|import| import.name.clone()).collect();
        let agent_type = Some(self.agent.agent_type.clone());
        let new = NewGenome { agent_type, allow, ..new_genome(component.bytes) };
        self.fabric.genomes().push(new).await.map_err(failed("start"))?;
        let swapped = self.fabric.genomes().update_agent(running.agent, genome).await;
        let swapped = swapped.map_err(failed("swap"))?;
        running.genome = genome;
        if let Err(error) = self.fabric.genomes().collect(NOTHING_OLD).await {
            tracing::warn!(%error, "earlier versions stay on the disk until this command ends");
        }
        Ok(Put::Swapped { genome, state: swapped.state })
    }

    pub(super) async fn run(&self, payload: JsonText) -> anyhow::Result<Ran> {
        let AgentConfig { agent_type, resource_quota, .. } = &self.agent;
        let task = super::task(agent_type, payload, resource_quota);
        let report = self.fabric.tasks().run_once(&task).await?;
        let (wall_seconds, telemetry) = (report.wall.as_secs_f64(), Some(report.telemetry.clone()));
        Ok(Ran { result: report.into_result(task.id), wall_seconds, telemetry })
    }

    pub(super) async fn close(self) -> anyhow::Result<()> {
        despite_agents(self.fabric.shutdown().await)?;
        Ok(())
    }
}

fn failed(during: &'static str) -> impl FnOnce(chimera_layer4_core::FabricError) -> Failed {
    move |error| Failed { during, error: error.into() }
}
