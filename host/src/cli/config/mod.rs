//! `chimera config …`: what the settings come to, and where each is from.

use std::fmt::Display;
use std::io;
use std::path::Path;

use chimera_layer4_core::config::{AgentDeclaration, SETTINGS};
use chimera_layer4_core::telemetry::shown;
use chimera_layer4_core::{Digest, FolderGrant, Layer4Error, ResourceQuota};
use serde_json::{Map, Value, json};

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
    match command {
        ConfigCommand::Check { .. } => check(settings, output)?,
        ConfigCommand::Show { .. } if output.is_json() => output.value(&as_json(settings))?,
        ConfigCommand::Show { .. } => {
            for line in as_text(settings) {
                output.line(&shown(&line))?;
            }
        }
    }
    Ok(Exit::Success)
}

fn check(settings: &Settings, output: &Output) -> anyhow::Result<()> {
    let complaints = missing_components(settings);
    if !complaints.is_empty() {
        return Err(Layer4Error::Configuration(complaints).into());
    }
    let names: Vec<_> = settings.agents.keys().collect();
    if output.is_json() {
        return output.value(&json!({ "ok": true, "agents": names }));
    }
    let words = format!("the settings are good; {} agent types are declared", names.len());
    Ok(output.line(&words)?)
}

fn missing_components(Settings { agents, layers, .. }: &Settings) -> Vec<String> {
    let missing = agents.iter().filter_map(|(name, agent)| {
        let component = &agent.component;
        let reason = missing(component)?;
        let words = format!(
            "agents.{name} in {}: component is {}: {reason}; give a file, or the digest of a genome",
            layers.file(),
            component.display()
        );
        Some(shown(&words))
    });
    missing.collect()
}

/// Why there is no such file; a genome's digest names none.
fn missing(component: &Path) -> Option<String> {
    if component.to_str().is_some_and(|text| text.parse::<Digest>().is_ok()) {
        return None;
    }
    match std::fs::metadata(component) {
        Ok(found) if found.is_file() => None,
        Ok(_) => Some("it is not a file".into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some("there is none".into()),
        Err(error) => Some(error.to_string()),
    }
}

fn as_json(Settings { config, agents, layers }: &Settings) -> Map<String, Value> {
    let rows = SETTINGS.iter().map(|setting| {
        let (value, source) = ((setting.show)(config), layers.source(setting.key));
        (setting.key.to_owned(), json!({ "value": value, "source": source }))
    });
    let defaults = &config.default_resource_quota;
    let agents = agents.iter().map(|(name, agent)| (name.clone(), agent_as_json(agent, defaults)));
    let agents = Value::Object(agents.collect());
    rows.chain([("agents".to_owned(), agents)]).collect()
}

/// Values of variables and parameters may be secrets: their names are all.
fn agent_as_json(agent: &AgentDeclaration, defaults: &ResourceQuota) -> Value {
    json!({
        "component": agent.component.display().to_string(),
        "instances": agent.instances,
        "quota": agent.quota.or(defaults),
        "environment": agent.environment.keys().collect::<Vec<_>>(),
        "parameters": agent.parameters.keys().collect::<Vec<_>>(),
        "folders": agent.folders,
        "http": agent.http,
        "fresh": agent.fresh,
        "tasks_per_instance": agent.tasks_per_instance,
    })
}

fn as_text(Settings { config, agents, layers }: &Settings) -> Vec<String> {
    let rows = SETTINGS.iter().map(|setting| {
        let (value, source) = ((setting.show)(config), layers.source(setting.key));
        format!("{} = {value}  ({source})", setting.key)
    });
    let defaults = &config.default_resource_quota;
    rows.chain(agents.iter().flat_map(|(name, agent)| agent_as_text(name, agent, defaults)))
        .collect()
}

fn agent_as_text(name: &str, agent: &AgentDeclaration, defaults: &ResourceQuota) -> Vec<String> {
    let component = agent.component.display();
    let mut lines = vec![
        format!("agents.{name} = {component}, {} of it", agent.instances),
        format!("agents.{name}.quota = {}", quota(&agent.quota.or(defaults))),
    ];
    let mut list = |what: &str, words: Vec<String>| {
        if !words.is_empty() {
            lines.push(format!("agents.{name}.{what} = {}", words.join(", ")));
        }
    };
    // Their values may be secrets.
    list("environment", agent.environment.keys().cloned().collect());
    list("parameters", agent.parameters.keys().cloned().collect());
    list("folders", agent.folders.iter().map(folder).collect());
    list("http", agent.http.iter().map(ToString::to_string).collect());
    list("fresh", agent.fresh.then(|| "true".to_owned()).into_iter().collect());
    lines
}

fn quota(quota: &ResourceQuota) -> String {
    let network = quota.max_network_mbps.as_ref();
    let parts: [(&str, &dyn Display); 4] = [
        ("max_cpu_cores", &quota.max_cpu_cores),
        ("max_memory_mb", &quota.max_memory_mb),
        ("max_execution_time_secs", &quota.max_execution_time_secs),
        ("max_network_mbps", network.map_or(&"none", |rate| rate as &dyn Display)),
    ];
    parts.map(|(name, value)| format!("{name} {value}")).join(", ")
}

fn folder(FolderGrant { host, guest, access }: &FolderGrant) -> String {
    format!("{} as {guest} ({access})", host.display())
}
