//! What must be the same for an evolution to resume.
//!
//! Scores are comparable only under the same tasks, weights and limits, and
//! chance is the same only from the same seed. How long it runs (generations
//! and budget) is no part of it: an evolution is continued by more of either.

use chimera_layer4_core::genome::Weights;
use chimera_layer4_core::{Digest, ResourceQuota};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::options::{EvolutionOptions, Feature, Generator};
use chimera_layer4_fabric::BenchTask;

/// The options that a state belongs to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Terms {
    /// The agent type.
    pub agent_type: String,
    /// The genome that it began with.
    pub start: Digest,
    /// Where candidates come from.
    pub generator: Generator,
    /// The sha256 of the tasks as JSON.
    pub tasks: Digest,
    /// The sha256 of the held-out tasks as JSON.
    pub held_out: Digest,
    /// Candidates in each generation.
    pub population: u32,
    /// Genomes that are kept where there are no axes.
    pub elites: usize,
    /// What all chance follows from.
    pub seed: u64,
    /// How much each measure counts.
    pub weights: Weights,
    /// Where an output says how good it is.
    pub objective: Option<String>,
    /// The features that divide elites into kinds.
    pub axes: Vec<Feature>,
    /// The limits on each candidate.
    pub quota: ResourceQuota,
}

impl Terms {
    pub(super) fn of(options: &EvolutionOptions) -> Self {
        Self {
            agent_type: options.agent_type.clone(),
            start: Digest::of(&options.start),
            generator: options.generator.clone(),
            tasks: digest(&options.tasks),
            held_out: digest(&options.held_out),
            population: options.population,
            elites: options.elites,
            seed: options.seed,
            weights: options.weights,
            objective: options.objective.clone(),
            axes: options.axes.clone(),
            quota: options.quota.clone(),
        }
    }

    /// Each option that differs, as `name was …, is …`.
    pub(super) fn differences(&self, now: &Terms) -> Vec<String> {
        let (Ok(Value::Object(was)), Ok(Value::Object(now))) =
            (serde_json::to_value(self), serde_json::to_value(now))
        else {
            return Vec::new();
        };
        let differs = |(name, was): (String, Value)| {
            let is = now.get(&name).cloned().unwrap_or_default();
            (was != is).then(|| format!("{name} was {was}, is {is}"))
        };
        was.into_iter().filter_map(differs).collect()
    }
}

fn digest(tasks: &[BenchTask]) -> Digest {
    // What came from JSON goes back into it.
    Digest::of(&serde_json::to_vec(tasks).unwrap_or_default())
}
