//! Five layers around one agent type: layer 2 sends tasks, layer 3 judges their results,
//! layer 5 reads key figures, layer 7 sends a better genome, which takes over when it has
//! shown in real tasks that it is no worse, and layer 8 gives the agents more memory.
//!
//! `cargo run -p chimera-examples --bin integration`

#![allow(clippy::print_stdout, reason = "it is what the program is for")]

use chimera_layer4::fabric::Digest;
use chimera_layer4::fabric::genome::{Margins, Plan, Policy};
use chimera_layer4::*;
use serde_json::json;

chimera_layer4::include_agents!();

/// Texts, and how many words each has.
const TEXTS: [(&str, u64); 4] =
    [("one two three", 3), ("free and equal", 3), ("two  spaces", 2), ("a line's\nend", 3)];
/// Tasks with each text before and after the trial.
const ROUNDS: usize = 10;

fn main() -> Layer4Result<()> {
    compile_if_asked();
    start()
}

#[tokio::main]
async fn start() -> Layer4Result<()> {
    // A host by itself: it reads no settings, and opens no port.
    let builder = Layer4Fabric::builder(Layer4Config::default()).without_port();
    let report = run(&builder.build().await?).await?;
    println!("layers 2 and 3: tasks came, and each output was judged");
    println!("layer 5: the accuracy was {:.2}", report.accuracy_before);
    println!("layer 7: a genome was on trial, and is in charge now:\n{}", report.lineage);
    println!("layer 5: the accuracy is {:.2}", report.accuracy_after);
    println!("layer 8: a long text ended as {:?} with 8 MiB", report.with_8_mib);
    println!("layer 8: and as {:?} with 64 MiB", report.with_64_mib);
    Ok(())
}

/// What happened.
pub(crate) struct Report {
    pub(crate) accuracy_before: f64,
    pub(crate) accuracy_after: f64,
    /// The genomes of the type and what they went through, as text.
    pub(crate) lineage: String,
    /// The number of words, or the code of the fault.
    pub(crate) with_8_mib: Result<u64, &'static str>,
    pub(crate) with_64_mib: Result<u64, &'static str>,
}

pub(crate) async fn run(layer4: &Layer4Fabric) -> Layer4Result<Report> {
    layer4.start().await?;
    let quota = |max_memory_mb| ResourceQuota { max_memory_mb, ..ResourceQuota::default() };
    let (old, new) = (WordsBySpace::component(), Words::component().into_owned());
    layer4.spawn_agent(&old, utils::agent_config("words", quota(8))).await?;

    // Layers 2 and 3 until there is something to read, then layer 5.
    for _ in 0..ROUNDS {
        tasks_and_judgements(layer4).await?;
    }
    let accuracy_before = accuracy(layer4, Digest::of(&old)).await?;

    // Layer 7: half of the tasks are the candidate's until the trial has a verdict. It counts
    // errors, latency, memory, and the accuracy that layer 3 reports. The margins say how
    // much worse than before would still do; they are wide, so that few tasks decide.
    let margins = Margins { errors: 0.1, latency: 10.0, memory: 3.0, accuracy: 0.1 };
    let policy = Policy { margins, ..Policy::default() };
    let plan = Plan { steps: vec![0.5], policy, ..Plan::default() };
    let genomes = layer4.fabric().genomes();
    let candidate = genomes.start_rollout("words", new, plan).await?.candidate.genome;
    while genomes.rollout("words").is_ok() {
        tasks_and_judgements(layer4).await?;
    }
    let lineage = genomes.tree("words").await?;
    for _ in 0..ROUNDS {
        tasks_and_judgements(layer4).await?;
    }
    let accuracy_after = accuracy(layer4, candidate).await?;

    // Layer 8: the quota of agents that run changes, without a restart.
    let with_8_mib = long_text(layer4).await?;
    let target = AllocationTarget::AgentType("words".to_owned());
    let allocation = ResourceAllocation { target, resource_quota: quota(64) };
    layer4.update_resource_allocation(allocation).await?;
    let with_64_mib = long_text(layer4).await?;

    layer4.shutdown().await?;
    Ok(Report { accuracy_before, accuracy_after, lineage, with_8_mib, with_64_mib })
}

/// Layer 2 sends each text, and layer 3 says whether the answer is right.
async fn tasks_and_judgements(layer4: &Layer4Fabric) -> Layer4Result<()> {
    for (text, words) in TEXTS {
        let task = utils::task_for("words", json!({ "text": text }));
        let task = Task { source_layer: "layer2".to_owned(), ..task };
        let result = layer4.submit_discovery_task(task).await?;
        let accuracy = if counted(&result) == Some(words) { 1.0 } else { 0.0 };
        let validation = ValidationResult { task_id: result.task_id, accuracy };
        layer4.submit_validation(validation).await?;
    }
    Ok(())
}

/// How many words an agent counted.
fn counted(result: &ExecutionResult) -> Option<u64> {
    result.output.get("words")?.as_u64()
}

/// Layer 5 reads the accuracy of a genome over the last minutes; not a number where layer 3
/// has judged nothing.
async fn accuracy(layer4: &Layer4Fabric, genome: Digest) -> Layer4Result<f64> {
    let reports = layer4.get_kpi_data().await?;
    let judged = |report: &&KpiReport| report.genome == genome && !report.accuracy.is_nan();
    Ok(reports.iter().find(judged).map_or(f64::NAN, |report| report.accuracy))
}

/// A text of a million words, which takes some memory.
async fn long_text(layer4: &Layer4Fabric) -> Layer4Result<Result<u64, &'static str>> {
    let task = utils::task_for("words", json!({ "text": "word ".repeat(1_000_000) }));
    let result = layer4.submit_discovery_task(task).await?;
    Ok(match &result.fault {
        None => Ok(counted(&result).unwrap_or_default()),
        Some(fault) => Err(fault.code()),
    })
}
