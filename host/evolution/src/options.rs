//! The options of an evolution, and what is wrong with them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chimera_layer4_core::ResourceQuota;
use chimera_layer4_core::genome::{Axis, Grid, Weights};
use serde::{Deserialize, Serialize};

use super::naming;
use chimera_layer4_fabric::BenchTask;

/// The most candidates of one evolution. Each leaves a line in its folder.
const MOST_CANDIDATES: u64 = 100_000;
/// The most tasks that a candidate runs.
const MOST_TASKS: usize = 10_000;
/// The most elites where there are no axes.
const MOST_ELITES: usize = 1_000;
/// The longest time for a generator, which may compile.
const MOST_PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// What an evolution works on, and how.
#[derive(Clone, Debug)]
pub struct EvolutionOptions {
    /// The agent type that the tasks are for.
    pub agent_type: String,
    /// The component that it begins with. Each candidate is compared with it.
    pub start: Arc<[u8]>,
    /// Where candidates come from.
    pub generator: Generator,
    /// The generator's time for one candidate.
    pub generator_timeout: Duration,
    /// The tasks by which candidates are chosen.
    pub tasks: Vec<BenchTask>,
    /// Tasks for the best at the end. No candidate is chosen by them.
    pub held_out: Vec<BenchTask>,
    /// The number of generations. With a larger number an evolution that has ended
    /// goes on.
    pub generations: u32,
    /// Candidates in each.
    pub population: u32,
    /// Genomes that are kept as parents, where there are no axes.
    pub elites: usize,
    /// The seed of every random choice.
    pub seed: u64,
    /// How much each measure counts.
    pub weights: Weights,
    /// The place of the objective in an output, as a JSON pointer. A higher number
    /// is better.
    pub objective: Option<String>,
    /// The features that divide elites into kinds. Without any, only the score
    /// counts.
    pub axes: Vec<Feature>,
    /// Processor time for all runs of all candidates.
    pub cpu_budget: Option<Duration>,
    /// The folder of all evolutions. Each agent type has a folder in it.
    pub folder: PathBuf,
    /// The limits on each candidate.
    pub quota: ResourceQuota,
    /// Whether to remove the state of an earlier evolution of the agent type.
    pub anew: bool,
}

/// Where candidates come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Generator {
    /// The files of a folder, in the order of their names, each once.
    #[schema(value_type = String)]
    Folder(PathBuf),
    /// A program and its arguments. It reads one JSON document from its
    /// standard input and prints the path of a component.
    Command(Vec<String>),
}

/// A feature of behaviour, read from the outputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Feature {
    /// The range of the feature, and its division into cells.
    pub axis: Axis,
    /// The place of the feature in an output, as a JSON pointer.
    pub pointer: String,
}

impl EvolutionOptions {
    /// Everything that is out of range, with what is allowed.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints = self.weights.complaints();
        complaints.extend(self.quota.complaints());
        complaints.extend(naming::complaint(&self.agent_type));
        complaints.extend(self.complaints_of_counts());
        complaints.extend(self.complaints_of_the_generator());
        complaints.extend(self.complaints_of_pointers());
        if !self.axes.is_empty() {
            let axes = self.axes.iter().map(|feature| feature.axis.clone()).collect();
            complaints.extend(Grid::new(axes).err().into_iter().flatten());
        }
        complaints
    }

    fn complaints_of_counts(&self) -> Vec<String> {
        let counts = [
            ("generations", u64::from(self.generations), MOST_CANDIDATES),
            ("population", u64::from(self.population), MOST_CANDIDATES),
            ("elites", self.elites as u64, MOST_ELITES as u64),
            ("tasks", self.tasks.len() as u64, MOST_TASKS as u64),
        ];
        let mut complaints = Vec::new();
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
        complaints
    }

    fn complaints_of_the_generator(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        let patience = self.generator_timeout;
        if patience.is_zero() || patience > MOST_PATIENCE {
            complaints.push(format!(
                "generator_timeout is {} s; allowed is above 0 and up to {} s",
                patience.as_secs_f64(),
                MOST_PATIENCE.as_secs()
            ));
        }
        if matches!(&self.generator, Generator::Command(command) if command.is_empty()) {
            complaints.push("the generator's command is empty; name a program".to_owned());
        }
        complaints
    }

    fn complaints_of_pointers(&self) -> Vec<String> {
        let pointers = self.objective.iter().chain(self.axes.iter().map(|one| &one.pointer));
        let wrong = pointers.filter(|pointer| !pointer.is_empty() && !pointer.starts_with('/'));
        let message = |pointer: &String| {
            format!("{pointer:?} is no JSON pointer; it starts with `/`, as in `/score`")
        };
        wrong.map(message).collect()
    }
}
