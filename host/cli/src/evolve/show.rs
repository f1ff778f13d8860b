//! How far an evolution is, and what came of it.

use super::handover::Handed;
use super::short;
use crate::output::Output;
use crate::progress::Bar;
use chimera_layer4_evolution::{Figures, Generation, Outcome, Progress, State};

/// A bar, and a line for each generation.
pub(super) struct Shown {
    output: Output,
    bar: Bar,
    /// Of all generations.
    candidates: u64,
}

impl Shown {
    pub(super) fn new(output: Output, candidates: u64) -> Self {
        Self { output, bar: Bar::new(output, "evolving"), candidates }
    }

    pub(super) fn show(&mut self, progress: &Progress<'_>) {
        match progress {
            Progress::Ready(state) => {
                self.line(&ready(state));
                self.fraction(state);
            }
            Progress::Candidate(state) => self.fraction(state),
            Progress::Generation(generation) => self.line(&line(generation)),
            Progress::HeldOut => self.bar.say("the best on the held-out tasks"),
        }
    }

    fn line(&self, text: &str) {
        self.bar.aside(|| self.output.note(text));
    }

    fn fraction(&self, state: &State) {
        let share = state.candidates as f64 / self.candidates.max(1) as f64;
        let best = state.archive.best().map_or(0.5, |best| best.fitness.score);
        self.bar.fraction(share, &format!("generation {}, best {best:.4}", state.generation));
    }
}

fn ready(state: &State) -> String {
    let start = short(state.terms.start);
    if state.candidates == 0 {
        let objective = objective(state.reference.all.objective);
        return format!("the start {start}: {} tasks{objective}", state.reference.all.tasks);
    }
    let (generation, candidates) = (state.generation, state.candidates);
    format!("going on from {start} in generation {generation}, after {candidates} candidates")
}

fn line(of: &Generation) -> String {
    let why = of.last_fall.as_ref().map_or_else(String::new, |why| format!(" · the last: {why}"));
    format!(
        "generation {}: best {:.4}{} · evaluated {} · fell {}{why} · known {} · cpu {:.2} s",
        of.generation,
        of.best_score,
        objective(of.best_objective),
        of.evaluated,
        of.fell,
        of.known,
        of.cpu_seconds
    )
}

fn objective(of: Option<f64>) -> String {
    of.map_or_else(String::new, |value| format!(", objective {value:.4}"))
}

/// The digest alone on the first line, then what it is worth.
pub(super) fn outcome(
    outcome: &Outcome,
    handed: Option<&Handed>,
    output: &Output,
) -> anyhow::Result<()> {
    output.line(&outcome.best.to_string())?;
    let (generations, candidates) = (outcome.generations, outcome.candidates);
    output.line(&format!(
        "{} after {generations} generations, {candidates} candidates and {:.2} s of processor",
        if outcome.best == outcome.start { "nothing better than the start" } else { "the best" },
        outcome.cpu_seconds
    ))?;
    if let Some(why) = &outcome.last_fall {
        output.line(&format!("the last candidate that fell: {why}"))?;
    }
    output.line(&format!("score {:.4}, where the start has 0.5", outcome.score))?;
    output.line(&figures("in training", &outcome.train))?;
    if let Some(held_out) = &outcome.held_out {
        output.line(&figures("held out", held_out))?;
        let answers = held_out.comparison.iter().map(|comparison| {
            let (latency, cpu) = (comparison.latency.answer, comparison.cpu.answer);
            format!(
                "held out: success {}, latency {latency}, cpu {cpu}, memory {}",
                comparison.success.answer, comparison.memory.answer
            )
        });
        answers.into_iter().try_for_each(|line| output.line(&line))?;
    }
    match handed {
        None => {}
        Some(Handed::OnTrial { .. }) => output.line("it is on trial; `chimera rollout show`")?,
        Some(Handed::Stored { .. }) => {
            output.line("it is stored; no host serves the data folder to try it")?;
        }
        Some(Handed::Kept { why }) => output.line(&format!("it is not handed over: {why}"))?,
    }
    Ok(())
}

fn figures(what: &str, of: &Figures) -> String {
    let (start, best) = (&of.start, &of.best);
    let mut line = format!("{what}: ");
    if let Some((old, new)) = start.objective.zip(best.objective) {
        line.push_str(&format!("objective {old:.4} → {new:.4}, "));
    }
    if let Some(counted) = of.objective {
        let (better, same, worse) = (counted.better, counted.same, counted.worse);
        line.push_str(&format!("better in {better}, same in {same}, worse in {worse} tasks, "));
    }
    line + &format!(
        "{} of {} → {} of {} runs without a fault",
        start.succeeded, start.tasks, best.succeeded, best.tasks
    )
}
