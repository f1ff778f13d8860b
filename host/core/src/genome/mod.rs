//! How a genome proves itself, as plain rules.
//!
//! [`mod@compare`] holds a candidate against the champion on the same recorded
//! tasks, [`fitness`] makes one number of that and keeps the evidence,
//! [`trial`] watches both in real traffic and says when enough is known,
//! [`rollout`] decides what follows from it. [`grid`] keeps the elites of an
//! evolution, [`lineage`] what happened to every genome and why, and
//! [`redact`] takes out of recorded tasks what must not be kept. Measurements,
//! times and chance are handed in.

pub mod compare;
pub mod fitness;
pub mod grid;
pub mod lineage;
mod math;
pub mod redact;
pub mod rollout;
mod stored;
mod takeover;
pub mod trial;

pub use compare::{Answer, Comparison, Measured, Pair, compare};
pub use fitness::{FORMULA_VERSION, Fitness, Weights, pareto_front};
pub use grid::{Axis, Grid, Placed};
pub use lineage::{Entry, Event};
pub use redact::{REDACTED, Redaction};
pub use rollout::{
    Plan, Rollout, RolloutState, RolloutView, SideView, TrafficArm, WhenUnsure, sticky,
};
pub use stored::{AdmittedGenome, GenomeDetail, GenomeDiff, GenomeSummary};
pub use takeover::{BenchTask, Benchmark, StateCarried, Swapped};
pub use trial::{Finding, Margins, Measure, Observation, Policy, Side, Trial, Verdict};
