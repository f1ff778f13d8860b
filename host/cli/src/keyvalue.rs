//! `chimera keyvalue …`: what agent types keep by key in a data folder, through
//! the host that serves it where there is one.

use chimera_layer4_core::Layer4Config;
use chimera_layer4_core::keyvalue::KeptByKey;

use super::args::KeyValueCommand;
use super::exit::{BadInput, Exit};
use super::genome::backend::Genomes as Door;
use super::output::Output;

pub(super) async fn run(
    config: Layer4Config,
    command: KeyValueCommand,
    output: &Output,
) -> anyhow::Result<Exit> {
    let door = Door::open_to_look(config).await?;
    let line =
        |kept: &KeptByKey| output.line(&format!("{}: {} bytes", kept.agent_type, kept.bytes));
    match command {
        KeyValueCommand::List { .. } => {
            let kept = list(&door).await?;
            if output.is_json() {
                output.value(&kept)?;
            } else if kept.is_empty() {
                output.note("no agent type keeps anything by key");
            } else {
                kept.iter().try_for_each(line)?;
            }
        }
        KeyValueCommand::Clear { agent_type, .. } => {
            let cleared = clear(&door, &agent_type).await?;
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

async fn list(door: &Door) -> anyhow::Result<Vec<KeptByKey>> {
    match door {
        Door::Host(client) => Ok(client.kept_by_key().await?),
        Door::Folder(fabric) => Ok(fabric.keyvalue().kept().await?),
    }
}

/// # Errors
/// It keeps nothing; a name that was mistyped would seem to be cleared.
async fn clear(door: &Door, agent_type: &str) -> anyhow::Result<KeptByKey> {
    let names: Vec<String> = list(door).await?.into_iter().map(|kept| kept.agent_type).collect();
    if !names.iter().any(|name| name == agent_type) {
        let others = match &names[..] {
            [] => "nor does any other agent type".to_owned(),
            names => format!("agent types that do: {}", names.join(", ")),
        };
        let message = format!("the agent type {agent_type:?} keeps nothing by key; {others}");
        return Err(BadInput(message).into());
    }
    match door {
        Door::Host(client) => Ok(client.clear_kept_by_key(agent_type).await?),
        Door::Folder(fabric) => Ok(fabric.keyvalue().clear(agent_type).await?),
    }
}
