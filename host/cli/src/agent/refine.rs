//! `chimera agent refine`, `refinement` and `unrefine`: what becomes of tasks to come, on the host
//! that serves the data folder.

use chimera_layer4_api::refinement::{
    RecordPage, Refined, RefinedBy, Refinement, RefinementEntry, RefinementRequest,
};
use chimera_layer4_core::json::Tree;
use chimera_layer4_core::{AgentId, FabricConfig};

use crate::args::agent::{RefineArgs, RefinedByArgs, RefinementArgs, UnrefineArgs};
use crate::exit::{BadInput, Exit};
use crate::output::{Output, in_order};
use crate::{client, task};

/// Sets a refinement.
pub(super) async fn refine(
    config: &FabricConfig,
    args: RefineArgs,
    output: &Output,
) -> anyhow::Result<Exit> {
    let RefineArgs { name, route_to, priority, quota, param, by, json: _ } = args;
    let (quota, no_network) = task::named_quota(&quota)?;
    if no_network {
        let message = "--quota network=none: a refinement takes no network away; give a rate";
        return Err(BadInput(message.into()).into());
    }
    let resource_quota = (quota != Default::default()).then_some(quota);
    let parameters = task::parameters(&param)?.into_iter();
    let parameters = parameters.map(|(name, value)| (name, Tree(value))).collect();
    let refinement = Refinement { route_to, priority, resource_quota, parameters };
    let complaints = refinement.complaints();
    if !complaints.is_empty() {
        return Err(BadInput(complaints.join("; ")).into());
    }
    let wanted = RefinementRequest::new(refinement, named(by));
    let done = client::required(config).await?.refine_agent_type(&name, &wanted).await?;
    let counts = format!("{name} refined: entry {} counts", done.entry.number);
    said(&done, &counts, output)
}

/// Shows what counts, and a page of the record.
pub(super) async fn show(
    config: &FabricConfig,
    args: &RefinementArgs,
    output: &Output,
) -> anyhow::Result<Exit> {
    let page = RecordPage { limit: Some(args.limit), before: args.before };
    let found = client::required(config).await?.refinement(&args.name, page).await?;
    output.value(&in_order(&found)?)?;
    Ok(Exit::Success)
}

/// Takes a refinement back.
pub(super) async fn undo(
    config: &FabricConfig,
    args: UnrefineArgs,
    output: &Output,
) -> anyhow::Result<Exit> {
    let UnrefineArgs { name, by, json: _ } = args;
    let done = client::required(config).await?.undo_refinement(&name, &named(by)).await?;
    let RefinementEntry { before, in_force, .. } = &done.entry;
    let undone = before.map(|number| format!("entry {number} undone")).unwrap_or_default();
    let counts = match in_force {
        Some(number) => format!("entry {number} counts again"),
        None => "no refinement counts".into(),
    };
    said(&done, &format!("{name}: {undone}, {counts}"), output)
}

fn named(by: RefinedByArgs) -> RefinedBy {
    let RefinedByArgs { author, source_layer, reason } = by;
    RefinedBy { author, source_layer, reason }
}

fn said(done: &Refined, counts: &str, output: &Output) -> anyhow::Result<Exit> {
    if output.is_json() {
        output.value(&in_order(done)?)?;
        return Ok(Exit::Success);
    }
    let agents = |ids: &[AgentId]| match ids.len() {
        1 => "1 agent".to_owned(),
        count => format!("{count} agents"),
    };
    let mut line = counts.to_owned();
    if !done.agents.is_empty() {
        line += &format!("; {} replaced", agents(&done.agents));
    }
    if !done.behind.is_empty() {
        line += &format!(
            "; {} could not be replaced: set the same again to try once more",
            agents(&done.behind)
        );
    }
    output.line(&line)?;
    Ok(Exit::Success)
}
