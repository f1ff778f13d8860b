//! The agents of one type in the host that serves the data folder. They go on
//! with the last good version when this command ends.

use std::time::Duration;

use chimera_layer4_api::Client;
use chimera_layer4_core::scheduler::{Submission, SubmitOptions};
use chimera_layer4_core::{Digest, FabricConfig, JsonText, ResourceQuota};

use super::{Put, Ran};
use crate::agent::dev::failed::Failed;
use crate::backend::QueueBackend;
use crate::client;
use crate::exit::BadInput;
use crate::genome::backend::{Genomes, new_genome};
use chimera_layer4_fabric::NewGenome;

/// The time for one request for a task that is still running.
const LOOK: Duration = Duration::from_secs(60);

pub(in crate::agent::dev) struct Served {
    client: Client,
    agent_type: String,
    allow: Vec<String>,
    quota: ResourceQuota,
    running: Option<Digest>,
}

impl Served {
    pub(super) async fn open(
        config: FabricConfig,
        agent_type: &str,
        allow: &[String],
    ) -> anyhow::Result<Self> {
        let Some(client) = client::of(&config).await? else {
            let message = "--type: no host serves this data folder; start `chimera serve`, or leave \
                         out --type for a host of this command's own";
            return Err(BadInput(message.into()).into());
        };
        let types = client.agent_types().await?;
        let names: Vec<&str> = types.iter().map(|one| one.name.as_str()).collect();
        if !names.contains(&agent_type) {
            let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            let message =
                format!("--type: the host has no agent type {agent_type:?}; it has {known}");
            return Err(BadInput(message).into());
        }
        let mut served = Self {
            client,
            agent_type: agent_type.to_owned(),
            allow: allow.to_vec(),
            quota: config.default_resource_quota,
            running: None,
        };
        served.running = served.in_charge().await?;
        Ok(served)
    }

    pub(super) fn running(&self) -> Option<Digest> {
        self.running
    }

    async fn in_charge(&self) -> anyhow::Result<Option<Digest>> {
        let agents = self.client.agents().await?;
        let of_type = agents.iter().find(|agent| agent.agent_type == self.agent_type);
        Ok(of_type.map(|agent| agent.genome))
    }

    pub(super) async fn put(&mut self, bytes: Vec<u8>) -> Result<Put, Failed> {
        let genome = self.push(bytes).await.map_err(Failed::during("check"))?;
        self.promote(genome).await.map_err(Failed::during("swap"))
    }

    async fn push(&self, bytes: Vec<u8>) -> anyhow::Result<Digest> {
        let (agent_type, allow) = (Some(self.agent_type.clone()), self.allow.clone());
        let new = NewGenome { agent_type, allow, ..new_genome(bytes) };
        Ok(Genomes::Host(self.client.clone()).push(new).await?.genome)
    }

    async fn promote(&mut self, genome: Digest) -> anyhow::Result<Put> {
        // Asked each time: another user may have put another genome in charge.
        self.running = self.in_charge().await?;
        if self.running == Some(genome) {
            return Ok(Put::Unchanged { genome });
        }
        let swapped = self.client.promote_genome(&self.agent_type, genome).await?;
        self.running = Some(genome);
        Ok(Put::Swapped { genome, state: swapped.state })
    }

    pub(super) async fn run(&self, payload: JsonText) -> anyhow::Result<Ran> {
        let task = super::task(&self.agent_type, payload, &self.quota);
        let submission = Submission { task, options: SubmitOptions::default() };
        let id = QueueBackend::Remote(self.client.clone()).submit(submission).await?;
        loop {
            let record = self.client.task_at_its_end(id, LOOK).await?;
            if let Some(result) = record.result {
                let wall_seconds = result.execution_time_ms as f64 / 1000.0;
                return Ok(Ran { result, wall_seconds, telemetry: None });
            }
        }
    }
}
