//! What is kept of one side of a trial: counts and moments, never the runs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::shares::Counts;

/// A side of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Side {
    /// The genome that is in charge.
    Champion,
    /// The genome that would be.
    Candidate,
}

/// One run, as a trial sees it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// Whether the genome is to blame for a task without an output. What was
    /// cancelled, or failed by the host's own fault, is not observed at all.
    pub failed: bool,
    /// How long the run took, where that can be compared. That of a failed run
    /// is left out: failing fast is no virtue, and a timeout would be counted twice.
    pub latency: Option<Duration>,
    /// Mebibytes that the run held at the most, where they were measured. Those
    /// of a failed run are left out too: a run that fails at once needs little.
    ///
    /// Runs of one instance share its memory, and the test counts each figure
    /// as independent. Where instances live long and differ much for no reason of
    /// the genome's, hand in one figure an instance (say, of its hundredth
    /// task) rather than one a run.
    pub memory_mb: Option<f64>,
}

/// No clock tells less; the logarithm of nothing is not a number.
const SHORTEST: Duration = Duration::from_micros(1);
/// A page of WebAssembly memory, in mebibytes.
const PAGE_MB: f64 = 1.0 / 16.0;

/// One side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Arm {
    /// Runs that are counted against the other side's.
    pub(super) tasks: u64,
    /// Runs beside these.
    #[serde(default)]
    pub(super) apart: u64,
    pub(super) failures: u64,
    /// Of the logarithm of seconds.
    pub(super) latency: Moments,
    /// Of the logarithm of mebibytes.
    pub(super) memory: Moments,
    pub(super) judged: u64,
    /// What is missing to an accuracy of 1.0, summed over the judged.
    pub(super) shortfall: f64,
}

impl Arm {
    pub(super) fn observe(&mut self, run: &Observation) {
        self.tasks = self.tasks.saturating_add(1);
        if run.failed {
            self.failures = self.failures.saturating_add(1);
            return;
        }
        if let Some(latency) = run.latency {
            self.latency.push(latency.max(SHORTEST).as_secs_f64().ln());
        }
        if let Some(mb) = run.memory_mb.filter(|mb| mb.is_finite()) {
            self.memory.push(mb.max(PAGE_MB).ln());
        }
    }

    pub(super) fn judge(&mut self, accuracy: f64) {
        if !accuracy.is_nan() {
            self.judged = self.judged.saturating_add(1);
            self.shortfall += 1.0 - accuracy.clamp(0.0, 1.0);
        }
    }

    pub(super) fn errors(&self) -> Counts {
        Counts { bad: self.failures as f64, all: self.tasks as f64 }
    }

    pub(super) fn wrong(&self) -> Counts {
        Counts { bad: self.shortfall, all: self.judged as f64 }
    }
}

/// Count, mean and squared distances from it, kept by Welford's method
/// ("Note on a Method for Calculating Corrected Sums of Squares and Products",
/// Technometrics, 1962): a sum of squares would lose its digits to the mean's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Moments {
    pub(super) count: u64,
    pub(super) mean: f64,
    pub(super) squares: f64,
}

impl Moments {
    pub(super) fn push(&mut self, value: f64) {
        self.count = self.count.saturating_add(1);
        let before = value - self.mean;
        self.mean += before / self.count as f64;
        self.squares += before * (value - self.mean);
    }

    /// Degrees of freedom of `squares`.
    pub(super) fn freedom(&self) -> u64 {
        self.count.saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_runs_that_ended_well_have_a_latency_and_a_memory() {
        let mut arm = Arm::default();
        let run = |failed, millis, memory_mb| {
            let latency = Some(Duration::from_millis(millis));
            Observation { failed, latency, memory_mb }
        };
        arm.observe(&run(false, 0, Some(0.0)));
        arm.observe(&run(true, 10_000, Some(64.0)));
        arm.observe(&run(false, 1000, Some(f64::NAN)));
        assert_eq!((arm.tasks, arm.failures, arm.latency.count), (3, 1, 2));
        assert_eq!(arm.memory.count, 1);
        assert!(arm.latency.mean.is_finite() && arm.memory.mean.is_finite());
        for accuracy in [1.0, 0.25, -3.0, 7.0, f64::NAN] {
            arm.judge(accuracy);
        }
        assert_eq!((arm.judged, arm.shortfall), (4, 1.75));
    }

    proptest! {
        #[test]
        fn moments_are_those_of_all_values(
            values in proptest::collection::vec(-20.0..20.0_f64, 1..100),
        ) {
            let mut moments = Moments::default();
            values.iter().for_each(|value| moments.push(*value));
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
            prop_assert!((moments.mean - mean).abs() < 1e-9);
            prop_assert!((moments.squares - squares).abs() < 1e-6);
        }
    }
}
