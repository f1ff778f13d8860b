//! One live instance of a genome and the calls into it.
//!
//! A call that traps, overruns or is dropped half-way leaves the store in an
//! unknown state. So the caller takes the instance out of where it is kept, and
//! puts it back only if the call succeeded.

mod state;

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chimera_layer4_core::{
    AgentCapabilities, AgentHealth, Breach, Call, Fault, JsonText, LimitSource, QuotaKind,
    ResourceQuota, RunTelemetry,
};
use wasmtime::Store;

use super::output;
use super::within::within;
use crate::genome::Genome;
use crate::sandbox::bindings::{self, HandedTask};
use crate::sandbox::capabilities::Backends;
use crate::sandbox::capability::CallEnd;
use crate::sandbox::context::Reported;
use crate::sandbox::context::recorder::OnProgress;
use crate::sandbox::engine::HostEngine;
use crate::sandbox::fault;
use crate::sandbox::limits::agent::AgentLimits;
use crate::sandbox::limits::bandwidth::Traffic;
use crate::sandbox::limits::bucket::Shares;
use crate::sandbox::limits::cpu::metered;
use crate::sandbox::limits::hosted::Hosted;
use crate::sandbox::limits::network::{Connected, NetworkAccess};
use crate::sandbox::limits::run::{RunLimits, WallLimit};
use crate::sandbox::linked::Guest;
use crate::sandbox::setup::AgentSetup;
use crate::sandbox::store::Sandbox;

/// What drives calls: the engine, the shares that bound them, the time they used.
pub(super) struct CallContext<'a> {
    pub(super) host: &'a HostEngine,
    pub(super) shares: Shares<'a>,
    pub(super) cpu: &'a mut Duration,
    /// The network for each call, where the agent has one.
    pub(super) network: Option<NetworkAccess>,
}

impl CallContext<'_> {
    async fn drive<F, T>(&mut self, call: F, during: Call, wall: WallLimit) -> Result<T, Fault>
    where
        F: Future<Output = wasmtime::Result<T>>,
    {
        if wall.limit.is_zero() {
            return Err(wall.breach(during).into());
        }
        let _running = self.host.running();
        // A call's future is large, so it is not moved on.
        let call = pin!(call);
        let metered = metered(call, self.shares, self.cpu);
        match within(wall.limit, metered).await {
            Some(Ok(Ok(value))) => Ok(value),
            Some(Ok(Err(error))) => Err(fault::of_call(&error, during)),
            Some(Err(panic)) => Err(fault::of_panic(&panic, during)),
            None => Err(wall.breach(during).into()),
        }
    }
}

/// What every instance of an agent is made from.
pub(super) struct InstanceTemplate {
    pub(super) genome: Arc<Genome>,
    pub(super) setup: Arc<AgentSetup>,
    /// What the capabilities that are granted have of the host.
    pub(super) backends: Backends,
    pub(super) limits: Arc<AgentLimits>,
    /// What any call but a task's may take.
    pub(super) housekeeping: Duration,
}

impl InstanceTemplate {
    /// The quota as it is now; without a grant there is no network.
    pub(super) fn quota_in_force(&self) -> ResourceQuota {
        let mut quota = self.limits.quota();
        if self.setup.grants.http.is_empty() {
            quota.max_network_mbps = None;
        }
        quota
    }

    /// The network for the calls of one run, or of housekeeping.
    pub(super) fn network(
        &self,
        total: &Arc<Traffic>,
        traffic: &Arc<Traffic>,
        task: Option<&Arc<RunLimits>>,
    ) -> Option<NetworkAccess> {
        if self.setup.grants.http.is_empty() {
            return None; // As most agents; the quota need not be asked.
        }
        self.quota_in_force().max_network_mbps?;
        let (agent, task) = (Arc::clone(&self.limits), task.cloned());
        if task.as_ref().is_some_and(|task| task.quota.max_network_mbps.is_none()) {
            return None;
        }
        Some(NetworkAccess { agent, task, traffic: Arc::clone(traffic), total: Arc::clone(total) })
    }
}

pub(super) struct Instance {
    store: Store<Sandbox>,
    guest: Guest,
    /// Tasks done so far.
    pub(super) served: u32,
    /// The agent's count of restarts when this instance was made.
    pub(super) generation: u64,
}

/// How one task ended inside an instance.
pub(super) struct Ended {
    pub(super) result: Result<JsonText, Fault>,
    pub(super) memory_peak: u64,
    pub(super) telemetry: RunTelemetry,
    /// What the telemetry is charged to the agent.
    pub(super) held: Option<Hosted>,
    /// Names of the spans that were still open.
    pub(super) left_open: Vec<String>,
    /// The instance, where it may be used again.
    pub(super) instance: Option<Instance>,
}

impl Instance {
    /// A new instance with its `init` done, each within `wall`.
    pub(super) async fn start(
        template: &InstanceTemplate,
        driver: &mut CallContext<'_>,
        wall: WallLimit,
    ) -> Result<Self, Fault> {
        let mut instance = Self::instantiate(template, driver, wall).await?;
        match instance.init(template, driver, wall).await {
            Ok(()) => Ok(instance),
            Err(fault) => Err(fault::with_last_words(fault, &instance.take_reported().0.log)),
        }
    }

    /// A new instance, of which nothing was asked yet.
    pub(super) async fn instantiate(
        template: &InstanceTemplate,
        driver: &mut CallContext<'_>,
        wall: WallLimit,
    ) -> Result<Self, Fault> {
        let InstanceTemplate { genome, setup, backends, limits, .. } = template;
        let engine = driver.host.engine();
        let bytes = usize::try_from(genome.inspection().instance_bytes).unwrap_or(usize::MAX);
        let mut store = Sandbox::store(engine, setup, backends, limits, bytes)?;
        let _connected = store.data_mut().begin(driver.network.clone());
        let instantiate = genome.linked.instantiate(&mut store);
        let guest = driver.drive(instantiate, Call::Instantiate, wall).await?;
        Ok(Self { store, guest, served: 0, generation: 0 })
    }

    pub(super) async fn init(
        &mut self,
        template: &InstanceTemplate,
        driver: &mut CallContext<'_>,
        wall: WallLimit,
    ) -> Result<(), Fault> {
        let wire = bindings::config(&template.setup, &template.quota_in_force());
        let _connected = self.begin(driver);
        let call = self.guest.lifecycle.call_init(&mut self.store, &wire);
        let said = driver.drive(call, Call::Init, wall).await?;
        said.map_err(|error| bindings::agent_error(&error, Call::Init).into())
    }

    pub(super) async fn capabilities(
        &mut self,
        driver: &mut CallContext<'_>,
        wall: WallLimit,
        most: u32,
    ) -> Result<AgentCapabilities, Fault> {
        let _connected = self.begin(driver);
        let call = self.guest.lifecycle.call_capabilities(&mut self.store);
        let said = driver.drive(call, Call::Capabilities, wall).await?;
        Ok(bindings::capabilities(said, most))
    }

    /// `progress` is called with what the guest reports of the next task.
    pub(super) fn watch(&mut self, progress: Option<OnProgress>) {
        self.store.data_mut().context.recorder.watch(progress);
    }

    /// Does one task within `limits`.
    pub(super) async fn execute(
        mut self,
        task: HandedTask<'_>,
        limits: &RunLimits,
        driver: &mut CallContext<'_>,
    ) -> Ended {
        let _connected = self.begin(driver);
        let sandbox = self.store.data_mut();
        // What was said since the last task is not this task's.
        let Reported { held: mut text, .. } = sandbox.take_reported(sandbox.context.hosted());
        sandbox.context.recorder.start_run();
        if let Err(over) = sandbox.context.memory.start_run(limits.memory) {
            let why = format!("the agent's instance holds more already, {over}");
            // Another task may allow it, so the agent keeps its instance; not so where
            // the agent's own quota was lowered, which the instance never fits again.
            let fits = over.set_by == LimitSource::Task;
            return self.not_started(over.set_by, why, fits);
        }
        // The guest's text in the host, counted in place of those words: its payload
        // during the call, then its output.
        if let Err(over) = text.change(task.bytes()) {
            let why = format!("the host has no room to hand its payload over, {over}");
            return self.not_started(over.set_by, why, true);
        }
        let wire = bindings::task(task, &limits.quota);
        let call = self.guest.lifecycle.call_execute_task(&mut self.store, &wire);
        // Parsing is work that the guest caused, so it is metered with the call.
        let call = async { Ok(call.await?.map(|text| output::parse(&text))) };
        let wall = limits.wall(SystemTime::now);
        let returned = driver.drive(call, Call::ExecuteTask, wall).await;
        drop(wire);
        self.served = self.served.saturating_add(1);
        let alive = returned.is_ok();
        let result = returned.and_then(|said| match said {
            Ok(output) => output,
            Err(error) => Err(bindings::agent_error(&error, Call::ExecuteTask).into()),
        });
        let result = result.and_then(|output| match text.change(output.as_str().len()) {
            Ok(()) => Ok(output),
            Err(over) => Err(fault::of_memory(over, Call::ExecuteTask)),
        });
        let sandbox = self.store.data_mut();
        let CallEnd { network_denied, .. } = sandbox.end(!alive);
        let context = &mut sandbox.context;
        let result = result.map_err(|fault| context.explained(fault));
        context.memory.end_run();
        context.recorder.watch(None);
        let (memory_peak, left_open) = (context.memory.peak(), context.recorder.left_open());
        let Reported { telemetry, held } = sandbox.take_reported(text);
        let result = result.map_err(|fault| fault::with_last_words(fault, &telemetry.log));
        let result = result.map_err(|fault| limits.whose(fault, network_denied));
        let instance = alive.then_some(self);
        Ended { result, memory_peak, telemetry, held: Some(held), left_open, instance }
    }

    /// The run may not hold so much memory; `fits` says whether another one may.
    fn not_started(self, set_by: LimitSource, detail: String, fits: bool) -> Ended {
        let (quota, during) = (QuotaKind::Memory, Call::ExecuteTask);
        let breach = Breach { quota, during, set_by, detail };
        let memory_peak = self.store.data().context.memory.peak();
        let (telemetry, left_open) = (RunTelemetry::default(), Vec::new());
        let instance = fits.then_some(self);
        let result = Err(breach.into());
        Ended { result, memory_peak, telemetry, held: None, left_open, instance }
    }

    pub(super) async fn health(
        &mut self,
        driver: &mut CallContext<'_>,
        wall: WallLimit,
    ) -> Result<AgentHealth, Fault> {
        let _connected = self.begin(driver);
        let call = self.guest.lifecycle.call_health(&mut self.store);
        let said = driver.drive(call, Call::Health, wall).await?;
        Ok(bindings::health(&said))
    }

    /// Ends it with the guest's own `shutdown`.
    pub(super) async fn shutdown(
        &mut self,
        driver: &mut CallContext<'_>,
        wall: WallLimit,
    ) -> Result<(), Fault> {
        let _connected = self.begin(driver);
        let call = self.guest.lifecycle.call_shutdown(&mut self.store);
        let said = driver.drive(call, Call::Shutdown, wall).await?;
        said.map_err(|error| bindings::agent_error(&error, Call::Shutdown).into())
    }

    /// What it reported since the last time, and the names of the spans that
    /// were open until now.
    pub(super) fn take_reported(&mut self) -> (RunTelemetry, Vec<String>) {
        let left_open = self.store.data_mut().context.recorder.left_open();
        let held = self.store.data().context.hosted();
        (self.store.data_mut().take_reported(held).telemetry, left_open)
    }

    /// Bytes of memories and tables, now and at the most since its last task
    /// began.
    pub(super) fn memory(&self) -> (u64, u64) {
        let memory = &self.store.data().context.memory;
        (memory.held(), memory.peak())
    }

    /// Begins a call, which has the network while the answer lives and may run
    /// for a whole tick. It would yield at once otherwise, the epoch having
    /// moved on while the instance was idle.
    fn begin(&mut self, driver: &CallContext<'_>) -> Connected {
        self.store.set_epoch_deadline(1);
        self.store.data_mut().begin(driver.network.clone())
    }
}
