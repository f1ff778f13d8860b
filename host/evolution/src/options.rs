//! What an evolution is asked to do, and whether that can be done.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chimera_layer4_core::ResourceQuota;
use chimera_layer4_core::genome::{Axis, Grid, Weights};
use serde::{Deserialize, Serialize};

use super::folder;
use chimera_layer4_fabric::BenchTask;

/// Candidates in one evolution: each leaves a line.
pub(super) const MOST_CANDIDATES: u64 = 100_000;
/// Tasks that a candidate runs.
const MOST_TASKS: usize = 10_000;
/// Elites without axes.
const MOST_ELITES: usize = 1_000;
/// For a generator that compiles.
const MOST_PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// Everything that an evolution is asked.
#[derive(Clone, Debug)]
pub struct EvolutionOptions {
    /// The agent type that the tasks are for.
    pub agent_type: String,
    /// The component that it begins with, and against which each is held.
    pub start: Arc<[u8]>,
    /// Where candidates come from.
    pub generator: Generator,
    /// The generator's time for one candidate.
    pub generator_timeout: Duration,
    /// What candidates are judged by.
    pub tasks: Vec<BenchTask>,
    /// What the best is shown on at the end, and none is judged by.
    pub held_out: Vec<BenchTask>,
    /// How many generations; more of them go on from the same state.
    pub generations: u32,
    /// Candidates in each.
    pub population: u32,
    /// Genomes that are kept as parents, where there are no axes.
    pub elites: usize,
    /// What all chance follows from.
    pub seed: u64,
    /// How much each measure counts.
    pub weights: Weights,
    /// Where an output says how good it is, as a JSON pointer: higher is better.
    pub objective: Option<String>,
    /// The features that divide elites into kinds. Without any, only the score
    /// counts.
    pub axes: Vec<Feature>,
    /// Seconds of processor time for all runs of all candidates.
    pub cpu_budget: Option<Duration>,
    /// Where states are kept; each agent type has a folder in it.
    pub folder: PathBuf,
    /// The limits on each candidate.
    pub quota: ResourceQuota,
    /// Forgets what is there of the agent type.
    pub anew: bool,
}

/// Where candidates come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Generator {
    /// The files of a folder, by name, each once.
    #[schema(value_type = String)]
    Folder(PathBuf),
    /// A program and its arguments. It reads one JSON document from its
    /// standard input and prints the path of a component.
    Command(Vec<String>),
}

/// A feature of behaviour, read from the outputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Feature {
    /// Its cells.
    pub axis: Axis,
    /// Where an output has it, as a JSON pointer.
    pub pointer: String,
}

impl EvolutionOptions {
    /// Everything that is out of range, with what is allowed.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints = self.weights.complaints();
        complaints.extend(self.quota.complaints());
        complaints.extend(folder::complaint(&self.agent_type));
        let counts = [
            ("generations", u64::from(self.generations), MOST_CANDIDATES),
            ("population", u64::from(self.population), MOST_CANDIDATES),
            ("elites", self.elites as u64, MOST_ELITES as u64),
            ("tasks", self.tasks.len() as u64, MOST_TASKS as u64),
        ];
        for (name, value, most) in counts {
            if !(1..=most).contains(&value) {
                complaints.push(format!("{name} is {value}; allowed is 1 to {most}"));
            }
        }
        let all = u64::from(self.generations) * u64::from(self.population);
        if all > MOST_CANDIDATES {
            complaints.push(format!(
                "{all} candidates in all; allowed is generations times population up to {MOST_CANDIDATES}"
            ));
        }
        if self.held_out.len() > MOST_TASKS {
            let count = self.held_out.len();
            complaints.push(format!("{count} held-out tasks; allowed is up to {MOST_TASKS}"));
        }
        let patience = self.generator_timeout;
        if patience.is_zero() || patience > MOST_PATIENCE {
            complaints.push(format!(
                "generator_timeout is {} s; allowed is above 0 and up to {} s",
                patience.as_secs_f64(),
                MOST_PATIENCE.as_secs()
            ));
        }
        if matches!(&self.generator, Generator::Command(words) if words.is_empty()) {
            complaints.push("the generator's command is empty; name a program".to_owned());
        }
        let pointers = self.objective.iter().chain(self.axes.iter().map(|one| &one.pointer));
        for pointer in pointers.filter(|pointer| !pointer.is_empty() && !pointer.starts_with('/')) {
            complaints.push(format!(
                "{pointer:?} is no JSON pointer; it starts with `/`, as in `/score`"
            ));
        }
        if !self.axes.is_empty() {
            let axes = self.axes.iter().map(|feature| feature.axis.clone()).collect();
            complaints.extend(Grid::new(axes).err().into_iter().flatten());
        }
        complaints
    }
}
