//! `chimera config …`: what the settings come to, and where each is from.

mod check;

use std::collections::BTreeMap;
use std::fmt::Display;

use chimera_layer4_core::config::{AgentDeclaration, GRANT_KEYS, GrantKey, SETTINGS};
use chimera_layer4_core::telemetry::shown;
use chimera_layer4_core::{FabricError, Grants, ResourceQuota};
use serde::Serialize;
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
        ConfigCommand::Show { .. } if output.is_json() => output.value(&as_json(settings)?)?,
        ConfigCommand::Show { .. } => {
            for line in as_text(settings) {
                output.line(&shown(&line))?;
            }
        }
    }
    Ok(Exit::Success)
}

fn check(settings: &Settings, output: &Output) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let complaints = runtime.block_on(check::complaints(settings, *output));
    if !complaints.is_empty() {
        return Err(FabricError::Configuration(complaints).into());
    }
    let names: Vec<_> = settings.agents.keys().collect();
    if output.is_json() {
        return output.value(&json!({ "ok": true, "agents": names }));
    }
    let message = format!("the settings are good; {} agent types are declared", names.len());
    Ok(output.line(&message)?)
}

fn as_json(
    Settings { config, agents, layers }: &Settings,
) -> serde_json::Result<Map<String, Value>> {
    let rows = SETTINGS.iter().map(|setting| {
        let (value, source) = ((setting.show)(config), layers.source(setting.key));
        (setting.key.to_owned(), json!({ "value": value, "source": source }))
    });
    let defaults = &config.default_resource_quota;
    let agents = agents.iter().map(|(name, agent)| (name, ShownAgent::of(agent, defaults)));
    let agents = serde_json::to_value(agents.collect::<BTreeMap<_, _>>())?;
    Ok(rows.chain([("agents".to_owned(), agents)]).collect())
}

/// An agent type as `--json` shows it. Values of variables and parameters may be secrets: their
/// names are all.
#[derive(Serialize)]
struct ShownAgent<'a> {
    component: String,
    instances: u32,
    quota: ResourceQuota,
    environment: Vec<&'a String>,
    parameters: Vec<&'a String>,
    fresh: bool,
    tasks_per_instance: Option<u32>,
    #[serde(flatten)]
    grants: &'a Grants,
}

impl<'a> ShownAgent<'a> {
    fn of(agent: &'a AgentDeclaration, defaults: &ResourceQuota) -> Self {
        // Field by field, so that none that is added is left out.
        let AgentDeclaration {
            component,
            instances,
            quota,
            environment,
            parameters,
            grants,
            fresh,
            tasks_per_instance,
        } = agent;
        Self {
            component: component.display().to_string(),
            instances: *instances,
            quota: quota.or(defaults),
            environment: environment.keys().collect(),
            parameters: parameters.keys().collect(),
            fresh: *fresh,
            tasks_per_instance: *tasks_per_instance,
            grants,
        }
    }
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
    // As above.
    let AgentDeclaration {
        component,
        instances,
        quota,
        environment,
        parameters,
        grants,
        fresh,
        tasks_per_instance,
    } = agent;
    let mut lines = vec![
        format!("agents.{name} = {}, {instances} of it", component.display()),
        format!("agents.{name}.quota = {}", quota_as_text(&quota.or(defaults))),
    ];
    let mut list = |what: &str, items: Vec<String>| {
        if !items.is_empty() {
            lines.push(format!("agents.{name}.{what} = {}", items.join(", ")));
        }
    };
    // Their values may be secrets.
    list("environment", environment.keys().cloned().collect());
    list("parameters", parameters.keys().cloned().collect());
    for GrantKey { key, shown, .. } in GRANT_KEYS {
        list(key.key, shown(grants));
    }
    list("fresh", fresh.then(|| "true".to_owned()).into_iter().collect());
    list("tasks_per_instance", tasks_per_instance.iter().map(ToString::to_string).collect());
    lines
}

fn quota_as_text(quota: &ResourceQuota) -> String {
    let network = quota.max_network_mbps.as_ref();
    let parts: [(&str, &dyn Display); 4] = [
        ("max_cpu_cores", &quota.max_cpu_cores),
        ("max_memory_mb", &quota.max_memory_mb),
        ("max_execution_time_secs", &quota.max_execution_time_secs),
        ("max_network_mbps", network.map_or(&"none", |rate| rate as &dyn Display)),
    ];
    parts.map(|(name, value)| format!("{name} {value}")).join(", ")
}
