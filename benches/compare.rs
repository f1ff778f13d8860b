//! Times two ways to do the same work, in turns.
//!
//! Criterion calls a side for so many iterations and trusts the time it is
//! given. Here either call runs both sides, a slice of the iterations each in
//! turn, so whatever slows the machine down slows both; Criterion gets the
//! time of the side it asked for, and every slice counts for the ratio.

use std::time::Duration;

use anyhow::Result;
use criterion::{Criterion, SamplingMode};

use crate::report::{Figure, Goal, Report, median};

/// Slices of one sample. Even, so that each side goes first as often.
const SLICES: u64 = 8;
/// Slices that make a median worth printing; a trial run has fewer.
const FEWEST: usize = 20;

/// Picks one side's time.
type Side = fn(Totals) -> Duration;

const SIDES: [(&str, Side); 2] =
    [("chimera", |totals| totals.ours), ("wasmtime", |totals| totals.bare)];

/// Does so many iterations and says how long they took, without what it had to
/// prepare.
pub(crate) trait Timed: FnMut(u64) -> Result<Duration> {}

impl<F: FnMut(u64) -> Result<Duration>> Timed for F {}

/// What is compared, and how it is judged.
pub(crate) struct Question {
    /// In Criterion's output and in the table.
    pub(crate) name: &'static str,
    pub(crate) goal: Goal,
    /// Criterion's samples, where its default would take minutes.
    pub(crate) samples: Option<usize>,
}

/// Both sides with what was measured so far, in nanoseconds for an iteration.
struct Turns<A, B> {
    ours: A,
    bare: B,
    ours_nanos: Vec<f64>,
    bare_nanos: Vec<f64>,
    slices: u64,
}

/// Both sides' time, of which Criterion gets the one that it asked for.
#[derive(Clone, Copy, Default)]
struct Totals {
    ours: Duration,
    bare: Duration,
}

/// Asks `question` of both sides and enters the answer into `report`.
pub(crate) fn compare(
    criterion: &mut Criterion,
    question: &Question,
    (ours, bare): (impl Timed, impl Timed),
    report: &mut Report,
) -> Result<()> {
    let (ours_nanos, bare_nanos) = (Vec::new(), Vec::new());
    let mut turns = Turns { ours, bare, ours_nanos, bare_nanos, slices: 0 };
    let mut failure = None;
    let mut group = criterion.benchmark_group(question.name);
    group.sampling_mode(SamplingMode::Flat);
    question.samples.map(|samples| group.sample_size(samples));
    for (name, side) in SIDES {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|iterations| {
                let totals = turns.run(iterations).unwrap_or_else(|error| {
                    failure.get_or_insert(error);
                    Totals::broken(iterations)
                });
                side(totals)
            });
        });
    }
    group.finish();
    if let Some(error) = failure {
        return Err(error.context(question.name));
    }
    if turns.ours_nanos.len() < FEWEST {
        report.skip();
        return Ok(());
    }
    let medians = (median(&mut turns.ours_nanos), median(&mut turns.bare_nanos));
    report.add(question.name, Figure::Nanos, medians, question.goal);
    Ok(())
}

impl<A: Timed, B: Timed> Turns<A, B> {
    fn run(&mut self, iterations: u64) -> Result<Totals> {
        let mut totals = Totals::default();
        let slice = iterations.div_ceil(SLICES).max(1);
        let mut left = iterations;
        while left > 0 {
            let now = slice.min(left);
            left -= now;
            self.slice(now, &mut totals)?;
        }
        Ok(totals)
    }

    fn slice(&mut self, iterations: u64, totals: &mut Totals) -> Result<()> {
        self.slices += 1;
        let (ours, bare);
        if self.slices.is_multiple_of(2) {
            ours = (self.ours)(iterations)?;
            bare = (self.bare)(iterations)?;
        } else {
            bare = (self.bare)(iterations)?;
            ours = (self.ours)(iterations)?;
        }
        self.ours_nanos.push(ours.as_nanos() as f64 / iterations as f64);
        self.bare_nanos.push(bare.as_nanos() as f64 / iterations as f64);
        totals.ours += ours;
        totals.bare += bare;
        Ok(())
    }
}

impl Totals {
    /// Criterion cannot be told to stop; this keeps what is left of it short.
    fn broken(iterations: u64) -> Self {
        let nothing = Duration::from_nanos(iterations);
        Self { ours: nothing, bare: nothing }
    }
}
