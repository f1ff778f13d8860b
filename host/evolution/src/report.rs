//! The result of an evolution, with the best measured on held-out tasks.
//!
//! The best was chosen by the training tasks, so its figures there are too good.
//! The held-out tasks chose no candidate. The start and the best run each of them
//! twice: first the start, then the best twice, then the start again. So load on the
//! machine affects both alike.

use std::sync::Arc;

use chimera_layer4_core::genome::fitness::{Measurements, Scored};
use chimera_layer4_core::genome::{Margins, Measured, Pair, compare, pareto_front};
use chimera_layer4_core::{Digest, FabricError};

use super::candidate::{Fate, Stage};
use super::cascade::{Course, End};
use super::error::EvolutionError;
use super::folder::Folder;
use super::measure::{Measure, measured, number};
use super::options::EvolutionOptions;
use super::outcome::{Counted, Figures, Outcome, Why};
use super::state::State;
use chimera_layer4_fabric::Fabric;

/// The confidence of each interval of the comparison.
const CONFIDENCE: f64 = 0.95;

/// The result of an evolution that has ended. Where the best is not the start, both
/// run the held-out tasks.
pub(super) async fn outcome(
    fabric: &Fabric,
    options: &EvolutionOptions,
    folder: &Folder,
    state: &State,
) -> Result<Outcome, EvolutionError> {
    let (best, score) = state.best();
    let evidence = state.evidence.get(&best);
    let held_out = if best == state.terms.start || options.held_out.is_empty() {
        None
    } else {
        let component: Arc<[u8]> = folder.component(best)?.into();
        let course = Course { fabric, options };
        Some(held_out(&course, [&options.start, &component]).await.map_err(on_held_out)?)
    };
    Ok(Outcome {
        agent_type: state.terms.agent_type.clone(),
        ended: state.ended.unwrap_or(Why::Generations),
        generations: state.generation,
        candidates: state.candidates,
        cpu_seconds: state.cpu_seconds,
        start: state.terms.start,
        best,
        parents: evidence.map_or_else(Vec::new, |evidence| evidence.parents.clone()),
        score,
        train: Figures {
            start: state.reference.all,
            best: evidence.map_or(state.reference.all, |evidence| evidence.all),
            objective: None,
            comparison: None,
        },
        held_out,
        pareto: pareto(state),
        last_fall: state.recent.iter().rev().find_map(|candidate| match &candidate.fate {
            Fate::Fell { why, .. } => Some(why.clone()),
            Fate::Scored { .. } | Fate::Known => None,
        }),
    })
}

fn on_held_out(end: End) -> EvolutionError {
    match end {
        End::Fell(_, why) => EvolutionError::Start(format!("on the held-out tasks {why}")),
        End::OutOfBudget => FabricError::Internal("a budget ended a report".into()).into(),
        End::Host(error) => error.into(),
    }
}

fn pareto(state: &State) -> Vec<Digest> {
    let (genomes, scored): (Vec<_>, Vec<_>) =
        state.evidence.iter().map(|(genome, evidence)| (*genome, scored(&evidence.all))).unzip();
    pareto_front(&scored).into_iter().filter_map(|at| genomes.get(at).copied()).collect()
}

fn scored(of: &Measurements) -> Scored {
    let share = |part: u64, all: u64| part as f64 / all.max(1) as f64;
    Scored {
        success: share(of.succeeded, of.tasks),
        agreement: (of.checked > 0).then(|| share(of.agreed, of.checked)),
        latency: of.latency_ms,
        cpu: of.cpu_seconds,
        memory: of.memory_peak_mb,
        size: of.size_bytes,
    }
}

/// One run of a held-out task.
struct Run {
    measured: Measured,
    objective: Option<f64>,
}

async fn held_out(course: &Course<'_>, sides: [&Arc<[u8]>; 2]) -> Result<Figures, End> {
    let [start, best] = sides;
    let mut measures = sides.map(|bytes| Measure::new(course.options, bytes.len() as u64));
    let [of_start, of_best] = &mut measures;
    // An agent receives its type's name, and both need the same one. So they run
    // one after the other, in both orders.
    let mut old = all(course, start, of_start).await?;
    let mut new = all(course, best, of_best).await?;
    new.extend(all(course, best, of_best).await?);
    old.extend(all(course, start, of_start).await?);
    let pairs: Vec<Pair> = old
        .iter()
        .zip(&new)
        .map(|(old, new)| Pair { champion: old.measured, candidate: new.measured })
        .collect();
    let (asked, tasks) = (course.options.objective.is_some(), course.options.held_out.len());
    Ok(Figures {
        start: of_start.so_far(),
        best: of_best.so_far(),
        objective: asked.then(|| count(old.iter().zip(&new).take(tasks))),
        comparison: Some(compare(&pairs, CONFIDENCE, &Margins::default())),
    })
}

async fn all(
    course: &Course<'_>,
    component: &[u8],
    measure: &mut Measure<'_>,
) -> Result<Vec<Run>, End> {
    let genome = course.fabric.agents().load(component).await.map_err(End::Host)?;
    let agent = course.spawn(genome).await?;
    let ran = tasks(course, measure).await;
    let ended = course.end(agent).await;
    let ran = ran?;
    ended?;
    Ok(ran)
}

async fn tasks(course: &Course<'_>, measure: &mut Measure<'_>) -> Result<Vec<Run>, End> {
    let mut runs = Vec::with_capacity(course.options.held_out.len());
    for task in &course.options.held_out {
        let report = course.run(task).await.map_err(End::Host)?;
        let fell = |why| End::Fell(Stage::AllTasks, why);
        measure.add(task, &report).map_err(fell)?;
        let pointer = course.options.objective.as_deref();
        let output = report.result.as_ref().ok();
        let objective = pointer.zip(output).and_then(|(at, output)| number(output, at).ok());
        runs.push(Run { measured: measured(task, &report), objective });
    }
    Ok(runs)
}

/// Compares the objectives of the given runs. The second run of a task is only for
/// the measured times.
fn count<'a>(runs: impl Iterator<Item = (&'a Run, &'a Run)>) -> Counted {
    let mut counted = Counted::default();
    for (old, new) in runs {
        match old.objective.zip(new.objective).map(|(old, new)| new.total_cmp(&old)) {
            Some(std::cmp::Ordering::Greater) => counted.better += 1,
            Some(std::cmp::Ordering::Equal) => counted.same += 1,
            Some(std::cmp::Ordering::Less) => counted.worse += 1,
            None => {}
        }
    }
    counted
}
