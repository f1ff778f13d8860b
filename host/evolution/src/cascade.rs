//! The checks of a candidate, the cheapest first.
//!
//! Most candidates are worse than their parents, many do not work at all, and some
//! never end. A candidate should cost no more than finding that out. It is admitted
//! like any genome. Then it runs the first tasks, a tenth of all, and is dropped if
//! it fails more often than its parents or its objective is clearly lower. Then it
//! runs the rest, and is dropped as soon as it fails too often.

use chimera_layer4_core::genome::fitness::Measurements;
use chimera_layer4_core::{AgentId, FabricError, Fault, Task};
use chimera_layer4_runtime::{Genome, RunReport};

use super::candidate::{Evidence, Stage};
use super::measure::Measure;
use super::options::EvolutionOptions;
use chimera_layer4_fabric::{BenchTask, Fabric, utils};

/// The first tasks are one in so many of all.
const FIRST: usize = 10;
/// The least number of first tasks: a single one may be unusual.
const LEAST_FIRST: usize = 2;
/// By this share of the tasks more faults are clearly worse, and by this share of
/// itself a lower objective. The other tasks may make up for less.
const CLEARLY: f64 = 0.1;

/// Runs genomes on an evolution's tasks.
pub(super) struct Course<'a> {
    pub(super) fabric: &'a Fabric,
    pub(super) options: &'a EvolutionOptions,
}

/// A genome that ran all tasks.
pub(super) struct Through {
    pub(super) first: Measurements,
    pub(super) all: Measurements,
    pub(super) features: Vec<f64>,
}

/// Why a genome did not run all tasks.
pub(super) enum End {
    Fell(Stage, String),
    OutOfBudget,
    Host(FabricError),
}

/// What a candidate must reach, by the measurements of its parents. The start has
/// no parents and no bar.
#[derive(Clone, Copy, Default)]
pub(super) struct Bar {
    faults: Option<u64>,
    objective: Option<f64>,
}

impl Bar {
    /// The bars on the first tasks and on all. The weakest parent sets each: the
    /// candidate may be like any of them.
    pub(super) fn of(parents: &[&Evidence]) -> (Self, Self) {
        let first: Vec<_> = parents.iter().map(|parent| &parent.first).collect();
        let all: Vec<_> = parents.iter().map(|parent| &parent.all).collect();
        (Self::on(&first), Self { objective: None, ..Self::on(&all) })
    }

    fn on(parents: &[&Measurements]) -> Self {
        let faults = |one: &&Measurements| {
            one.tasks - one.succeeded.min(one.tasks) + (CLEARLY * one.tasks as f64) as u64
        };
        let objectives = parents.iter().filter_map(|one| one.objective);
        let objective = objectives.map(|value| value - CLEARLY * value.abs()).reduce(f64::min);
        Self { faults: parents.iter().map(faults).max(), objective }
    }

    fn judge(&self, measure: &Measure<'_>) -> Result<(), String> {
        match self.faults {
            Some(most) if measure.faults() > most => Err(format!(
                "{} tasks failed, where {most} may by its parents' faults: {}",
                measure.faults(),
                measure.last_fault()
            )),
            _ => Ok(()),
        }
    }

    fn judge_objective(&self, reached: Option<f64>) -> Result<(), String> {
        match (self.objective, reached) {
            (Some(least), Some(value)) if value < least => Err(format!(
                "its objective is {value}; {least} is a tenth below its parents' on these tasks"
            )),
            _ => Ok(()),
        }
    }
}

impl Course<'_> {
    /// Admits a component and runs it on all tasks. Its processor time is added to
    /// `spent`, also where it is dropped.
    pub(super) async fn try_out(
        &self,
        component: &[u8],
        capabilities: Option<&[String]>,
        bars: (Bar, Bar),
        spent: &mut f64,
    ) -> Result<(Through, Vec<String>), End> {
        let genome = self.fabric.agents().load(component).await.map_err(at(Stage::Admission))?;
        let asked = capabilities_of(&genome);
        if let Some(known) = capabilities {
            check_capabilities(&asked, known)?;
        }
        let agent = self.spawn(genome).await?;
        let ran = self.all_tasks(component.len() as u64, bars, spent).await;
        let ended = self.end(agent).await;
        let through = ran?;
        ended?;
        Ok((through, asked))
    }

    /// Starts an agent of the genome, which is the only one of its type.
    pub(super) async fn spawn(&self, genome: std::sync::Arc<Genome>) -> Result<AgentId, End> {
        let config = utils::agent_config(&self.options.agent_type, self.options.quota.clone());
        self.fabric.agents().spawn_genome(genome, config).await.map_err(at(Stage::Admission))
    }

    pub(super) async fn end(&self, agent: AgentId) -> Result<(), End> {
        self.fabric.agents().shutdown(agent).await.map_err(at(Stage::AllTasks))
    }

    /// Runs one task. A fault of the host does not count against the candidate.
    pub(super) async fn run(&self, task: &BenchTask) -> Result<RunReport, FabricError> {
        let task = Task {
            resource_quota: self.options.quota.clone(),
            ..utils::task_for(&self.options.agent_type, task.payload.clone())
        };
        let report = Box::pin(self.fabric.tasks().run_once(&task)).await?;
        match report.result {
            Err(Fault::Host(fault)) => Err(FabricError::Host(fault)),
            Err(Fault::Stopped | Fault::Cancelled) => {
                Err(FabricError::NotRunning { state: "ending" })
            }
            Ok(_) | Err(Fault::Guest(_) | Fault::OverQuota(_)) => Ok(report),
        }
    }

    async fn all_tasks(
        &self,
        size_bytes: u64,
        (first_bar, bar): (Bar, Bar),
        spent: &mut f64,
    ) -> Result<Through, End> {
        let tasks = &self.options.tasks;
        let count = tasks.len().div_ceil(FIRST).max(LEAST_FIRST).min(tasks.len());
        let (first_tasks, rest) = tasks.split_at(count);
        let mut measure = Measure::new(self.options, size_bytes);
        self.tasks(first_tasks, Stage::FirstTasks, &first_bar, &mut measure, spent).await?;
        let first = measure.so_far();
        let fell = |why| End::Fell(Stage::FirstTasks, why);
        first_bar.judge_objective(first.objective).map_err(fell)?;
        self.tasks(rest, Stage::AllTasks, &bar, &mut measure, spent).await?;
        Ok(Through { first, all: measure.so_far(), features: measure.features() })
    }

    async fn tasks(
        &self,
        tasks: &[BenchTask],
        stage: Stage,
        bar: &Bar,
        measure: &mut Measure<'_>,
        spent: &mut f64,
    ) -> Result<(), End> {
        for task in tasks {
            if self.options.cpu_budget.is_some_and(|budget| *spent >= budget.as_secs_f64()) {
                return Err(End::OutOfBudget);
            }
            let report = self.run(task).await.map_err(End::Host)?;
            *spent += report.usage.cpu_seconds;
            let fell = |why| End::Fell(stage, why);
            measure.add(task, &report).map_err(fell)?;
            bar.judge(measure).map_err(fell)?;
        }
        Ok(())
    }
}

/// An error at a stage is either the candidate's or the host's.
fn at(stage: Stage) -> impl Fn(FabricError) -> End {
    move |error| match error {
        // The engine failed because of this component.
        FabricError::Refused(_)
        | FabricError::WasmRuntime(_)
        | FabricError::AgentFault { fault: Fault::Guest(_) | Fault::OverQuota(_), .. }
        | FabricError::ResourceQuotaExceeded { .. }
        | FabricError::AgentTimeout { .. } => End::Fell(stage, error.to_string()),
        error => End::Host(error),
    }
}

/// The interfaces that a genome imports and that need a grant.
fn capabilities_of(genome: &Genome) -> Vec<String> {
    let imports = genome.inspection().imports.iter();
    imports.filter(|import| import.grant.is_some()).map(|import| import.name.clone()).collect()
}

fn check_capabilities(asked: &[String], known: &[String]) -> Result<(), End> {
    // A newer version of the same interface is no new capability.
    let interface = |name: &str| name.split('@').next().unwrap_or_default().to_owned();
    let known: Vec<String> = known.iter().map(|name| interface(name)).collect();
    let new: Vec<&str> =
        asked.iter().filter(|name| !known.contains(&interface(name))).map(|name| &**name).collect();
    if new.is_empty() {
        return Ok(());
    }
    let why = format!("it imports {}, which the start does not", new.join(", "));
    Err(End::Fell(Stage::Admission, why))
}
