//! One number for a genome, and the evidence behind it.
//!
//! # Formula, version 1
//!
//! Each measure has a *utility* from 0 to 1, where 0.5 is as good as the
//! genome that it is held against (the champion, or the first of an evolution):
//!
//! | measure | utility | of |
//! | --- | --- | --- |
//! | success, agreement | `0.5 + difference / 2` | shares, candidate less champion |
//! | latency, cpu, memory, size | `1 / (1 + ratio)` | candidate to champion |
//! | objective | `0.5 + x / (2 + 2 |x|)` | `x`: difference to the magnitude of the other's, or to 1 where that is 0 |
//!
//! The score is their mean, weighted by [`Weights`], over what was measured on
//! both sides. It lies from 0 to 1; the champion itself has 0.5. One point of
//! success is worth, for equal weights, as much as 2 % of a ratio.
//!
//! Of a [`Comparison`] only what its interval *shows* is counted: the end that
//! is nearest to no difference, and no difference where the interval contains
//! it. The best of many candidates by their estimates is mostly the luckiest.
//!
//! Hard constraints come before any score: a genome that is shown to fail more,
//! or to answer right less often, is disqualified, whatever else it gained.
//!
//! The version is kept with each score; scores of different versions are never
//! compared.

mod pareto;

use serde::{Deserialize, Serialize};

use super::compare::{
    Answer, Comparison, FEWEST_PAIRS, Interval, MOST, Ratios, Share, Shares, is_a_figure,
    square_and_add,
};

pub use pareto::{Scored, pareto_front};

/// Of the formula above.
pub const FORMULA_VERSION: u32 = 1;

/// How much each measure counts, relative to the others: 0 (not at all) to 1000.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Weights {
    /// Tasks that end with an output.
    pub success: f64,
    /// Outputs that agree with validated ones.
    pub agreement: f64,
    /// Time of a task.
    pub latency: f64,
    /// Processor time of a task.
    pub cpu: f64,
    /// Memory of a task.
    pub memory: f64,
    /// Bytes of the component.
    pub size: f64,
    /// What the outputs themselves report, where they do.
    pub objective: f64,
}

/// The most that a measure may weigh.
pub const MOST_WEIGHT: f64 = 1000.0;

impl Default for Weights {
    /// Being right and answering at all come first: a point of either is worth
    /// 8 % of latency. Processor time counts like latency, being what a host
    /// runs out of; memory half of that, since most hosts have some to spare;
    /// size little, it is paid once. What a task's author calls its objective
    /// is why there is an evolution, and counts like being right.
    fn default() -> Self {
        Self {
            success: 4.0,
            agreement: 4.0,
            latency: 1.0,
            cpu: 1.0,
            memory: 0.5,
            size: 0.1,
            objective: 4.0,
        }
    }
}

impl Weights {
    /// Everything that is out of range, with what is allowed; none is in order.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let named = Criterion::ALL.map(|criterion| (criterion, self.of(criterion)));
        let wrong = |(_, weight): &&(Criterion, f64)| !(0.0..=MOST_WEIGHT).contains(weight);
        let complaint = |(criterion, weight): &(Criterion, f64)| {
            format!("weights.{} is {weight}; allowed is 0 to {MOST_WEIGHT}", criterion.name())
        };
        let mut complaints: Vec<String> = named.iter().filter(wrong).map(complaint).collect();
        if named.iter().all(|(_, weight)| *weight == 0.0) {
            complaints.push("weights are all 0; at least one must count".to_owned());
        }
        complaints
    }

    /// The weight of a criterion, to be set.
    pub fn of_mut(&mut self, criterion: Criterion) -> &mut f64 {
        match criterion {
            Criterion::Success => &mut self.success,
            Criterion::Agreement => &mut self.agreement,
            Criterion::Latency => &mut self.latency,
            Criterion::Cpu => &mut self.cpu,
            Criterion::Memory => &mut self.memory,
            Criterion::Size => &mut self.size,
            Criterion::Objective => &mut self.objective,
        }
    }

    fn of(&self, criterion: Criterion) -> f64 {
        match criterion {
            Criterion::Success => self.success,
            Criterion::Agreement => self.agreement,
            Criterion::Latency => self.latency,
            Criterion::Cpu => self.cpu,
            Criterion::Memory => self.memory,
            Criterion::Size => self.size,
            Criterion::Objective => self.objective,
        }
    }
}

/// What a score is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Criterion {
    /// Share of tasks that end with an output.
    Success,
    /// Share of outputs that agree with validated ones.
    Agreement,
    /// Milliseconds of a task.
    Latency,
    /// Seconds of processor time of a task.
    Cpu,
    /// Mebibytes of a task.
    Memory,
    /// Bytes of the component.
    Size,
    /// What the outputs report; higher is better.
    Objective,
}

impl Criterion {
    /// Every criterion.
    pub const ALL: [Criterion; 7] = [
        Criterion::Success,
        Criterion::Agreement,
        Criterion::Latency,
        Criterion::Cpu,
        Criterion::Memory,
        Criterion::Size,
        Criterion::Objective,
    ];

    /// As it is spelled in JSON and in [`Weights`].
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Criterion::Success => "success",
            Criterion::Agreement => "agreement",
            Criterion::Latency => "latency",
            Criterion::Cpu => "cpu",
            Criterion::Memory => "memory",
            Criterion::Size => "size",
            Criterion::Objective => "objective",
        }
    }
}

/// One measure's part of a score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Term {
    /// Which.
    pub criterion: Criterion,
    /// Of the genome it is held against; a mean.
    pub champion: f64,
    /// Of the genome itself; a mean.
    pub candidate: f64,
    /// The difference or ratio with its interval, where pairs were compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
    /// The difference or ratio that was counted.
    pub counted: f64,
    /// From 0 to 1; 0.5 is as good as the champion.
    pub utility: f64,
    /// Its weight.
    pub weight: f64,
}

/// A score and what it stands on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Fitness {
    /// Version of the formula that made it.
    pub formula: u32,
    /// From 0 to 1, 0.5 being as good as the champion; 0 when disqualified.
    pub score: f64,
    /// Of each measure that both sides have.
    pub terms: Vec<Term>,
    /// Why it has no score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disqualified: Option<String>,
}

/// A genome on its own, as the mean of its runs on the evolution's tasks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Measurements {
    /// Tasks that were run.
    pub tasks: u64,
    /// Tasks that ended with an output.
    pub succeeded: u64,
    /// Outputs that were checked against validated ones.
    pub checked: u64,
    /// Outputs that agreed.
    pub agreed: u64,
    /// Milliseconds of a task.
    pub latency_ms: f64,
    /// Seconds of processor time of a task.
    pub cpu_seconds: f64,
    /// Mebibytes of a task.
    pub memory_peak_mb: f64,
    /// Bytes of the component.
    pub size_bytes: u64,
    /// What the outputs report, in the mean; higher is better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<f64>,
}

/// How sure it must be that a genome fails more, to disqualify it by counts.
const CONFIDENCE: f64 = 0.95;

impl Fitness {
    /// Of a candidate that was held against the champion on the same tasks;
    /// `sizes` are the bytes of the champion and the candidate.
    #[must_use]
    pub fn of_comparison(comparison: &Comparison, sizes: (u64, u64), weights: &Weights) -> Self {
        let terms = [
            of_shares(Criterion::Success, &comparison.success),
            of_shares(Criterion::Agreement, &comparison.agreement),
            of_ratios(Criterion::Latency, &comparison.latency),
            of_ratios(Criterion::Cpu, &comparison.cpu),
            of_ratios(Criterion::Memory, &comparison.memory),
            by_ratio(Criterion::Size, sizes.0 as f64, sizes.1 as f64),
        ];
        let worse = |name: &str, shares: &Shares| {
            (shares.answer == Answer::Worse).then(|| worse(name, shares.difference)).flatten()
        };
        let disqualified = worse("it fails more", &comparison.success)
            .or_else(|| worse("it answers right less often", &comparison.agreement));
        Self::of(terms.into_iter().flatten().collect(), weights, disqualified)
    }

    /// Of a genome of an evolution, held against its `reference`: the one that
    /// the evolution began with. Figures that are not finite, or below 0, are
    /// left out.
    #[must_use]
    pub fn of_genome(own: &Measurements, reference: &Measurements, weights: &Weights) -> Self {
        let counts = |one: &Measurements| {
            let succeeded = Share::of(one.succeeded, one.tasks, CONFIDENCE);
            (succeeded, Share::of(one.agreed, one.checked, CONFIDENCE))
        };
        let ((old_success, old_right), (success, right)) = (counts(reference), counts(own));
        let success = old_success.zip(success).map(|(old, new)| square_and_add(&old, &new, 0.0));
        let right = old_right.zip(right).map(|(old, new)| square_and_add(&old, &new, 0.0));
        let share = |part: u64, all: u64| part as f64 / all.max(1) as f64;
        let by_share = |criterion, old, new, interval: Option<Interval>| {
            interval.map(|interval| Term {
                interval: Some(interval),
                ..term(criterion, old, new, new - old)
            })
        };
        let terms = [
            by_share(
                Criterion::Success,
                share(reference.succeeded, reference.tasks),
                share(own.succeeded, own.tasks),
                success,
            ),
            by_share(
                Criterion::Agreement,
                share(reference.agreed, reference.checked),
                share(own.agreed, own.checked),
                right,
            ),
            by_ratio(Criterion::Latency, reference.latency_ms, own.latency_ms),
            by_ratio(Criterion::Cpu, reference.cpu_seconds, own.cpu_seconds),
            by_ratio(Criterion::Memory, reference.memory_peak_mb, own.memory_peak_mb),
            by_ratio(Criterion::Size, reference.size_bytes as f64, own.size_bytes as f64),
            by_objective(reference.objective, own.objective),
        ];
        let shown = |name: &str, interval: Option<Interval>| {
            interval.filter(|interval| interval.high < 0.0).and_then(|one| worse(name, Some(one)))
        };
        let none = (own.succeeded == 0).then(|| "no task ended with an output".to_owned());
        let disqualified = none
            .or_else(|| shown("it fails more", success))
            .or_else(|| shown("it answers right less often", right));
        Self::of(terms.into_iter().flatten().collect(), weights, disqualified)
    }

    fn of(mut terms: Vec<Term>, weights: &Weights, disqualified: Option<String>) -> Self {
        let (mut sum, mut weight) = (0.0, 0.0);
        for term in &mut terms {
            term.weight = weights.of(term.criterion);
            sum += term.weight * term.utility;
            weight += term.weight;
        }
        // Nothing that counts was measured: as good as any.
        let score = if weight > 0.0 { sum / weight } else { 0.5 };
        let score = if disqualified.is_some() { 0.0 } else { score };
        Self { formula: FORMULA_VERSION, score, terms, disqualified }
    }
}

fn worse(what: &str, difference: Option<Interval>) -> Option<String> {
    let Interval { estimate, low, high } = difference?;
    let points = |share: f64| share * 100.0;
    Some(format!(
        "{what}: {:+.2} points, between {:+.2} and {:+.2}",
        points(estimate),
        points(low),
        points(high)
    ))
}

/// The end of an interval that is nearest to `none`.
fn shown(interval: &Interval, none: f64) -> f64 {
    none.clamp(interval.low, interval.high.max(interval.low))
}

fn of_shares(criterion: Criterion, shares: &Shares) -> Option<Term> {
    let (champion, candidate) = (shares.champion?, shares.candidate?);
    let interval = shares.difference?;
    let term = term(criterion, champion, candidate, shown(&interval, 0.0));
    Some(Term { interval: Some(interval), ..term })
}

/// Too few pairs for a ratio count as no difference.
fn of_ratios(criterion: Criterion, ratios: &Ratios) -> Option<Term> {
    let (champion, candidate) = (ratios.champion?, ratios.candidate?);
    let enough = ratios.pairs >= FEWEST_PAIRS as u64;
    let counted = ratios.ratio.filter(|_| enough).map_or(1.0, |ratio| shown(&ratio, 1.0));
    let term = term(criterion, champion.mean, candidate.mean, counted);
    Some(Term { interval: ratios.ratio, ..term })
}

/// Without an interval: of sizes, which are exact, and of means of one genome.
fn by_ratio(criterion: Criterion, champion: f64, candidate: f64) -> Option<Term> {
    if !is_a_figure(champion) || !is_a_figure(candidate) {
        return None;
    }
    // Two that used nothing are alike; utilities reach 0 where only one did.
    let ratio =
        if champion == candidate { 1.0 } else { candidate / champion.max(f64::MIN_POSITIVE) };
    Some(term(criterion, champion, candidate, ratio.min(MOST)))
}

fn by_objective(champion: Option<f64>, candidate: Option<f64>) -> Option<Term> {
    let (champion, candidate) = (champion?, candidate?);
    if !is_a_figure(champion.abs()) || !is_a_figure(candidate.abs()) {
        return None;
    }
    let scale = if champion == 0.0 { 1.0 } else { champion.abs() };
    let counted = (candidate / scale - champion / scale).clamp(-MOST, MOST);
    Some(term(Criterion::Objective, champion, candidate, counted))
}

/// Its weight is set where the score is made.
fn term(criterion: Criterion, champion: f64, candidate: f64, counted: f64) -> Term {
    let utility = match criterion {
        Criterion::Success | Criterion::Agreement => 0.5 + counted / 2.0,
        Criterion::Latency | Criterion::Cpu | Criterion::Memory | Criterion::Size => {
            1.0 / (1.0 + counted)
        }
        Criterion::Objective => 0.5 + 0.5 * (counted / (1.0 + counted.abs())),
    };
    Term { criterion, champion, candidate, interval: None, counted, utility, weight: 0.0 }
}

#[cfg(test)]
mod tests;
