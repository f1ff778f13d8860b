//! `chimera config check`: what `serve` would refuse or stumble over, found
//! without a start: nothing is left behind but compiled code in a data folder
//! that is there already.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use chimera_layer4_core::config::{AgentDeclaration, TaskStoreKind};
use chimera_layer4_core::telemetry::shown;
use chimera_layer4_core::{Digest, FabricConfig, FabricError, ResourceQuota};
use chimera_layer4_runtime::executor;

use crate::output::Output;
use crate::progress::Bar;
use crate::settings::Settings;
use chimera_layer4_fabric::{Fabric, read_component, utils};

/// Everything that is wrong, each with where it was typed.
pub(super) async fn complaints(settings: &Settings, output: Output) -> Vec<String> {
    let Settings { config, agents, layers } = settings;
    let mut complaints = folders(config);
    let mut of_agents = grants(agents, &config.default_resource_quota);
    match fabric(config) {
        Ok(fabric) => {
            of_agents.extend(components(&fabric, config, agents, output).await);
            complaints.extend(fabric.check_agent_types());
        }
        Err(FabricError::Configuration(more)) => complaints.extend(more),
        Err(error) => complaints.push(error.to_string()),
    }
    let complaints = complaints.into_iter().map(|message| layers.with_origin(message));
    let of_agents = of_agents
        .into_iter()
        .map(|(name, message)| format!("agents.{name} in {}: {message}", layers.file()));
    complaints.chain(of_agents).map(|message| shown(&message)).collect()
}

/// An agent type, and what is wrong with it.
type OfAgent = (String, String);

/// A fabric that loads components as `serve` would. A data folder that is not
/// there is not made.
fn fabric(config: &FabricConfig) -> Result<Fabric, FabricError> {
    let data_dir = config.data_dir.clone().filter(|folder| folder.exists());
    let mut config = FabricConfig { data_dir, ..config.clone() };
    config.queue.task_store = TaskStoreKind::Memory;
    Fabric::new(config)
}

fn folders(config: &FabricConfig) -> Vec<String> {
    let named = [("data_dir", &config.data_dir), ("log_dir", &config.telemetry.log_dir)];
    let wrong = |(key, folder): (&str, &Option<PathBuf>)| {
        let folder = folder.as_ref()?;
        let error = can_write(folder).err()?;
        let folder = folder.display();
        Some(format!(
            "{key} is {folder}, which cannot be written to: {error}; give a folder of your own"
        ))
    };
    named.into_iter().filter_map(wrong).collect()
}

/// Tries it: permissions say too little of what a file system does. What is not
/// there would be made in the nearest folder that is.
fn can_write(folder: &Path) -> io::Result<()> {
    let folder = std::path::absolute(folder)?;
    let there = folder.ancestors().find(|ancestor| ancestor.symlink_metadata().is_ok());
    let tried =
        tempfile::Builder::new().prefix(".chimera-check-").tempdir_in(there.unwrap_or(&folder));
    tried.map(drop)
}

fn grants(agents: &BTreeMap<String, AgentDeclaration>, defaults: &ResourceQuota) -> Vec<OfAgent> {
    let wrong = |(name, agent): (&String, &AgentDeclaration)| {
        let config = agent.config(name, utils::generate_agent_id(), defaults);
        let wrong = match executor::check(&config) {
            Ok(()) => Vec::new(),
            Err(FabricError::InvalidRequest(wrong)) => wrong,
            Err(error) => vec![error.to_string()],
        };
        wrong.into_iter().map(|message| (name.clone(), message)).collect::<Vec<_>>()
    };
    agents.iter().flat_map(wrong).collect()
}

async fn components(
    fabric: &Fabric,
    config: &FabricConfig,
    agents: &BTreeMap<String, AgentDeclaration>,
    output: Output,
) -> Vec<OfAgent> {
    let mut complaints = Vec::new();
    let bar = Bar::new(output, "loading components");
    for (name, agent) in agents {
        bar.say(name);
        if let Err(reason) = component(fabric, config, &agent.component).await {
            let message = format!(
                "component is {}: {reason}; give the file of a component, or the digest of a genome",
                agent.component.display()
            );
            complaints.push((name.clone(), message));
        }
    }
    complaints
}

/// Loads it. A digest is the name of a genome that may be pushed later.
async fn component(fabric: &Fabric, config: &FabricConfig, component: &Path) -> Result<(), String> {
    if component.to_str().is_some_and(|text| text.parse::<Digest>().is_ok()) {
        return Ok(());
    }
    match std::fs::metadata(component) {
        Ok(found) if found.is_file() => {}
        Ok(_) => return Err("it is not a file".into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err("there is none".into()),
        Err(error) => return Err(error.to_string()),
    }
    let message = |error: FabricError| error.to_string();
    let bytes = read_component(component, config.components.max_component_bytes())
        .await
        .map_err(message)?;
    fabric.agents().load(&bytes).await.map(drop).map_err(message)
}
