//! `chimera agent inspect`: what a component is, imports, needs and can do.

use chimera_layer4_core::{AgentCapabilities, FabricConfig, InstancePolicy};
use chimera_layer4_runtime::Inspection;
use serde::Serialize;

use super::size;
use crate::args::agent::InspectArgs;
use crate::exit::Exit;
use crate::output::Output;
use crate::{component, task};
use chimera_layer4_fabric::Fabric;

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
    config: FabricConfig,
    args: InspectArgs,
    output: &Output,
) -> anyhow::Result<Exit> {
    let quota = config.default_resource_quota.clone();
    let agent = task::agent("inspected", quota, &args.grants, InstancePolicy::default())?;
    let most = config.components.max_component_bytes();
    let component = component::read(&args.agent, most, *output).await?;
    let fabric = Fabric::new(config)?;
    let genome = fabric.agents().load(&component.bytes).await?;
    // Only the agent itself can say what it can do, so it is started for that.
    let asked = fabric.agents().spawn_genome(genome.clone(), agent).await;
    let capabilities = fabric.agents().active().pop().map(|agent| agent.capabilities);
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
