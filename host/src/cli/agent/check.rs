//! `chimera agent check`: a component held against the contract.

use chimera_layer4_core::{Layer4Config, Layer4Error, Refusal};
use chimera_layer4_runtime::genome::contract;
use serde_json::json;

use super::args::CheckArgs;
use crate::Layer4Fabric;
use crate::cli::component;
use crate::cli::exit::Exit;
use crate::cli::output::Output;

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
