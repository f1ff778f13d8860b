//! `chimera agent deploy` and `retire`: an agent type on the host that serves the data folder.

use std::collections::BTreeMap;

use chimera_layer4_api::agents::{DeployRequest, Deployed, Retired};
use chimera_layer4_api::genomes::Pushed;
use chimera_layer4_core::config::AgentOrigin;
use chimera_layer4_core::genome::lineage::Source;
use chimera_layer4_core::json::Tree;
use chimera_layer4_core::{FabricConfig, InstancePolicy};
use serde_json::{Value, json};

use crate::args::agent::{DeployArgs, RetireArgs};
use crate::exit::{BadInput, Exit};
use crate::output::Output;
use crate::progress::Bar;
use crate::{client, component, task};

/// Stores the component on the host, and has the type served.
pub(super) async fn deploy(
    config: &FabricConfig,
    args: DeployArgs,
    output: &Output,
) -> anyhow::Result<Exit> {
    // What was mistyped is reported before anything is built.
    let settings = settings(config, &args)?;
    let host = client::required(config).await?;
    let most = config.components.max_component_bytes();
    let component = component::read(&args.agent, most, *output).await?;
    let bar = Bar::new(*output, "deploying");
    // It starts with the settings that it is deployed with, and is not tried without them.
    let said =
        Pushed { source: Some(Source::File.to_string()), untried: true, ..Pushed::default() };
    let genome = host.push_genome(&said, component.bytes).await?.genome;
    let wanted = DeployRequest { name: args.name, component: genome, settings };
    let done = host.deploy_agent_type(&wanted).await;
    drop(bar);
    let done: Deployed = done?;
    if output.is_json() {
        output.value(&json!({ "name": done.name, "outcome": done.outcome, "genome": genome }))?;
    } else {
        output.line(&format!("{} {}: {genome}", done.name, done.outcome))?;
    }
    Ok(Exit::Success)
}

/// Ends an agent type.
pub(super) async fn retire(
    config: &FabricConfig,
    args: &RetireArgs,
    output: &Output,
) -> anyhow::Result<Exit> {
    let retired = client::required(config).await?.retire_agent_type(&args.name).await?;
    if output.is_json() {
        output.value(&retired)?;
    } else {
        output.line(&format!("{} retired{}", args.name, left(retired)))?;
    }
    Ok(Exit::Success)
}

/// What is left of a type that was retired, in words.
fn left(Retired { waiting, served_by }: Retired) -> String {
    match (served_by, waiting) {
        (Some(AgentOrigin::BuiltIn), _) => "; every host has it, and serves its own now".into(),
        (Some(by), _) => format!("; {} declares it too, and it is served as it says", by.words()),
        (None, 0) => String::new(),
        (None, 1) => "; 1 task waits for it, until it is deployed again".into(),
        (None, waiting) => format!("; {waiting} tasks wait for it, until it is deployed again"),
    }
}

/// The keys of `[agents.NAME]` that the flags come to.
fn settings(config: &FabricConfig, args: &DeployArgs) -> anyhow::Result<BTreeMap<String, Tree>> {
    let defaults = &config.default_resource_quota;
    let quota = task::quota(defaults, &args.quota)?;
    if quota.max_network_mbps.is_none() && defaults.max_network_mbps.is_some() {
        let message = "--quota network=none: a type has no network where nothing is granted by \
                       --http; leave it out";
        return Err(BadInput(message.into()).into());
    }
    let instances = if args.fresh { InstancePolicy::Fresh } else { InstancePolicy::default() };
    let agent = task::agent(&args.name, quota, &args.grants, instances)?;
    let mut settings = BTreeMap::from([("instances".to_owned(), json!(args.instances))]);
    let mut say = |key: &str, is_given: bool, value: Value| {
        if is_given {
            settings.insert(key.to_owned(), value);
        }
    };
    let (quota, grants) = (&agent.resource_quota, &agent.grants);
    let mut limits = json!({
        "max_cpu_cores": quota.max_cpu_cores,
        "max_memory_mb": quota.max_memory_mb,
        "max_execution_time_secs": quota.max_execution_time_secs,
    });
    if let (Some(rate), Some(limits)) = (quota.max_network_mbps, limits.as_object_mut()) {
        limits.insert("max_network_mbps".into(), json!(rate));
    }
    say("quota", !args.quota.is_empty(), limits);
    say("environment", !agent.environment.is_empty(), json!(agent.environment));
    say("parameters", !agent.parameters.is_empty(), json!(agent.parameters));
    say("folders", !grants.folders.is_empty(), json!(grants.folders));
    let http: Vec<String> = grants.http.iter().map(ToString::to_string).collect();
    say("http", !http.is_empty(), json!(http));
    say("keyvalue", grants.keyvalue.is_some(), json!(grants.keyvalue));
    say("fresh", args.fresh, json!(args.fresh));
    Ok(settings.into_iter().map(|(key, value)| (key, Tree(value))).collect())
}
