//! The scheduler, seen through its public interface: on tasks in memory, a
//! runner that follows each task's steps, and a clock that stands still until
//! all wait.

mod log;
mod runner;
mod store;
mod submitters;

mod behaviour;
mod clock;
mod failures;
mod simulation;
mod survival;

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use chimera_layer4::fabric::queue::{Submission, SubmitOptions, TaskRecord, TaskState};
use chimera_layer4::fabric::scheduler::{Clock, Scheduler, SchedulerOptions};
use chimera_layer4::fabric::{ExecutionResult, FabricResult, Priority, Task, TaskId, utils};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use self::runner::{Runner, Step, payload};
use self::store::{Disk, Handle};

/// Lets time pass, and all that it brings happen.
async fn pass(time: Duration) {
    tokio::time::sleep(time).await; // tidy: the clock of these tests is paused
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// The system's clock as the hosts see it: tokio's, and settable.
struct TestClock {
    begun: Instant,
    set_by: AtomicI64,
}

impl TestClock {
    fn new() -> Arc<Self> {
        Arc::new(Self { begun: Instant::now(), set_by: AtomicI64::new(0) })
    }

    fn now(&self) -> SystemTime {
        let since = i64::try_from(self.begun.elapsed().as_millis()).unwrap();
        let millis = 1_800_000_000_000 + since + self.set_by.load(Ordering::Relaxed);
        SystemTime::UNIX_EPOCH + ms(u64::try_from(millis).unwrap())
    }

    /// Sets it forward by so many milliseconds, or back.
    fn set_by(&self, millis: i64) {
        self.set_by.fetch_add(millis, Ordering::Relaxed);
    }
}

/// What hosts are started on.
struct World {
    clock: Arc<TestClock>,
    runner: Arc<Runner>,
    disk: Arc<Disk>,
    options: SchedulerOptions,
    /// Hosts so far: each draws its chances, and its name, from its own seed.
    hosts: AtomicU64,
}

impl World {
    /// One agent type, `echo`, with so many slots.
    fn new(slots: usize) -> Self {
        let clock = TestClock::new();
        let runner = Arc::new(Runner::new(Arc::clone(&clock)));
        runner.set_slots("echo", slots);
        let reads = Arc::clone(&clock);
        let clock_of_hosts: Clock = Arc::new(move || reads.now());
        let options =
            SchedulerOptions { seed: 1, clock: clock_of_hosts, ..SchedulerOptions::default() };
        Self { clock, runner, disk: Arc::default(), options, hosts: AtomicU64::new(0) }
    }

    /// A host that takes tasks but does not run them yet.
    fn host(&self) -> Host {
        let handle = Handle::new(&self.disk);
        let seed =
            self.options.seed.wrapping_mul(1000) + self.hosts.fetch_add(1, Ordering::Relaxed);
        let options = SchedulerOptions { seed, ..self.options.clone() };
        let scheduler =
            Scheduler::new(Arc::clone(&handle) as _, Arc::clone(&self.runner) as _, options);
        Host { scheduler: Arc::new(scheduler), handle }
    }

    /// A host that runs tasks.
    fn start(&self) -> Host {
        let host = self.host();
        host.scheduler.start();
        host
    }
}

/// One start of a host.
struct Host {
    scheduler: Arc<Scheduler>,
    handle: Arc<Handle>,
}

impl Deref for Host {
    type Target = Scheduler;

    fn deref(&self) -> &Scheduler {
        &self.scheduler
    }
}

impl Host {
    /// Ends it as a loss of power would. All its waiters must be gone.
    fn kill(self) {
        self.handle.kill();
        assert_eq!(Arc::strong_count(&self.scheduler), 1, "a waiter is left");
    }

    /// Waits for a task beside the test.
    fn waiter(&self, id: TaskId) -> JoinHandle<FabricResult<ExecutionResult>> {
        let scheduler = Arc::clone(&self.scheduler);
        tokio::spawn(async move { scheduler.wait(id).await })
    }

    /// Executes a task beside the test; aborted, the future is dropped.
    fn executor(&self, task: Task) -> JoinHandle<FabricResult<ExecutionResult>> {
        let scheduler = Arc::clone(&self.scheduler);
        tokio::spawn(async move { scheduler.execute(task.into()).await })
    }

    async fn record(&self, id: TaskId) -> TaskRecord {
        self.scheduler.get(id).await.unwrap().unwrap()
    }

    async fn state(&self, id: TaskId) -> TaskState {
        self.record(id).await.state
    }
}

/// A task for `echo`.
fn task(steps: &[Step]) -> Task {
    task_for("echo", steps)
}

fn task_for(agent_type: &str, steps: &[Step]) -> Task {
    utils::task_for(agent_type, payload(steps))
}

fn urgent(priority: Priority, steps: &[Step]) -> Task {
    Task { priority, ..task(steps) }
}

fn with(task: Task, options: SubmitOptions) -> Submission {
    Submission { task, options }
}

fn keyed(task: Task, key: &str) -> Submission {
    with(task, SubmitOptions { idempotency_key: Some(key.into()), ..SubmitOptions::default() })
}
