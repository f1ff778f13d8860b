//! `chimera keyvalue …`: what agent types keep by key in a data folder, through
//! the host that serves it where there is one.

use chimera_layer4_core::FabricConfig;
use chimera_layer4_core::keyvalue::KeptByKey;

use super::args::KeyValueCommand;
use super::exit::{BadInput, Exit};
use super::genome::backend::Genomes as Backend;
use super::output::Output;

pub(super) async fn run(
    config: FabricConfig,
    command: KeyValueCommand,
    output: &Output,
) -> anyhow::Result<Exit> {
    let backend = Backend::open_to_look(config).await?;
    let line =
        |kept: &KeptByKey| output.line(&format!("{}: {} bytes", kept.agent_type, kept.bytes));
    match command {
        KeyValueCommand::List { .. } => {
            let kept = list(&backend).await?;
            if output.is_json() {
                output.value(&kept)?;
            } else if kept.is_empty() {
                output.note("no agent type keeps anything by key");
            } else {
                kept.iter().try_for_each(line)?;
            }
        }
        KeyValueCommand::Clear { agent_type, .. } => {
            let cleared = clear(&backend, &agent_type).await?;
            if output.is_json() {
                output.value(&cleared)?;
            } else {
                output.note("removed");
                line(&cleared)?;
            }
        }
    }
    Ok(Exit::Success)
}

async fn list(backend: &Backend) -> anyhow::Result<Vec<KeptByKey>> {
    match backend {
        Backend::Host(client) => Ok(client.kept_by_key().await?),
        Backend::Folder(fabric) => Ok(fabric.keyvalue().kept().await?),
    }
}

/// # Errors
/// It keeps nothing; a name that was mistyped would seem to be cleared.
async fn clear(backend: &Backend, agent_type: &str) -> anyhow::Result<KeptByKey> {
    let names: Vec<String> = list(backend).await?.into_iter().map(|kept| kept.agent_type).collect();
    if !names.iter().any(|name| name == agent_type) {
        let others = match &names[..] {
            [] => "nor does any other agent type".to_owned(),
            names => format!("agent types that do: {}", names.join(", ")),
        };
        let message = format!("the agent type {agent_type:?} keeps nothing by key; {others}");
        return Err(BadInput(message).into());
    }
    match backend {
        Backend::Host(client) => Ok(client.clear_kept_by_key(agent_type).await?),
        Backend::Folder(fabric) => Ok(fabric.keyvalue().clear(agent_type).await?),
    }
}
