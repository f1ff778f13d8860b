//! Evolutions: with the packer and its own generator, and with generators and
//! candidates that do everything else.

mod cascade;
mod generators;
mod packer;
mod program;

use std::path::Path;
use std::time::Duration;

use chimera_layer4::fabric::BenchTask;
use chimera_layer4::fabric::genome::Weights;
use chimera_layer4_evolution::{Candidate, Fate, Generator, Outcome, Progress, Stage};
use chimera_layer4_evolution::{Evolution, EvolutionError, EvolutionOptions};
use serde_json::{Value, json};

use crate::handmade::{self, Parts};
use crate::harness::{self, settings, small_quota};

/// A component that answers this, and does this before.
pub(crate) fn component(output: &str, execute: &str) -> Vec<u8> {
    handmade::agent(&Parts { output, execute, ..Parts::default() })
}

/// A component with this score.
pub(crate) fn scoring(score: f64) -> Vec<u8> {
    component(&json!({ "score": score }).to_string(), "")
}

/// By what is the same on every machine alone.
fn exact() -> Weights {
    Weights { latency: 0.0, cpu: 0.0, memory: 0.0, size: 0.0, ..Weights::default() }
}

/// An evolution of a component that scores 1, on four tasks.
fn options(folder: &Path, generator: Generator) -> EvolutionOptions {
    let task = |n| BenchTask { payload: json!(n).into(), expected: None };
    EvolutionOptions {
        agent_type: "scorer".into(),
        start: scoring(1.0).into(),
        generator,
        generator_timeout: Duration::from_secs(60),
        tasks: (0..4).map(task).collect(),
        held_out: (4..6).map(task).collect(),
        generations: 2,
        population: 8,
        elites: 4,
        seed: 1,
        weights: exact(),
        objective: Some("/score".into()),
        axes: Vec::new(),
        cpu_budget: None,
        folder: folder.join("evolution"),
        quota: small_quota(),
        anew: false,
    }
}

fn sh(script: &str) -> Generator {
    Generator::Command(["sh", "-c", script].map(str::to_owned).to_vec())
}

/// What it ended with, and what became of the last candidates.
async fn evolve(options: EvolutionOptions) -> (Result<Outcome, EvolutionError>, Vec<Candidate>) {
    let mut evolution = match Evolution::open(options) {
        Ok(evolution) => evolution,
        Err(error) => return (Err(error), Vec::new()),
    };
    let fabric = harness::fabric(settings()).await;
    let mut candidates = Vec::new();
    let told = |progress: Progress<'_>| {
        if let Progress::Candidate(state) = progress {
            candidates.extend(state.recent.back().cloned());
        }
    };
    let outcome = Box::pin(evolution.run(&fabric, told)).await;
    fabric.shutdown().await.unwrap();
    (outcome, candidates)
}

/// Where one fell, and why.
#[track_caller]
fn fell(candidate: &Candidate) -> (Stage, &str) {
    match &candidate.fate {
        Fate::Fell { at, why } => (*at, why),
        other => panic!("it did not fall: {other:?}"),
    }
}

fn lines(text: &str, count: usize) -> Vec<BenchTask> {
    let task = |line: &str| {
        let mut task: Value = serde_json::from_str(line).unwrap();
        BenchTask { payload: task["payload"].take().into(), expected: None }
    };
    text.lines().take(count).map(task).collect()
}
