//! `chimera agent …`: make, build and look at agents.

use std::path::{Path, PathBuf};

use chimera_layer4_core::{
    AgentCapabilities, Digest, InstancePolicy, Layer4Config, Layer4Error, Refusal,
};
use chimera_layer4_runtime::{Inspection, genome::contract};
use serde::Serialize;
use serde_json::json;

use super::args::{BuildArgs, CheckArgs, InspectArgs, NewArgs};
use super::exit::{BadInput, Exit};
use super::output::Output;
use super::{component, task};
use crate::{Layer4Fabric, toolchain};

/// Makes the crate of a new agent.
pub(super) fn new(args: &NewArgs, output: &Output) -> anyhow::Result<Exit> {
    let sdk = match &args.sdk {
        Some(sdk) => sdk.clone(),
        None => find_sdk(&args.folder).ok_or_else(|| {
            BadInput("the SDK was not found; give the path of `guest-sdk` with --sdk".into())
        })?,
    };
    let files = toolchain::create(&args.folder, &sdk)?;
    let folder = args.folder.display();
    if output.is_json() {
        output.value(&json!({ "folder": args.folder, "files": files }))?;
    } else {
        output.line(&format!("{folder} is there. Next:"))?;
        output.line(&format!("  cd {folder} && cargo test"))?;
        output.line(&format!("  chimera run {folder} --task '{{\"text\": \"one two\"}}'"))?;
    }
    Ok(Exit::Success)
}

fn find_sdk(folder: &Path) -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    let program = std::env::current_exe().ok()?;
    let absolute = here.join(folder);
    let starts = [absolute.as_path(), here.as_path(), program.as_path()];
    let above = starts.iter().flat_map(|start| start.ancestors());
    above.map(|folder| folder.join("guest-sdk")).find(|sdk| sdk.join("Cargo.toml").is_file())
}

/// Builds a crate and says where the component is.
pub(super) async fn build(args: &BuildArgs, output: &Output) -> anyhow::Result<Exit> {
    let path = component::build(&args.folder, *output).await?;
    let bytes = std::fs::read(&path)
        .map_err(|error| BadInput(format!("{} was built and then: {error}", path.display())))?;
    let digest = Digest::of(&bytes);
    if output.is_json() {
        output.value(&json!({ "component": path, "bytes": bytes.len(), "digest": digest }))?;
    } else {
        output.line(&path.display().to_string())?;
        output.note(&format!("{} · {digest}", size(bytes.len() as u64)));
    }
    Ok(Exit::Success)
}

#[derive(Serialize)]
struct Inspected<'a> {
    #[serde(flatten)]
    inspection: &'a Inspection,
    #[serde(skip_serializing_if = "Option::is_none")]
    capabilities: Option<&'a AgentCapabilities>,
    /// Why the agent could not be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    capabilities_error: Option<String>,
}

/// Says what a component is, imports, needs and can do.
pub(super) async fn inspect(
    config: Layer4Config,
    args: InspectArgs,
    output: &Output,
) -> anyhow::Result<Exit> {
    let quota = config.default_resource_quota.clone();
    let agent = task::agent("inspected", quota, &args.grants, InstancePolicy::default())?;
    let most = config.max_component_bytes();
    let component = component::read(&args.agent, most, *output).await?;
    let fabric = Layer4Fabric::new(config)?;
    let genome = fabric.load(&component.bytes).await?;
    // Only the agent itself can say what it can do, so it is started for that.
    let asked = fabric.spawn_genome(genome.clone(), agent).await;
    let capabilities = fabric.get_active_agents().pop().map(|agent| agent.capabilities);
    let capabilities_error = asked.err().map(|error| error.to_string());
    // It was only looked at; how it ends is no part of that.
    let _ = fabric.shutdown().await;

    let inspection = genome.inspection();
    if output.is_json() {
        let capabilities = capabilities.as_ref();
        output.value(&Inspected { inspection, capabilities, capabilities_error })?;
    } else {
        print_inspection(inspection, output)?;
        match (&capabilities, &capabilities_error) {
            (Some(capabilities), _) => print_capabilities(capabilities, output)?,
            (None, error) => {
                let error = error.as_deref().unwrap_or("it did not start");
                output.line(&format!("capabilities  not known: {error}"))?;
            }
        }
    }
    Ok(Exit::Success)
}

fn print_inspection(inspection: &Inspection, output: &Output) -> std::io::Result<()> {
    output.line(&format!("contract      chimera:agent@{}", inspection.contract))?;
    output.line(&format!("digest        {}", inspection.digest))?;
    output.line(&format!("size          {}", size(inspection.size_bytes)))?;
    for (index, import) in inspection.imports.iter().enumerate() {
        let heading = if index == 0 { "imports" } else { "" };
        let grant =
            import.grant.as_ref().map(|g| format!("  inert without {g}")).unwrap_or_default();
        output.line(&format!("{heading:14}{}{grant}", import.name))?;
    }
    output.line(&format!("exports       {}", inspection.exports.join(", ")))
}

fn print_capabilities(can: &AgentCapabilities, output: &Output) -> std::io::Result<()> {
    let list = |items: &[String]| if items.is_empty() { "-".into() } else { items.join(", ") };
    output.line(&format!("task types    {}", list(&can.supported_task_types)))?;
    output.line(&format!("at once       {} tasks", can.max_concurrent_tasks))?;
    output.line(&format!("features      {}", list(&can.features)))?;
    for (name, why) in &can.required_env_vars {
        output.line(&format!("needs         {name}: {why}"))?;
    }
    Ok(())
}

/// Says whether a component meets the contract.
pub(super) async fn check(
    config: Layer4Config,
    args: CheckArgs,
    output: &Output,
) -> anyhow::Result<Exit> {
    let most = config.max_component_bytes();
    let component = component::read(&args.agent, most, *output).await?;
    let fabric = Layer4Fabric::new(config)?;
    let refusal = match fabric.load(&component.bytes).await {
        Ok(_) => None,
        Err(Layer4Error::Refused(refusal)) => Some(refusal),
        Err(error) => return Err(error.into()),
    };
    if output.is_json() {
        let contract = contract::VERSION;
        output.value(
            &json!({ "contract": contract, "meets": refusal.is_none(), "refusal": refusal }),
        )?;
    } else {
        print_check(refusal.as_ref(), output)?;
    }
    Ok(if refusal.is_some() { Exit::Refused } else { Exit::Success })
}

fn print_check(refusal: Option<&Refusal>, output: &Output) -> std::io::Result<()> {
    match refusal {
        None => output.line(&format!("meets chimera:agent@{}", contract::VERSION)),
        Some(Refusal::WrongContract { contract, reasons }) => {
            output.line(&format!("does not meet chimera:agent@{contract}:"))?;
            reasons.iter().try_for_each(|reason| output.line(&format!("  {reason}")))
        }
        Some(other) => {
            output.line(&format!("does not meet chimera:agent@{}: {other}", contract::VERSION))
        }
    }
}

fn size(bytes: u64) -> String {
    if bytes < 1 << 20 {
        format!("{:.1} KiB", bytes as f64 / 1024.0)
    } else {
        format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
    }
}
