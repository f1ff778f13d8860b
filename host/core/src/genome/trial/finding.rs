//! The evidence of a verdict, as a program keeps it and as a human reads it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a trial measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Measure {
    /// Tasks that failed.
    Errors,
    /// Time of a run that did not.
    Latency,
    /// Memory of a run.
    Memory,
    /// How right the outputs are, in layer 3's words.
    Accuracy,
}

impl Measure {
    /// Every measure.
    pub const ALL: [Measure; 4] =
        [Measure::Errors, Measure::Latency, Measure::Memory, Measure::Accuracy];
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Measure::Errors => "errors",
            Measure::Latency => "latency",
            Measure::Memory => "memory",
            Measure::Accuracy => "accuracy",
        })
    }
}

/// How the candidate stands against the champion in one measure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Finding {
    /// What was measured.
    pub measure: Measure,
    /// Of the champion: a share of tasks, milliseconds or mebibytes in the
    /// geometric mean, or the mean accuracy.
    pub champion: f64,
    /// The same of the candidate.
    pub candidate: f64,
    /// The candidate is worse by this at the least: more errors as a share,
    /// less accuracy, or the ratio of latency or memory.
    pub low: f64,
    /// The candidate is worse by this at the most.
    pub high: f64,
    /// By how much it may be worse, in the same unit.
    pub margin: f64,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { measure, champion, candidate, low, high, margin } = self;
        let percent = |share: f64| share * 100.0;
        let more = |ratio: f64| (ratio - 1.0) * 100.0;
        match measure {
            Measure::Errors => write!(
                f,
                "errors: {:.2} % of tasks, the champion {:.2} %; {:+.2} to {:+.2} points (allowed: {:+.2})",
                percent(*candidate),
                percent(*champion),
                percent(*low),
                percent(*high),
                percent(*margin)
            ),
            Measure::Latency => write!(
                f,
                "latency: {candidate:.3} ms, the champion {champion:.3} ms; {:+.1} to {:+.1} % (allowed: {:+.1} %)",
                more(*low),
                more(*high),
                more(*margin)
            ),
            Measure::Memory => write!(
                f,
                "memory: {candidate:.2} MiB, the champion {champion:.2} MiB; {:+.1} to {:+.1} % (allowed: {:+.1} %)",
                more(*low),
                more(*high),
                more(*margin)
            ),
            // It is the loss that is bounded, and a loss reads as less.
            Measure::Accuracy => write!(
                f,
                "accuracy: {candidate:.4}, the champion {champion:.4}; {:.4} to {:.4} lower (allowed: {margin:.4})",
                low, high
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_reads_as_a_sentence() {
        let finding = |measure, champion, candidate, low, high, margin| {
            Finding { measure, champion, candidate, low, high, margin }.to_string()
        };
        let rows = [
            (
                finding(Measure::Errors, 0.01, 0.03, 0.002, 0.04, 0.01),
                "errors: 3.00 % of tasks, the champion 1.00 %; +0.20 to +4.00 points (allowed: +1.00)",
            ),
            (
                finding(Measure::Latency, 100.0, 105.0, 1.01, 1.09, 1.03),
                "latency: 105.000 ms, the champion 100.000 ms; +1.0 to +9.0 % (allowed: +3.0 %)",
            ),
            (
                finding(Measure::Memory, 10.0, 20.0, 1.5, 2.5, 1.1),
                "memory: 20.00 MiB, the champion 10.00 MiB; +50.0 to +150.0 % (allowed: +10.0 %)",
            ),
            (
                finding(Measure::Accuracy, 0.99, 0.94, 0.01, 0.08, 0.01),
                "accuracy: 0.9400, the champion 0.9900; 0.0100 to 0.0800 lower (allowed: 0.0100)",
            ),
        ];
        for (shown, expected) in rows {
            assert_eq!(shown, expected);
        }
        for measure in Measure::ALL {
            assert_eq!(serde_json::to_value(measure).unwrap(), measure.to_string());
        }
    }
}
