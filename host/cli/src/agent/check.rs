//! `chimera agent check`: a component held against the contract.

use chimera_layer4_contract::world as contract;
use chimera_layer4_core::{FabricConfig, FabricError, Refusal};
use serde::Serialize;

use super::conformance;
use crate::args::agent::CheckArgs;
use crate::component;
use crate::exit::Exit;
use crate::output::Output;
use chimera_layer4_conformance::Report;
use chimera_layer4_fabric::Fabric;

#[derive(Serialize)]
struct Checked<'a> {
    contract: &'a str,
    /// Whether its types do.
    meets: bool,
    refusal: Option<&'a Refusal>,
    /// What it does, if it was run.
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<Run<'a>>,
}

#[derive(Serialize)]
struct Run<'a> {
    conforms: bool,
    #[serde(flatten)]
    report: &'a Report,
}

/// Says whether a component meets the contract, and with `--run` whether it
/// keeps it.
pub(super) async fn check(
    mut config: FabricConfig,
    args: CheckArgs,
    output: &Output,
) -> anyhow::Result<Exit> {
    // The command reports mistakes in its arguments before it builds or compiles.
    let mut options = match args.run {
        true => Some(conformance::options(&mut config, &args).await?),
        false => None,
    };
    let most = config.components.max_component_bytes();
    let component = component::read(&args.agent, most, *output).await?;
    let fabric = Fabric::new(config)?;
    let checked = match &mut options {
        None => fabric.agents().load(&component.bytes).await.map(|_| None),
        Some(options) => {
            options.config.agent_type.clone_from(&component.name);
            conformance::run(&fabric, &component, options, *output).await.map(Some)
        }
    };
    let (report, refusal) = match checked {
        Ok(report) => (report, None),
        Err(FabricError::Refused(refusal)) => (None, Some(refusal)),
        Err(error) => return Err(error.into()),
    };
    let conforms = report.as_ref().is_none_or(Report::conforms);
    if output.is_json() {
        let run = report.as_ref().map(|report| Run { conforms, report });
        let (contract, meets) = (contract::VERSION, refusal.is_none());
        output.value(&Checked { contract, meets, refusal: refusal.as_ref(), run })?;
    } else {
        print_check(refusal.as_ref(), output)?;
        report.as_ref().map_or(Ok(()), |report| conformance::print(report, output))?;
    }
    Ok(if refusal.is_none() && conforms { Exit::Success } else { Exit::Refused })
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
