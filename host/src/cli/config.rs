//! `chimera config …`: what the settings come to, and where each is from.

use chimera_layer4_core::config::SETTINGS;
use serde_json::json;

use super::args::ConfigCommand;
use super::exit::Exit;
use super::output::Output;
use super::settings::Settings;

/// The settings are read and within range, or this is not reached.
pub(super) fn run(
    settings: &Settings,
    command: &ConfigCommand,
    output: &Output,
) -> anyhow::Result<Exit> {
    let Settings { config, agents, layers } = settings;
    match command {
        ConfigCommand::Check { .. } if output.is_json() => {
            let agents: Vec<_> = agents.keys().collect();
            output.value(&json!({ "ok": true, "agents": agents }))?;
        }
        ConfigCommand::Check { .. } => {
            output.line(&format!(
                "the settings are good; {} agent types are declared",
                agents.len()
            ))?;
        }
        ConfigCommand::Show { .. } => {
            let rows = SETTINGS
                .iter()
                .map(|setting| (setting.key, (setting.show)(config), layers.source(setting.key)));
            if output.is_json() {
                let shown: serde_json::Map<_, _> = rows
                    .map(|(key, value, source)| {
                        (key.to_owned(), json!({ "value": value, "source": source }))
                    })
                    .collect();
                output.value(&shown)?;
            } else {
                for (key, value, source) in rows {
                    output.line(&format!("{key} = {value}  ({source})"))?;
                }
                for (name, agent) in agents {
                    let component = agent.component.display();
                    output
                        .line(&format!("agents.{name} = {component}, {} of it", agent.instances))?;
                }
            }
        }
    }
    Ok(Exit::Success)
}
