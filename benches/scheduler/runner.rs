//! A runner that does nothing, so that what is left is the queue.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use async_trait::async_trait;
use chimera_layer4::fabric::queue::Ran;
use chimera_layer4::fabric::scheduler::{Arm, Capacity, Placement, RunTask};
use chimera_layer4::fabric::telemetry::LogTail;
use chimera_layer4::fabric::{
    Call, Digest, ExecutionResult, Fault, GuestFault, JsonText, Priority, ResourceUsage, Task,
    TrapCode,
};

/// An agent type that costs nothing to run.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) slots: usize,
    /// Whether each run ends as a guest's trap does.
    pub(crate) fails: bool,
}

/// Runs tasks at once, and counts them.
pub(crate) struct Runner {
    kinds: Vec<Kind>,
    genome: Digest,
    good_runs: AtomicU64,
    bad_runs: AtomicU64,
    /// The classes of the first runs, in their order.
    pub(crate) classes: Mutex<Vec<Priority>>,
}

/// Runs whose class is remembered.
pub(crate) const REMEMBERED: usize = 31_000;

impl Runner {
    pub(crate) fn of(kinds: Vec<Kind>) -> Arc<Self> {
        Arc::new(Self {
            kinds,
            genome: Digest::of(b"none"),
            good_runs: AtomicU64::new(0),
            bad_runs: AtomicU64::new(0),
            classes: Mutex::default(),
        })
    }

    /// Runs that did not fail.
    pub(crate) fn good_runs(&self) -> u64 {
        self.good_runs.load(Ordering::Relaxed)
    }

    /// Runs that failed.
    pub(crate) fn bad_runs(&self) -> u64 {
        self.bad_runs.load(Ordering::Relaxed)
    }

    /// One type, which does not fail.
    pub(crate) fn good(slots: usize) -> Arc<Self> {
        Self::of(vec![Kind { name: "noop", slots, fails: false }])
    }
}

#[async_trait]
impl RunTask for Runner {
    fn capacity(&self) -> Vec<Capacity> {
        let genome = Some(self.genome);
        let arms = |kind: &Kind| Arc::new([Arm { genome: self.genome, slots: kind.slots }]);
        let of = |kind: &Kind| Capacity {
            agent_type: kind.name.into(),
            slots: kind.slots,
            genome,
            arms: arms(kind),
        };
        self.kinds.iter().map(of).collect()
    }

    async fn prepare(&self, _agent_type: &str) -> Result<Option<Digest>, Fault> {
        Ok(Some(self.genome))
    }

    async fn run(&self, task: &Task, _attempt: u32, _place: &Placement) -> Ran {
        let fails = self.kinds.iter().any(|kind| kind.fails && kind.name == task.target_agent_type);
        let runs = if fails { &self.bad_runs } else { &self.good_runs };
        let before = runs.fetch_add(1, Ordering::Relaxed);
        if before < REMEMBERED as u64
            && let Ok(mut classes) = self.classes.lock()
        {
            classes.push(task.priority);
        }
        let fault = fails.then(trap);
        let result = ExecutionResult {
            task_id: task.id,
            success: !fails,
            output: JsonText::default(),
            execution_time_ms: 0,
            resource_usage: ResourceUsage::default(),
            error: fault.as_ref().map(ToString::to_string),
            fault,
            completed_at: SystemTime::now(),
        };
        Ran { result, genome: Some(self.genome), agent_id: None, log: LogTail::default() }
    }
}

fn trap() -> Fault {
    let (during, code) = (Call::ExecuteTask, TrapCode::Unreachable);
    GuestFault::Trap { during, code, message: "as asked".into() }.into()
}
