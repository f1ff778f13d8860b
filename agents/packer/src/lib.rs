//! Packs items into bins as they arrive, by twelve weights that can be evolved.
//!
//! The worked example of `chimera evolve`: how good a packing is can be said in
//! one exact number, the best-known heuristic (best fit) is where it
//! starts, and better weights than that exist. The weights are data inside the
//! component, so that [`variant`] makes a new genome in milliseconds, without a
//! compiler. `README.md` describes the payload, the output and the experiment.

pub mod packing;
pub mod problem;
pub mod report;
pub mod tuning;
pub mod variant;

mod bound;
mod policy;
mod random;
mod sequence;

use chimera_agent_sdk::prelude::*;

pub use packing::pack;
pub use problem::Problem;
pub use random::SplitMix64;
pub use report::Report;
pub use sequence::Distribution;
pub use tuning::{Tuning, Weights};

use crate::problem::Request;

/// The agent: the weights of this very component.
#[derive(Debug)]
pub struct Packer {
    base: BaseWasmAgent,
    weights: Weights,
}

impl TypedAgent for Packer {
    type Output = Report;

    fn init(config: Config) -> Result<Self, AgentError> {
        let tuning = Tuning::embedded().checked().or_failed("this variant cannot pack")?;
        let capabilities = Capabilities::new().with_task_type("pack-bins");
        let base = BaseWasmAgent::new(config).with_capabilities(capabilities);
        Ok(Self { base, weights: tuning.weights })
    }

    fn execute_task(&mut self, task: Task) -> Result<Report, AgentError> {
        let request: Request = task.payload()?;
        let assignment_wanted = request.assignment;
        let problem = request.into_problem()?;
        let packing = pack(&problem, &self.weights);
        let report = Report::new(&problem, &packing);
        self.base.telemetry.record_metric("packer_score", report.score);
        Ok(if assignment_wanted { report.with_assignment(packing) } else { report })
    }

    fn base(&self) -> Option<&BaseWasmAgent> {
        Some(&self.base)
    }
}

wasm_agent!(Packer);
