//! An agent: a genome, its configuration and its instances.
//!
//! An agent is resident by default: its instances are kept from task to task,
//! up to a bounded number of tasks. A trap, a timeout or a breach discards the
//! instance it happened in; the next task gets a new one.

mod handover;

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime};

use chimera_layer4_core::{
    AgentCapabilities, AgentConfig, AgentHealth, AgentId, Call, FabricError, FabricResult, Fault,
    HealthStatus, Refusal, ResourceQuota, Task,
};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Semaphore, SemaphorePermit, watch};

pub use self::handover::{Carried, Handover, Party};

use super::check::check_quota;
use super::instance::{CallContext, Ended, Instance, InstanceTemplate};
use super::instance_pool::{InstancePermit, InstancePool, MAX_INSTANCES};
use super::report::{RunReport, usage};
use super::totals::{Totals, TotalsNow};
use crate::genome::Genome;
use crate::sandbox::bindings::HandedTask;
use crate::sandbox::context::recorder::OnProgress;
use crate::sandbox::engine::HostEngine;
use crate::sandbox::limits::bandwidth::Traffic;
use crate::sandbox::limits::bucket::Shares;
use crate::sandbox::limits::run::{RunLimits, WallLimit};
use crate::sandbox::setup::{self, AgentSetup};

/// What surrounds a run.
#[derive(Default)]
pub struct RunOptions {
    /// Called with the progress that the guest reports, at the most fifty times a second.
    pub progress: Option<OnProgress>,
    /// What the guest is handed in place of the task's own metadata of the same names.
    pub metadata: BTreeMap<String, String>,
}

/// One agent. Cheap to hold: an idle one is an instance and a page of words.
pub struct Agent {
    host: Arc<HostEngine>,
    template: InstanceTemplate,
    capabilities: AgentCapabilities,
    /// Room for its instances in the engine, held as long as the agent lives.
    _permit: InstancePermit,
    slots: Semaphore,
    /// Whether its state is being handed to a successor.
    paused: watch::Sender<bool>,
    idle: Mutex<Vec<Instance>>,
    generation: AtomicU64,
    stopping: AtomicBool,
    /// Shared with the agents that it takes over from.
    totals: Arc<Totals>,
}

impl Agent {
    /// Makes the first instance, so that an agent that cannot start is known at once.
    pub(super) async fn spawn(
        host: Arc<HostEngine>,
        template: InstanceTemplate,
        pool: &InstancePool,
        totals: Arc<Totals>,
    ) -> FabricResult<Self> {
        let InstanceTemplate { setup, limits, housekeeping, .. } = &template;
        let permit = pool.first(template.genome.weight())?;
        let mut meter = totals.meter();
        let shares = Shares { agent: &limits.share, task: None };
        let network = template.network(totals.traffic(), &Arc::default(), None);
        let mut driver = CallContext { host: &host, shares, cpu: &mut meter.cpu, network };
        let failed = |fault| FabricError::from_fault(setup.agent_id, fault, *housekeeping);
        let wall = WallLimit::housekeeping(*housekeeping);
        let mut first = Instance::start(&template, &mut driver, wall).await.map_err(failed)?;
        let mut capabilities =
            first.capabilities(&mut driver, wall, MAX_INSTANCES).await.map_err(failed)?;
        check_environment(&capabilities, setup)?;
        drop(meter);
        let (permit, instances) = pool.widen(permit, capabilities.max_concurrent_tasks);
        capabilities.max_concurrent_tasks = instances;
        Ok(Self {
            host,
            template,
            slots: Semaphore::new(instances as usize),
            paused: watch::Sender::new(false),
            capabilities,
            _permit: permit,
            idle: Mutex::new(vec![first]),
            generation: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            totals,
        })
    }

    /// How the operator set it up, but for the quota, which may change.
    #[must_use]
    pub fn config(&self) -> &AgentSetup {
        &self.template.setup
    }

    pub(super) fn setup(&self) -> Arc<AgentSetup> {
        Arc::clone(&self.template.setup)
    }

    /// The settings of another agent that is set up as this one is now.
    #[must_use]
    pub fn config_with(&self, agent_id: AgentId) -> AgentConfig {
        setup::joined(self.config().clone(), self.quota(), agent_id)
    }

    /// The quota in force.
    #[must_use]
    pub fn quota(&self) -> ResourceQuota {
        self.template.limits.quota()
    }

    /// Puts another quota in force, without a restart: the processor share at
    /// once and the bandwidth too, the memory for the next growth of any
    /// instance, wall time and whether there is a network at all for the runs
    /// that begin from now on, those that wait included.
    ///
    /// An agent that holds more than a lowered quota keeps it until it wants
    /// more; a run that would begin in an instance that alone holds more is
    /// refused, and the next one gets a new instance.
    ///
    /// # Errors
    /// `InvalidRequest` with every complaint at once.
    pub fn set_quota(&self, quota: ResourceQuota) -> FabricResult<()> {
        check_quota(&quota)?;
        self.template.limits.change(quota);
        Ok(())
    }

    /// What it says it can do, as far as the host allows it.
    #[must_use]
    pub fn capabilities(&self) -> &AgentCapabilities {
        &self.capabilities
    }

    /// The genome that it runs.
    #[must_use]
    pub fn genome(&self) -> &Arc<Genome> {
        &self.template.genome
    }

    /// What it has done and used since it was spawned.
    #[must_use]
    pub fn totals(&self) -> TotalsNow {
        let limits = &self.template.limits;
        let now = self.totals.now();
        let (paused, memory) = (now.paused + limits.share.paused(), limits.memory.held());
        TotalsNow { paused, memory, ..now }
    }

    /// The totals, to go on in an agent that takes over from this one.
    pub(super) fn hand_over_totals(&self) -> Arc<Totals> {
        self.totals.paused_before(self.template.limits.share.paused());
        Arc::clone(&self.totals)
    }

    /// Does one task, as soon as an instance is free.
    ///
    /// Dropping the future ends the task: its instance is discarded and what
    /// it used is still counted.
    pub async fn run(&self, task: &Task, attempt: u32) -> RunReport {
        self.run_with(task, attempt, RunOptions::default()).await
    }

    /// As [`run`](Self::run), with what surrounds the run.
    pub async fn run_with(&self, task: &Task, attempt: u32, options: RunOptions) -> RunReport {
        let (slot, waited) = self.slot(task.deadline).await;
        let mut report = match slot {
            Ok(_slot) => {
                let mut meter = self.totals.meter();
                let report = self.run_in_slot(task, attempt, options, &mut meter.cpu).await;
                meter.finish(&report);
                report
            }
            Err(fault) => RunReport::unstarted(fault),
        };
        report.waited = waited;
        report
    }

    /// Waits for a slot, at the most until the deadline; answers how long that took
    /// too.
    async fn slot(
        &self,
        deadline: Option<SystemTime>,
    ) -> (Result<SemaphorePermit<'_>, Fault>, Duration) {
        let mut free = pin!(self.free_slot());
        // One that is free is taken without a clock or a timer.
        let (slot, waited) = match poll_fn(|cx| Poll::Ready(free.as_mut().poll(cx))).await {
            Poll::Ready(slot) => (Ok(slot), Duration::ZERO),
            Poll::Pending => {
                let since = Instant::now();
                // Without a deadline the queue's own bound is what limits the wait.
                let patience = WallLimit::housekeeping(Duration::MAX);
                let patience = patience.until(deadline, SystemTime::now);
                let slot = tokio::time::timeout(patience.limit, free).await;
                (slot.map_err(|_| patience.breach(Call::ExecuteTask)), since.elapsed())
            }
        };
        let slot = match slot {
            Ok(Some(slot)) if !self.stopping.load(Ordering::Acquire) => Ok(slot),
            Ok(_) => Err(Fault::Stopped),
            Err(breach) => Err(breach.into()),
        };
        (slot, waited)
    }

    /// A slot to begin in; none is given while the agent's state is being handed over.
    async fn free_slot(&self) -> Option<SemaphorePermit<'_>> {
        loop {
            let slot = self.slots.acquire().await.ok()?;
            if !*self.paused.borrow() {
                return Some(slot);
            }
            drop(slot);
            self.paused.subscribe().wait_for(|paused| !paused).await.ok()?;
        }
    }

    async fn run_in_slot(
        &self,
        task: &Task,
        attempt: u32,
        options: RunOptions,
        cpu: &mut Duration,
    ) -> RunReport {
        let started = Instant::now();
        let quota = self.template.quota_in_force();
        let limits = Arc::new(RunLimits::new(&quota, &task.resource_quota, task.deadline));
        let traffic = Arc::new(Traffic::default());
        // How an instance starts and ends is the agent's: with a tighter share of
        // the task's it might not be ready in time, which would count as the agent's
        // fault.
        let own = Shares { agent: &self.template.limits.share, task: None };
        let own_network = self.template.network(self.totals.traffic(), &traffic, None);
        let mut driver =
            CallContext { host: &self.host, shares: own, cpu, network: own_network.clone() };

        let (mut instance, new_instance) = match self.instance(task.deadline, &mut driver).await {
            Ok(taken) => taken,
            Err(fault) => {
                let used = usage(*driver.cpu, 0, self.measured(&traffic));
                return RunReport { usage: used, ..RunReport::unstarted(fault) };
            }
        };
        instance.watch(options.progress);
        let task = HandedTask { task, attempt, metadata: &options.metadata, payload: None };
        driver.shares = Shares { task: Some(&limits.share), ..own };
        driver.network = self.template.network(self.totals.traffic(), &traffic, Some(&limits));
        let ended = instance.execute(task, &limits, &mut driver).await;
        (driver.shares, driver.network) = (own, own_network);
        let Ended { result, memory_peak, telemetry, held, instance, .. } = ended;
        let shutdown_fault = match instance {
            Some(instance) => self.give_back(instance, &mut driver).await.err(),
            None => None,
        };
        RunReport {
            result,
            usage: usage(*driver.cpu, memory_peak, self.measured(&traffic)),
            wall: started.elapsed(),
            waited: Duration::ZERO,
            new_instance,
            shutdown_fault,
            telemetry,
            _held: held.map(Arc::new),
        }
    }

    /// What passed, where the agent has a grant that anything may pass by.
    fn measured<'a>(&self, traffic: &'a Traffic) -> Option<&'a Traffic> {
        (!self.config().grants.http.is_empty()).then_some(traffic)
    }

    /// An idle instance, or a new one and how long that took.
    async fn instance(
        &self,
        deadline: Option<SystemTime>,
        driver: &mut CallContext<'_>,
    ) -> Result<(Instance, Option<Duration>), Fault> {
        if let Some(instance) = self.take_idle() {
            return Ok((instance, None));
        }
        let started = Instant::now();
        let wall = self.housekeeping().until(deadline, SystemTime::now);
        let instance = self.start_instance(driver, wall).await?;
        Ok((instance, Some(started.elapsed())))
    }

    async fn start_instance(
        &self,
        driver: &mut CallContext<'_>,
        wall: WallLimit,
    ) -> Result<Instance, Fault> {
        let generation = self.generation.load(Ordering::Acquire);
        let mut instance = Instance::start(&self.template, driver, wall).await?;
        instance.generation = generation;
        Ok(instance)
    }

    /// What a call of the host's own, such as `shutdown`, may take.
    #[must_use]
    pub fn housekeeping_limit(&self) -> Duration {
        self.template.housekeeping
    }

    fn housekeeping(&self) -> WallLimit {
        WallLimit::housekeeping(self.template.housekeeping)
    }

    /// Keeps the instance for the next task, or retires it.
    async fn give_back(
        &self,
        mut instance: Instance,
        driver: &mut CallContext<'_>,
    ) -> Result<(), Fault> {
        let spent = instance.served >= self.config().instances.tasks_per_instance();
        let old = instance.generation != self.generation.load(Ordering::Acquire);
        if spent || old {
            return instance.shutdown(driver, self.housekeeping()).await;
        }
        self.idle().push(instance);
        Ok(())
    }

    /// Asks an idle instance how it is; `None` when all are busy with tasks,
    /// whose own limits bound them.
    pub async fn health(&self) -> Option<AgentHealth> {
        let _slot = self.slots.try_acquire().ok()?;
        let mut meter = self.totals.meter();
        let mut driver = self.driver(&mut meter.cpu);
        let instance = match self.take_idle() {
            Some(instance) => Ok(instance),
            None => self.start_instance(&mut driver, self.housekeeping()).await,
        };
        let asked = match instance {
            Ok(mut instance) => {
                let said = instance.health(&mut driver, self.housekeeping()).await;
                said.inspect(|_| self.idle().push(instance))
            }
            Err(fault) => Err(fault),
        };
        Some(match asked {
            Ok(health) => health,
            Err(fault) => {
                AgentHealth { status: HealthStatus::Unhealthy, message: Some(fault.to_string()) }
            }
        })
    }

    /// Replaces every instance. Running tasks finish in the old ones.
    ///
    /// # Errors
    /// The error of the new instance, which the next task would meet too;
    /// `AgentNotFound` when the agent is being shut down.
    pub async fn restart(&self) -> FabricResult<()> {
        if self.stopping.load(Ordering::Acquire) {
            return Err(FabricError::AgentNotFound(self.config().agent_id));
        }
        self.generation.fetch_add(1, Ordering::AcqRel);
        let old = std::mem::take(&mut *self.idle());
        drop(old); // No `shutdown` call: an agent that is restarted may not end well.
        self.totals.restarted();
        let mut meter = self.totals.meter();
        let mut driver = self.driver(&mut meter.cpu);
        let fresh =
            self.start_instance(&mut driver, self.housekeeping()).await.map_err(|fault| {
                FabricError::from_fault(self.config().agent_id, fault, self.template.housekeeping)
            })?;
        self.idle().push(fresh);
        Ok(())
    }

    /// Ends the agent: waiting tasks are stopped, running ones have until
    /// `limit`, idle instances are retired.
    ///
    /// # Errors
    /// The first fault of a guest's own `shutdown`.
    pub async fn shutdown(&self, limit: Duration) -> Result<(), Fault> {
        self.end(limit, None).await
    }

    /// As [`shutdown`](Self::shutdown), with one `limit` for both together: the
    /// running tasks, and the guests' own `shutdown` of all its instances.
    ///
    /// # Errors
    /// As [`shutdown`](Self::shutdown).
    pub async fn shutdown_within(&self, limit: Duration) -> Result<(), Fault> {
        self.end(limit, Instant::now().checked_add(limit)).await
    }

    async fn end(&self, limit: Duration, latest: Option<Instant>) -> Result<(), Fault> {
        self.stopping.store(true, Ordering::Release);
        // Every slot is free once the tasks that waited have been turned away
        // and the running ones have ended.
        let all = self.slots.acquire_many(self.capabilities.max_concurrent_tasks);
        if tokio::time::timeout(limit, all).await.is_err() {
            tracing::warn!(agent = %self.config().agent_id, "tasks still ran when the agent was ended");
        }
        let mut meter = self.totals.meter();
        let mut driver = self.driver(&mut meter.cpu);
        let idle = std::mem::take(&mut *self.idle());
        let mut first = Ok(());
        for mut instance in idle {
            let mut wall = self.housekeeping();
            if let Some(latest) = latest {
                let left = latest.saturating_duration_since(Instant::now());
                wall.limit = wall.limit.min(left);
            }
            first = first.and(instance.shutdown(&mut driver, wall).await);
        }
        first
    }

    fn driver<'a>(&'a self, cpu: &'a mut Duration) -> CallContext<'a> {
        let shares = Shares { agent: &self.template.limits.share, task: None };
        let network = self.template.network(self.totals.traffic(), &Arc::default(), None);
        CallContext { host: &self.host, shares, cpu, network }
    }

    /// The one used last, whose memory is warm.
    fn take_idle(&self) -> Option<Instance> {
        self.idle().pop()
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Instance>> {
        self.idle.lock()
    }
}

/// An agent that says it needs a variable and was not granted it would fail
/// later, and less clearly.
fn check_environment(said: &AgentCapabilities, setup: &AgentSetup) -> Result<(), Refusal> {
    let needed = said.required_env_vars.iter();
    let missing: Vec<String> = needed
        .filter(|(name, _)| !setup.environment.contains_key(*name))
        .map(|(name, why)| format!("{name} ({why})"))
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(Refusal::MissingEnvironment { missing }) }
}
