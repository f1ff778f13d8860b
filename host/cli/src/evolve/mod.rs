//! `chimera evolve`: better genomes of an agent, found by trying.

mod handover;
mod options;
mod show;
mod start;

use std::sync::Arc;

use chimera_layer4_core::config::TaskStoreKind;
use chimera_layer4_core::{Digest, FabricConfig};
use serde::Serialize;

use self::handover::Handed;
use super::args::evolve::EvolveArgs;
use super::exit::{Exit, despite_agents};
use super::output::Output;
use chimera_layer4_evolution::{Evolution, EvolutionOptions, Outcome};
use chimera_layer4_fabric::Fabric;

/// What is printed with `--json`.
#[derive(Debug, Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    outcome: &'a Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    handed: Option<&'a Handed>,
}

/// Runs until it ends. If it is dropped, it resumes the next time.
pub(super) async fn run(
    config: FabricConfig,
    args: EvolveArgs,
    output: &Output,
) -> anyhow::Result<Exit> {
    // The command reports mistakes in its arguments before it builds.
    let options = options::options(&config, &args).await?;
    let start = start::component(&config, &args, *output).await?;
    let options = EvolutionOptions { start: Arc::clone(&start), ..options };
    let mut evolution = Evolution::open(options)?;
    let outcome = evolve(&config, &mut evolution, output).await?;
    let handed = if args.rollout {
        let component = evolution.component(outcome.best)?;
        Some(handover::hand_over(config, &outcome, component, start).await?)
    } else {
        None
    };
    if output.is_json() {
        output.value(&Report { outcome: &outcome, handed: handed.as_ref() })?;
    } else {
        show::outcome(&outcome, handed.as_ref(), output)?;
    }
    Ok(Exit::Success)
}

/// On a host of its own, which keeps nothing but compiled code: candidates
/// never come near the queue or the store.
async fn evolve(
    config: &FabricConfig,
    evolution: &mut Evolution,
    output: &Output,
) -> anyhow::Result<Outcome> {
    let mut config = config.clone();
    config.queue.task_store = TaskStoreKind::Memory;
    let fabric = Fabric::new(config)?;
    fabric.start().await?;
    let mut shown = show::Shown::new(*output, evolution.candidates());
    let evolved = Box::pin(evolution.run(&fabric, |progress| shown.show(&progress))).await;
    drop(shown);
    // What it ended with counts; its agents have been ended already.
    let ended = fabric.shutdown().await;
    let outcome = evolved?;
    despite_agents(ended)?;
    Ok(outcome)
}

/// A digest as far as a human tells it from others.
fn short(genome: Digest) -> String {
    genome.hex().chars().take(12).collect()
}
