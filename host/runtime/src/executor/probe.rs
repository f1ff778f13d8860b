//! One instance, called one call at a time in any order.
//!
//! An [`Agent`](super::Agent) keeps the order of calls that the contract
//! promises. A check of what a broken guest does needs a way past that: here
//! each call is asked for by itself, within the limits that it has
//! in an agent, and its whole outcome is returned.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chimera_layer4_core::{
    AgentCapabilities, AgentHealth, Fault, HostFault, JsonText, RunTelemetry, Task,
};

use super::instance::{CallContext, Ended, Instance, InstanceTemplate};
use super::instance_pool::{InstancePermit, MAX_INSTANCES};
use crate::sandbox::bindings::HandedTask;
use crate::sandbox::engine::HostEngine;
use crate::sandbox::fault::with_last_words;
use crate::sandbox::limits::bucket::Shares;
use crate::sandbox::limits::run::{RunLimits, WallLimit};

/// A genome and a configuration, with at the most one live instance.
pub struct Probe {
    host: Arc<HostEngine>,
    template: InstanceTemplate,
    instance: Option<Instance>,
    /// Held as long as there may be an instance.
    _permit: InstancePermit,
}

/// What came of one call.
#[derive(Clone, Debug)]
pub struct Called<T> {
    /// What the guest answered, or why it did not. A fault that did not
    /// [return](chimera_layer4_core::GuestFault::returned) has ended the instance.
    pub answer: Result<T, Fault>,
    /// From the call to its end.
    pub wall: Duration,
    /// Processor time.
    pub cpu: Duration,
    /// Bytes of memories and tables that the instance holds now; 0 if it is gone.
    pub memory: u64,
    /// The most that it held since its last task began, in bytes; 0 where the
    /// call made no instance.
    pub memory_peak: u64,
    /// What the guest reported during the call.
    pub telemetry: RunTelemetry,
    /// Names of the spans that it opened and left open, the outermost first.
    /// The host has ended them.
    pub left_open: Vec<String>,
}

impl Probe {
    pub(super) fn new(
        host: Arc<HostEngine>,
        template: InstanceTemplate,
        permit: InstancePermit,
    ) -> Self {
        Self { host, template, instance: None, _permit: permit }
    }

    /// Whether there is an instance to call: one was made, and no call has
    /// ended it since.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.instance.is_some()
    }

    /// Makes an instance, in place of the one that there may be, and calls
    /// nothing in it but its start functions.
    pub async fn instantiate(&mut self) -> Called<()> {
        self.instance = None;
        let mut clock = Clock::start();
        let (template, wall) = (&self.template, self.wall());
        let made = Instance::instantiate(template, &mut self.driver(&mut clock), wall).await;
        match made {
            Ok(instance) => self.ended(instance, Ok(()), &clock),
            Err(fault) => Called::without_instance(fault, &clock),
        }
    }

    /// Calls `init` with the probe's configuration.
    pub async fn init(&mut self) -> Called<()> {
        let mut clock = Clock::start();
        let Some(mut instance) = self.instance.take() else { return Called::no_instance() };
        let (template, wall) = (&self.template, self.wall());
        let answer = instance.init(template, &mut self.driver(&mut clock), wall).await;
        self.ended(instance, answer, &clock)
    }

    /// Calls `capabilities`.
    pub async fn capabilities(&mut self) -> Called<AgentCapabilities> {
        let mut clock = Clock::start();
        let Some(mut instance) = self.instance.take() else { return Called::no_instance() };
        let (driver, wall) = (&mut self.driver(&mut clock), self.wall());
        let answer = instance.capabilities(driver, wall, MAX_INSTANCES).await;
        self.ended(instance, answer, &clock)
    }

    /// Calls `execute-task`, with `payload` in place of the task's own. It need
    /// not be text that this host's own JSON library would write or read.
    pub async fn execute(&mut self, task: &Task, attempt: u32, payload: &str) -> Called<JsonText> {
        let mut clock = Clock::start();
        let Some(instance) = self.instance.take() else { return Called::no_instance() };
        let quota = self.template.quota_in_force();
        let limits = Arc::new(RunLimits::new(&quota, &task.resource_quota, task.deadline));
        let shares = Shares { agent: &self.template.limits.share, task: Some(&limits.share) };
        let network = self.template.network(&Arc::default(), &Arc::default(), Some(&limits));
        let mut driver = CallContext { host: &self.host, shares, cpu: &mut clock.cpu, network };
        let (metadata, payload) = (&BTreeMap::new(), Some(payload));
        let handed = HandedTask { task, attempt, metadata, payload };
        let ended = instance.execute(handed, &limits, &mut driver).await;
        let Ended { result, memory_peak, telemetry, left_open, instance, .. } = ended;
        self.instance = instance;
        Called {
            answer: result,
            wall: clock.began.elapsed(),
            cpu: clock.cpu,
            memory: self.instance.as_ref().map_or(0, |instance| instance.memory().0),
            memory_peak,
            telemetry,
            left_open,
        }
    }

    /// Calls `health`.
    pub async fn health(&mut self) -> Called<AgentHealth> {
        let mut clock = Clock::start();
        let Some(mut instance) = self.instance.take() else { return Called::no_instance() };
        let answer = instance.health(&mut self.driver(&mut clock), self.wall()).await;
        self.ended(instance, answer, &clock)
    }

    /// Calls `shutdown`. The instance stays, so that it can be called after it.
    pub async fn shutdown(&mut self) -> Called<()> {
        let mut clock = Clock::start();
        let Some(mut instance) = self.instance.take() else { return Called::no_instance() };
        let answer = instance.shutdown(&mut self.driver(&mut clock), self.wall()).await;
        self.ended(instance, answer, &clock)
    }

    /// Calls `save`, in a genome that [offers
    /// state](crate::Genome::offers_state). Where the guest does not answer, its
    /// words are in the fault alone.
    pub async fn save(&mut self) -> Called<Vec<u8>> {
        let mut clock = Clock::start();
        let Some(instance) = self.instance.take() else { return Called::no_instance() };
        match instance.save(&mut self.driver(&mut clock), self.wall()).await {
            Ok((said, instance)) => self.ended(instance, said.map_err(Fault::from), &clock),
            Err(fault) => Called::without_instance(fault, &clock),
        }
    }

    /// Calls `restore`, in a genome that offers state. Where it is refused, the
    /// instance is thrown away, as the contract says.
    pub async fn restore(&mut self, saved: &[u8]) -> Called<()> {
        let mut clock = Clock::start();
        let Some(instance) = self.instance.take() else { return Called::no_instance() };
        match instance.restore(saved, &mut self.driver(&mut clock), self.wall()).await {
            Ok(instance) => self.ended(instance, Ok(()), &clock),
            Err(fault) => Called::without_instance(fault, &clock),
        }
    }

    /// Puts the instance back if it may go on, and returns what came of the call.
    fn ended<T>(
        &mut self,
        mut instance: Instance,
        answer: Result<T, Fault>,
        clock: &Clock,
    ) -> Called<T> {
        let (telemetry, left_open) = instance.take_reported();
        let (memory, memory_peak) = instance.memory();
        let goes_on = match &answer {
            Ok(_) => true,
            Err(Fault::Guest(fault)) => fault.returned(),
            Err(_) => false,
        };
        self.instance = goes_on.then_some(instance);
        Called {
            answer: answer.map_err(|fault| with_last_words(fault, &telemetry.log)),
            wall: clock.began.elapsed(),
            cpu: clock.cpu,
            memory: if goes_on { memory } else { 0 },
            memory_peak,
            telemetry,
            left_open,
        }
    }

    fn driver<'a>(&'a self, clock: &'a mut Clock) -> CallContext<'a> {
        let shares = Shares { agent: &self.template.limits.share, task: None };
        let network = self.template.network(&Arc::default(), &Arc::default(), None);
        CallContext { host: &self.host, shares, cpu: &mut clock.cpu, network }
    }

    fn wall(&self) -> WallLimit {
        WallLimit::housekeeping(self.template.housekeeping)
    }
}

impl<T> Called<T> {
    /// There is nothing to call.
    fn no_instance() -> Self {
        let message = "a probe was called that has no instance".to_owned();
        Self::without_instance(HostFault::Internal { message }.into(), &Clock::start())
    }

    fn without_instance(fault: Fault, clock: &Clock) -> Self {
        Self {
            answer: Err(fault),
            wall: clock.began.elapsed(),
            cpu: clock.cpu,
            memory: 0,
            memory_peak: 0,
            telemetry: RunTelemetry::default(),
            left_open: Vec::new(),
        }
    }
}

/// What one call takes.
struct Clock {
    began: Instant,
    cpu: Duration,
}

impl Clock {
    fn start() -> Self {
        Self { began: Instant::now(), cpu: Duration::ZERO }
    }
}
