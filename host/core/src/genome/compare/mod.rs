//! A candidate held against the champion on the same recorded tasks.
//!
//! Every task was run by both, so every figure is of pairs: how hard a task is
//! falls out of the difference, and a few dozen tasks say what hundreds of
//! unpaired runs would. Each measure has an interval of its own, at the asked
//! confidence (five intervals at 95 % are all right at once somewhat less
//! often; a decision by all of them needs a higher confidence). An answer is
//! only what the interval shows, and "cannot tell" is one.
//!
//! This is one look at a fixed number of pairs. What is looked at while it
//! grows is a [`trial`](super::trial).

mod intervals;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(super) use intervals::{Share, square_and_add};

pub use intervals::Interval;

use super::trial::Margins;
use intervals::{Fourfold, mean_ratio};

/// One run of a recorded task.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Whether it ended with an output.
    pub success: bool,
    /// Whether the output agrees with the validated one; `None` where none was.
    pub agrees: Option<bool>,
    /// How long it took.
    pub latency: Duration,
    /// Processor time.
    pub cpu_seconds: f64,
    /// Mebibytes that it held at the most.
    pub memory_peak_mb: f64,
}

/// The same task, run by both.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// By the genome in charge.
    pub champion: Measured,
    /// By the one that would be.
    pub candidate: Measured,
}

/// What an interval shows of the candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Answer {
    /// It is better than the champion, and may be so by more than the margin.
    Better,
    /// It is as good, within the margin.
    Same,
    /// It is worse than the champion, and may be so by more than the margin.
    Worse,
    /// Neither is shown: run more tasks.
    CannotTell,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Answer::Better => "better",
            Answer::Same => "same",
            Answer::Worse => "worse",
            Answer::CannotTell => "cannot tell",
        })
    }
}

/// A yes-or-no outcome, in shares from 0.0 to 1.0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Shares {
    /// Pairs in which both sides were measured.
    pub pairs: u64,
    /// Share of the champion's runs; absent of no pairs.
    pub champion: Option<f64>,
    /// Share of the candidate's runs; absent of no pairs.
    pub candidate: Option<f64>,
    /// Candidate less champion; above 0 is better.
    pub difference: Option<Interval>,
    /// How much less counts as the same.
    pub margin: f64,
    /// What that shows.
    pub answer: Answer,
}

/// Figures of one side.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Summary {
    /// The arithmetic mean.
    pub mean: f64,
    /// Half of the runs were no higher.
    pub p50: f64,
    /// 95 % of the runs were no higher.
    pub p95: f64,
}

/// A figure that is better the lower it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Ratios {
    /// Pairs in which both runs ended with an output.
    pub pairs: u64,
    /// Of the champion; absent of no pairs.
    pub champion: Option<Summary>,
    /// Of the candidate; absent of no pairs.
    pub candidate: Option<Summary>,
    /// Candidate to champion, as the geometric mean over the tasks; below 1 is
    /// better. Absent of fewer than two pairs.
    pub ratio: Option<Interval>,
    /// Which ratio counts as the same.
    pub margin: f64,
    /// What that shows.
    pub answer: Answer,
}

/// Everything that a benchmark says.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Comparison {
    /// Tasks that both ran.
    pub pairs: u64,
    /// Of each interval, for itself.
    pub confidence: f64,
    /// Runs that ended with an output.
    pub success: Shares,
    /// Outputs that agree with validated ones. A run that failed does not.
    pub agreement: Shares,
    /// Milliseconds.
    pub latency: Ratios,
    /// Seconds of processor time.
    pub cpu: Ratios,
    /// Mebibytes.
    pub memory: Ratios,
}

/// Fewer pairs give no answer about a ratio: a few runs that measured alike by
/// luck would have an interval of next to no width.
pub const FEWEST_PAIRS: usize = 5;

/// A microsecond, in milliseconds: no clock tells less, and nothing has no
/// logarithm.
const LEAST_MS: f64 = 1e-3;
/// The same in seconds.
const LEAST_SECONDS: f64 = 1e-6;
/// A page of WebAssembly memory, in mebibytes.
const LEAST_MB: f64 = 1.0 / 16.0;

/// Numbers close to the greatest there is are written as JSON and not read again.
pub(super) const MOST: f64 = 1e300;

/// Holds the candidate against the champion. `confidence` is clamped to 0.5 to
/// 0.9999; processor time has the margin of latency.
#[must_use]
pub fn compare(pairs: &[Pair], confidence: f64, margins: &Margins) -> Comparison {
    let confidence = if confidence.is_nan() { 0.95 } else { confidence.clamp(0.5, 0.9999) };
    let (mut success, mut agreement) = (Fourfold::default(), Fourfold::default());
    for Pair { champion, candidate } in pairs {
        success.add(champion.success, candidate.success);
        if let (Some(old), Some(new)) = (agrees(champion), agrees(candidate)) {
            agreement.add(old, new);
        }
    }
    // Failing fast is no virtue: what a run that failed used is left out.
    let both: Vec<&Pair> =
        pairs.iter().filter(|pair| pair.champion.success && pair.candidate.success).collect();
    let ratios = |figure: fn(&Measured) -> f64, least, margin| {
        let figures = both.iter().map(|pair| (figure(&pair.champion), figure(&pair.candidate)));
        Ratios::of(&figures.collect::<Vec<_>>(), least, margin, confidence)
    };
    Comparison {
        pairs: pairs.len() as u64,
        confidence,
        success: Shares::of(&success, margins.errors, confidence),
        agreement: Shares::of(&agreement, margins.accuracy, confidence),
        latency: ratios(|run| run.latency.as_secs_f64() * 1000.0, LEAST_MS, margins.latency),
        cpu: ratios(|run| run.cpu_seconds, LEAST_SECONDS, margins.latency),
        memory: ratios(|run| run.memory_peak_mb, LEAST_MB, margins.memory),
    }
}

/// A task whose right output is known, and that failed, was not answered right;
/// were it left out, failing the hard tasks would look like a virtue.
fn agrees(run: &Measured) -> Option<bool> {
    run.agrees.map(|agrees| agrees && run.success)
}

impl Shares {
    fn of(fell: &Fourfold, margin: f64, confidence: f64) -> Self {
        let pairs = fell.all();
        let share = |count: u64| (pairs > 0).then(|| count as f64 / pairs as f64);
        let difference = fell.difference(confidence);
        // Turned round, so that above 0 is worse, as with ratios.
        let answer = difference
            .map_or(Answer::CannotTell, |Interval { low, high, .. }| answer(-high, -low, margin));
        let (champion, candidate) = (share(fell.champion()), share(fell.candidate()));
        Self { pairs, champion, candidate, difference, margin, answer }
    }
}

impl Ratios {
    /// Figures that are no numbers, or none that anything measures, are left
    /// out together with their twins.
    fn of(figures: &[(f64, f64)], least: f64, margin: f64, confidence: f64) -> Self {
        let known = |(old, new): &&(f64, f64)| is_a_figure(*old) && is_a_figure(*new);
        let figures: Vec<(f64, f64)> = figures.iter().filter(known).copied().collect();
        let log = |(old, new): &(f64, f64)| new.max(least).ln() - old.max(least).ln();
        let ratio = mean_ratio(&figures.iter().map(log).collect::<Vec<_>>(), confidence);
        let answer = match ratio {
            Some(Interval { low, high, .. }) if figures.len() >= FEWEST_PAIRS => {
                answer(low.ln(), high.ln(), margin.ln())
            }
            Some(_) | None => Answer::CannotTell,
        };
        let (old, new): (Vec<f64>, Vec<f64>) = figures.iter().copied().unzip();
        let (champion, candidate) = (Summary::of(old), Summary::of(new));
        Self { pairs: figures.len() as u64, champion, candidate, ratio, margin, answer }
    }
}

/// From 0 up to what JSON can surely hold.
pub(super) fn is_a_figure(value: f64) -> bool {
    (0.0..=MOST).contains(&value)
}

/// What is shown of a difference in which above 0 is worse.
fn answer(low: f64, high: f64, margin: f64) -> Answer {
    // First, since what is certain and small is no reason to act.
    if low >= -margin && high <= margin {
        Answer::Same
    } else if low > 0.0 {
        Answer::Worse
    } else if high < 0.0 {
        Answer::Better
    } else {
        Answer::CannotTell
    }
}

impl Summary {
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let count = values.len();
        // The nearest rank, which is a run that really was.
        let quantile = |share: f64| {
            let rank = (share * count as f64).ceil() as usize;
            values.get(rank.saturating_sub(1)).copied()
        };
        let mean = values.iter().map(|value| value / count as f64).sum();
        Some(Self { mean, p50: quantile(0.5)?, p95: quantile(0.95)? })
    }
}

#[cfg(test)]
mod tests;
