//! Evidence about genomes from real traffic: each run counts in the trials under way,
//! and a sample of tasks is recorded to judge the next genome by.

use chimera_layer4_core::{Digest, FabricConfig, TaskId};

use super::record::Recorder;
use super::trials::Trials;
use crate::agents::pool::{EndedRun, ObserveRuns};
use crate::telemetry::metrics::Runner;

/// The rollouts under way, and the recorder.
pub(crate) struct Evidence {
    pub(super) trials: Trials,
    pub(super) recorder: Recorder,
}

impl Evidence {
    pub(crate) fn new(config: &FabricConfig) -> Self {
        let recorder = Recorder::new(
            config.genomes.recorded_tasks > 0,
            config.genomes.recorded_redaction.clone(),
        );
        Self { trials: Trials::default(), recorder }
    }

    /// Layer 3 judged the output of a task.
    pub(crate) async fn judged(
        &self,
        agent_type: &str,
        genome: Digest,
        task_id: TaskId,
        accuracy: f64,
    ) {
        self.trials.judged(agent_type, genome, task_id, accuracy);
        self.recorder.judged(task_id, accuracy).await;
    }
}

impl ObserveRuns for Evidence {
    fn ran(&self, run: &EndedRun<'_>) {
        let Runner { agent_type, genome, .. } = run.runner;
        if run.report.result.is_ok() {
            self.trials.answered(agent_type, run.task.id);
        }
        // What is made again goes to the champion alone: counted, it would be held
        // against it.
        if run.attempt <= 1 {
            self.trials.ran(&run.runner, run.place, run.report);
        }
        self.recorder.ran(run.task, genome, run.report);
    }
}
