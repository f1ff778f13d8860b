//! Genomes: admitted, stored, swapped, put on trial, taken back.

mod admission;
mod benchmarks;
mod declared;
mod record;
mod rollouts;
mod swaps;
mod tools;
pub(crate) mod variants;

use std::sync::Arc;
use std::time::Duration;

use chimera_layer4::fabric::events::{Event, EventKind};
use chimera_layer4::fabric::{AgentSource, Digest, Fabric, FabricConfig, utils};
use tokio::sync::broadcast::Receiver;

use self::variants::Variant;
use crate::harness::{self, settings, small_quota};

/// A host whose type `variant` runs this genome.
async fn host_of(variant: Variant) -> (Arc<Fabric>, Digest) {
    host_with(variant, FabricConfig { task_queue_capacity: 100_000, ..settings() }).await
}

async fn host_with(variant: Variant, config: FabricConfig) -> (Arc<Fabric>, Digest) {
    let fabric = harness::fabric(config).await;
    let bytes = variant.bytes();
    let digest = Digest::of(&bytes);
    let source = AgentSource::Bytes(bytes.clone().into());
    let config = utils::agent_config("variant", small_quota());
    fabric.agents().register("variant", source, config.clone()).unwrap();
    fabric.agents().spawn(&bytes, utils::agent_config("variant", small_quota())).await.unwrap();
    (Arc::new(fabric), digest)
}

/// What the agents of the type run.
fn running(fabric: &Fabric) -> Vec<Digest> {
    let mut running: Vec<Digest> =
        fabric.agents().active().into_iter().map(|agent| agent.genome).collect();
    running.dedup();
    running
}

/// How a rollout ended: the outcome, the candidate's tasks, and in words.
async fn ended(events: &mut Receiver<Arc<Event>>) -> (&'static str, u64, String) {
    let wait = async {
        loop {
            let Ok(event) = events.recv().await else { continue };
            if let EventKind::RolloutEnded { outcome, tasks, why, .. } = &event.what {
                return (*outcome, *tasks, why.clone());
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(120), wait).await.expect("the rollout ends")
}
