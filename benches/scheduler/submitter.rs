//! Where clients hand tasks in: a scheduler by itself, or a fabric.

use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use chimera_layer4::fabric::queue::Submission;
use chimera_layer4::fabric::scheduler::Scheduler;
use chimera_layer4::fabric::{ExecutionResult, Fabric, FabricResult, TaskHandle, TaskId};

/// Where clients hand tasks in.
#[derive(Clone)]
pub(crate) enum Submitter {
    Queue(Arc<Scheduler>),
    Fabric(Arc<Fabric>),
}

impl Submitter {
    pub(crate) async fn submit_batch(
        &self,
        all: Vec<Submission>,
    ) -> FabricResult<Vec<FabricResult<TaskId>>> {
        match self {
            Submitter::Queue(queue) => queue.submit_batch(all).await,
            Submitter::Fabric(fabric) => fabric.tasks().submit_batch(all).await,
        }
    }

    pub(crate) async fn submit_tracked(
        &self,
        all: Vec<Submission>,
    ) -> FabricResult<Vec<FabricResult<TaskHandle>>> {
        match self {
            Submitter::Queue(queue) => queue.submit_tracked(all).await,
            Submitter::Fabric(fabric) => fabric.tasks().submit_tracked(all).await,
        }
    }

    pub(crate) async fn submit(&self, one: Submission) -> FabricResult<TaskId> {
        match self {
            Submitter::Queue(queue) => queue.submit(one).await,
            Submitter::Fabric(fabric) => fabric.tasks().submit(one).await,
        }
    }

    pub(crate) async fn wait(&self, id: TaskId) -> FabricResult<ExecutionResult> {
        match self {
            Submitter::Queue(queue) => queue.wait(id).await,
            Submitter::Fabric(fabric) => fabric.tasks().wait(id).await,
        }
    }

    pub(crate) async fn execute(&self, one: Submission) -> FabricResult<ExecutionResult> {
        match self {
            Submitter::Queue(queue) => queue.execute(one).await,
            Submitter::Fabric(fabric) => fabric.tasks().execute(one).await,
        }
    }

    pub(crate) async fn direct(&self, one: &Submission) -> Result<()> {
        let Submitter::Fabric(fabric) = self else { bail!("there is nothing behind the queue") };
        let report = fabric.tasks().run_once(&one.task).await?;
        ensure!(report.result.is_ok(), "a task failed: {:?}", report.result);
        Ok(())
    }
}
