//! What an evolution begins with.

use std::sync::Arc;

use chimera_layer4_core::{Digest, FabricConfig};

use crate::args::evolve::EvolveArgs;
use crate::backend::must_be_data_folder;
use crate::component;
use crate::exit::BadInput;
use crate::genome::backend::Genomes;
use crate::output::Output;
use chimera_layer4_fabric::read_component;

/// The component that was named, or the one in charge of the agent type.
pub(super) async fn component(
    config: &FabricConfig,
    args: &EvolveArgs,
    output: Output,
) -> anyhow::Result<Arc<[u8]>> {
    let most = config.components.max_component_bytes();
    if let Some(path) = &args.start {
        return Ok(component::read(path, most, output).await?.bytes.into());
    }
    let genome = in_charge(config, &args.agent_type).await?;
    let Some(data) = &config.data_dir else { return Err(none_in_charge(&args.agent_type)) };
    // The store is an OCI image layout, where a component is the blob of its digest.
    let blob = data.join("genomes/blobs/sha256").join(genome.hex());
    let bytes = read_component(&blob, most).await?;
    if Digest::of(&bytes) != genome {
        let message = "it is damaged; `chimera genome verify` puts it aside";
        return Err(BadInput(format!("{}: {message}", blob.display())).into());
    }
    Ok(bytes.into())
}

async fn in_charge(config: &FabricConfig, agent_type: &str) -> anyhow::Result<Digest> {
    // Nothing is in charge where nothing was ever kept, and looking makes no folder.
    if must_be_data_folder(config).is_err() {
        return Err(none_in_charge(agent_type));
    }
    let stored = Genomes::open(config.clone()).await?.list().await?;
    let mut in_charge =
        stored.iter().filter(|one| one.active_for.iter().any(|name| name == agent_type));
    in_charge.next().map(|one| one.genome).ok_or_else(|| none_in_charge(agent_type))
}

fn none_in_charge(agent_type: &str) -> anyhow::Error {
    let message = format!("no genome is in charge of {agent_type:?} here; give --start COMPONENT");
    BadInput(message).into()
}
