//! `chimera agent build`: from sources to a component.

use chimera_layer4_core::Digest;
use serde_json::json;

use super::size;
use crate::args::agent::BuildArgs;
use crate::component;
use crate::exit::{BadInput, Exit};
use crate::output::Output;

/// Builds a project and says where the component is.
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
