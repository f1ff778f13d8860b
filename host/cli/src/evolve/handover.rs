//! The best of an evolution is handed over: its trial decides.

use std::sync::Arc;

use chimera_layer4_api::genomes::{RolloutRequest, RolloutView};
use chimera_layer4_core::genome::lineage::Source;
use chimera_layer4_core::genome::{Answer, Plan};
use chimera_layer4_core::{Digest, FabricConfig};
use serde::Serialize;

use crate::genome::backend::Genomes;
use chimera_layer4_evolution::{Figures, Outcome};
use chimera_layer4_fabric::NewGenome;

/// What became of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case", tag = "done")]
pub(super) enum Handed {
    /// It is on trial in the host that serves.
    OnTrial { rollout: Box<RolloutView> },
    /// It is stored; no host serves.
    Stored { genome: Digest },
    /// It is not handed over.
    Kept { why: String },
}

pub(super) async fn hand_over(
    config: FabricConfig,
    outcome: &Outcome,
    component: Arc<[u8]>,
    start: Arc<[u8]>,
) -> anyhow::Result<Handed> {
    if outcome.best == outcome.start {
        return Ok(Handed::Kept { why: "nothing better than the start was found".into() });
    }
    let of_tasks = outcome.held_out.as_ref().unwrap_or(&outcome.train);
    let held_out = || outcome.held_out.as_ref().and_then(worse);
    if let Some(why) = unjudged(of_tasks).or_else(held_out) {
        return Ok(Handed::Kept { why });
    }
    let genomes = Genomes::open(config).await?;
    let (agent_type, genome) = (&outcome.agent_type, outcome.best);
    // What it descends from is in the record before it.
    push(&genomes, agent_type, start, None).await?;
    push(&genomes, agent_type, component, Some(outcome.start)).await?;
    if let Genomes::Folder(_) = genomes {
        return Ok(Handed::Stored { genome });
    }
    let (agent_type, plan) = (agent_type.clone(), Plan::default());
    let wanted = RolloutRequest { agent_type, genome, plan };
    let rollout = Box::new(genomes.host()?.start_rollout(&wanted).await?);
    Ok(Handed::OnTrial { rollout })
}

async fn push(
    genomes: &Genomes,
    agent_type: &str,
    bytes: Arc<[u8]>,
    parent: Option<Digest>,
) -> anyhow::Result<()> {
    let source = if parent.is_some() { Source::Evolution } else { Source::File };
    let new = NewGenome {
        author: if parent.is_some() { "chimera evolve".into() } else { String::new() },
        parent,
        source,
        agent_type: Some(agent_type.to_owned()),
        ..NewGenome::new(bytes)
    };
    genomes.push(new).await.map(drop)
}

/// What does nothing at all is fast and small, and would win.
fn unjudged(figures: &Figures) -> Option<String> {
    let told = figures.best.objective.is_some() || figures.best.checked > 0;
    (!told).then(|| {
        "nothing tells right outputs from wrong ones: give the tasks `expected`, or --objective"
            .to_owned()
    })
}

/// Why what was better in training is not worth a trial.
fn worse(held_out: &Figures) -> Option<String> {
    if let Some(comparison) = &held_out.comparison {
        let of = [("success", &comparison.success), ("agreement", &comparison.agreement)];
        if let Some((name, _)) = of.iter().find(|(_, shares)| shares.answer == Answer::Worse) {
            return Some(format!("on the held-out tasks its {name} is worse than the start's"));
        }
    }
    let (old, new) = (held_out.start.objective?, held_out.best.objective?);
    (new < old).then(|| {
        format!("on the held-out tasks its objective is {new:.4}, and the start's {old:.4}")
    })
}
