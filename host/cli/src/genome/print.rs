//! What `chimera genome` says to a reader.

use chimera_layer4_api::genomes::{
    AdmittedGenome, Benchmark, GenomeSummary, Gone, Lineage, StateCarried, Swapped, Verified,
};
use chimera_layer4_core::genome::Answer;
use chimera_layer4_core::genome::compare::Interval;
use serde::Serialize;

use crate::output::{Output, in_order};

pub(super) fn pushed(done: &AdmittedGenome, samples: usize, output: &Output) -> anyhow::Result<()> {
    output.line(&done.genome.to_string())?;
    let new = if done.new { "admitted and stored" } else { "stored already" };
    output.note(&format!("{new} · chimera:agent@{}", done.report.contract));
    if let Some(note) = &done.note {
        output.note(&format!("note: {note}"));
    }
    let tried = done.report.samples_tried();
    if tried < samples {
        output.note(&format!("{tried} of {samples} samples were tried: no more are recorded"));
    }
    Ok(())
}

pub(super) fn stored(done: &[GenomeSummary], output: &Output) -> anyhow::Result<()> {
    for GenomeSummary { genome, bytes, active_for } in done {
        output.line(format!("{genome}  {bytes:>10}  {}", active_for.join(", ")).trim_end())?;
    }
    Ok(())
}

/// All of it, as JSON.
pub(super) fn whole(done: &impl Serialize, output: &Output) -> anyhow::Result<()> {
    Ok(output.line(&serde_json::to_string_pretty(&in_order(done)?)?)?)
}

pub(super) fn history(done: &Lineage, agent_type: &str, output: &Output) -> anyhow::Result<()> {
    if done.tree.is_empty() {
        output.note(&format!("nothing is recorded of {agent_type}"));
        return Ok(());
    }
    Ok(output.line(done.tree.trim_end())?)
}

pub(super) fn swapped(done: &Swapped, output: &Output) -> anyhow::Result<()> {
    let Swapped { agents, agent_type, to, switch_micros, .. } = done;
    let agents = agents.len();
    output.line(&format!(
        "{agents} agents of {agent_type} run {to}; tasks waited {switch_micros} µs"
    ))?;
    output.note(&what_became_of_state(&done.state));
    let behind = done.behind.len();
    if behind > 0 {
        output.note(&format!(
            "{behind} more did not start with it and go on with what they ran; the log says why, \
             and promoting it again tries these again"
        ));
    }
    Ok(())
}

pub(in super::super) fn what_became_of_state(state: &StateCarried) -> String {
    match state {
        StateCarried::StartedAnew { why } => format!("their state began anew: {why}"),
        StateCarried::Carried { bytes, paused_micros } => format!(
            "{bytes} bytes of state were carried over; no task began for {paused_micros} µs meanwhile"
        ),
    }
}

pub(super) fn verified(done: &Verified, output: &Output) -> anyhow::Result<()> {
    output.line(&format!("{} genomes, {} bytes", done.genomes, done.bytes))?;
    done.findings.iter().for_each(|finding| output.note(finding));
    Ok(())
}

pub(super) fn gone(done: &Gone, output: &Output) -> anyhow::Result<()> {
    let (removed, freed) = (done.removed.len(), done.freed_bytes);
    Ok(output.line(&format!("{removed} genomes removed, {freed} bytes freed"))?)
}

pub(super) fn benchmark(done: &Benchmark, output: &Output) -> anyhow::Result<()> {
    let of = &done.comparison;
    output.line(&format!("{} runs of each", of.pairs))?;
    let shares = [("success", &of.success), ("agreement", &of.agreement)];
    let shares = shares.map(|(name, of)| (name, of.answer, of.difference));
    let ratios = [("latency", &of.latency), ("cpu", &of.cpu), ("memory", &of.memory)];
    let ratios = ratios.map(|(name, of)| (name, of.answer, of.ratio));
    for (name, answer, interval) in shares.into_iter().chain(ratios) {
        output.line(measure(name, answer, interval).trim_end())?;
    }
    match &done.fitness.disqualified {
        Some(why) => output.line(&format!("disqualified: {why}"))?,
        None => output
            .line(&format!("score {:.4}, where the one in charge has 0.5", done.fitness.score))?,
    }
    Ok(())
}

fn measure(name: &str, answer: Answer, interval: Option<Interval>) -> String {
    let range = interval.map(|Interval { low, high, .. }| format!("{low:.4} to {high:.4}"));
    format!("{name:10} {:12} {}", answer.to_string(), range.unwrap_or_default())
}
