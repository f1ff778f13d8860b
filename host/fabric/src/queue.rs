//! Opens the queue of a host: with its settings, on the store that they name.

use std::sync::Arc;

use async_trait::async_trait;
use chimera_layer4_core::scheduler::store::{Keep, Retention};
use chimera_layer4_core::scheduler::{Ran, Timestamp, settle};
use chimera_layer4_core::telemetry::LogTail;
use chimera_layer4_core::{Digest, FabricConfig, FabricResult, Fault, Task};
use chimera_layer4_stores::Stores;

use crate::scheduler::{Capacity, Observe, Placement, RunTask, Scheduler, SchedulerOptions};

/// A lease outlives two heartbeats that were missed.
const HEARTBEATS_IN_LEASE: u32 = 3;

/// Opens the task store of a host, and a scheduler on it.
pub(crate) async fn open(
    config: &FabricConfig,
    stores: &Stores,
    runner: Arc<dyn RunTask>,
    observer: Arc<dyn Observe>,
) -> FabricResult<Scheduler> {
    let options = scheduler_options(config, Some(observer));
    let (store, recovered) = stores.tasks(now(&options)).await?;
    if recovered.lost > 0 {
        let (lost, ended) = (recovered.lost, recovered.ended.len());
        tracing::warn!(lost, ended, "tasks were in hand when the host went down");
    }
    Ok(Scheduler::new(store, runner, options).with_ended(recovered.ended))
}

fn scheduler_options(
    config: &FabricConfig,
    observer: Option<Arc<dyn Observe>>,
) -> SchedulerOptions {
    let defaults = SchedulerOptions::default();
    SchedulerOptions {
        observer: observer.unwrap_or(Arc::clone(&defaults.observer)),
        capacity: config.task_queue_capacity,
        lease: config.heartbeat_interval() * HEARTBEATS_IN_LEASE,
        retention: retention(config),
        ..defaults
    }
}

fn now(options: &SchedulerOptions) -> Timestamp {
    Timestamp::from((options.clock)())
}

/// The queue of a data folder that no host has open, to look into and to
/// change. Nothing is run, and tasks that were in flight when the last host
/// went down stay as they are until a host opens the folder.
///
/// # Errors
/// `Configuration` without a data folder, or where another user could change it;
/// `Store` when a host has it open, or the store cannot be opened.
pub async fn open_queue(config: &FabricConfig) -> FabricResult<Scheduler> {
    let options = scheduler_options(config, None);
    let store = Stores::open(config)?.idle_tasks(now(&options)).await?;
    Ok(Scheduler::new(store, Arc::new(NoopRunner), options))
}

/// Runs nothing.
struct NoopRunner;

#[async_trait]
impl RunTask for NoopRunner {
    fn capacity(&self) -> Vec<Capacity> {
        Vec::new()
    }

    async fn prepare(&self, _agent_type: &str) -> Result<Option<Digest>, Fault> {
        Err(Fault::Stopped)
    }

    async fn run(&self, task: &Task, _attempt: u32, _place: &Placement) -> Ran {
        let result = settle::without_run(task.id, Fault::Stopped, Timestamp::default());
        Ran { result, genome: None, agent_id: None, log: LogTail::default() }
    }
}

fn retention(config: &FabricConfig) -> Retention {
    Retention {
        ended: Keep {
            count: config.queue.result_retention_count,
            age: config.queue.result_retention(),
        },
        dead: Keep {
            count: config.queue.dead_letter_retention_count,
            age: config.queue.dead_letter_retention(),
        },
    }
}
