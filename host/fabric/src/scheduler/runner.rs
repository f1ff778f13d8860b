//! Who runs tasks, as the scheduler knows it.

use std::sync::Arc;

use async_trait::async_trait;
use chimera_layer4_core::scheduler::Ran;
use chimera_layer4_core::{Digest, FabricResult, Fault, Task};

/// Runs that one agent type can take at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// The type.
    pub agent_type: Arc<str>,
    /// Runs at once.
    pub slots: usize,
    /// The genome, where agents are up and all run the same. A claim is then
    /// also a start; otherwise [`RunTask::prepare`] comes first.
    pub genome: Option<Digest>,
    /// What its agents run, each genome once. None: no agent is up yet.
    pub arms: Arc<[Arm]>,
}

/// The agents of a type that run one genome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arm {
    /// The genome.
    pub genome: Digest,
    /// Runs that they can take at once.
    pub slots: usize,
}

/// Who runs a task, as the scheduler chose when it handed the task out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// The genome; `None`: whichever there is.
    pub genome: Option<Digest>,
    /// Genomes of the type whose breakers were not closed then.
    pub resting: Vec<Digest>,
}

/// Runs tasks.
#[async_trait]
pub trait RunTask: Send + Sync + 'static {
    /// The types that can be run now, with their slots. Asked before each claim.
    fn capacity(&self) -> Vec<Capacity>;

    /// Makes ready to run a task of a type; the genome that will run it.
    ///
    /// # Errors
    /// Why no agent could be made ready.
    async fn prepare(&self, agent_type: &str) -> Result<Option<Digest>, Fault>;

    /// Whether new tasks of a type are taken, now or for a later run.
    ///
    /// # Errors
    /// Why not; a repeat of what was taken before is answered all the same.
    fn takes(&self, _agent_type: &str) -> FabricResult<()> {
        Ok(())
    }

    /// The genomes that may run a task, the one that is meant for it first.
    /// None: whichever there is.
    fn meant_for(&self, _task: &Task, _attempt: u32) -> Vec<Digest> {
        Vec::new()
    }

    /// Runs a task once, on the genome of its placement if agents still run it.
    /// Dropping the future ends the run.
    async fn run(&self, task: &Task, attempt: u32, place: &Placement) -> Ran;
}
