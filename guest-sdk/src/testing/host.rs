//! A stand-in for the host that drives one agent natively.

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde_json::Value;

use super::{Recording, config, json_text, task};
use crate::lifecycle::Slot;
use crate::telemetry::sink;
use crate::{
    AgentError, Capabilities, Config, Health, ResourceQuota, StatefulAgent, Task, TypedAgent,
    payload,
};

/// Drives one agent natively and keeps what it tells its operator.
pub struct TestHost<A: TypedAgent> {
    slot: Slot<A>,
    recording: Recording,
}

impl<A: TypedAgent> TestHost<A> {
    /// Starts an agent without environment and parameters.
    pub fn start() -> Result<Self, AgentError> {
        Self::builder().start()
    }

    /// Starts an agent that is set up first.
    pub fn builder() -> TestHostBuilder<A> {
        TestHostBuilder { config: config(), agent: PhantomData }
    }

    /// Runs a task with this payload and returns its output as a host sees it.
    ///
    /// # Panics
    /// When the payload cannot be written as JSON.
    pub fn execute<T: Serialize + ?Sized>(&mut self, payload: &T) -> Result<Value, AgentError> {
        self.execute_task(task(payload))
    }

    /// Runs this very task.
    pub fn execute_task(&mut self, task: Task) -> Result<Value, AgentError> {
        let slot = &self.slot;
        let text = sink::record_into(&mut self.recording, || slot.execute_task(task))?;
        payload::decode(&text)
    }

    /// What the agent says it can do.
    pub fn capabilities(&mut self) -> Result<Capabilities, AgentError> {
        let slot = &self.slot;
        sink::record_into(&mut self.recording, || slot.capabilities())
    }

    /// How the agent says it is.
    pub fn health(&mut self) -> Health {
        let slot = &self.slot;
        sink::record_into(&mut self.recording, || slot.health())
    }

    /// Ends the agent's life. Later calls are errors, as in a component.
    pub fn shutdown(&mut self) -> Result<(), AgentError> {
        let slot = &self.slot;
        sink::record_into(&mut self.recording, || slot.shutdown())
    }

    /// Everything told so far, over all calls.
    pub fn recording(&self) -> &Recording {
        &self.recording
    }

    /// Takes what was told so far; the next call starts an empty recording.
    pub fn take_recording(&mut self) -> Recording {
        std::mem::take(&mut self.recording)
    }
}

impl<A: StatefulAgent> TestHost<A> {
    /// What a host would carry to the genome that takes over.
    pub fn save(&mut self) -> Result<Vec<u8>, AgentError> {
        let slot = &self.slot;
        sink::record_into(&mut self.recording, || slot.save())
    }

    /// Goes on from what this agent, or another version of it, saved.
    pub fn restore(&mut self, state: &[u8]) -> Result<(), AgentError> {
        let slot = &self.slot;
        sink::record_into(&mut self.recording, || slot.restore(state))
    }
}

impl<A: TypedAgent> fmt::Debug for TestHost<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestHost").field("recording", &self.recording).finish_non_exhaustive()
    }
}

/// Sets an agent up before it starts.
#[derive(Debug)]
#[must_use = "nothing runs before `start`"]
pub struct TestHostBuilder<A> {
    config: Config,
    agent: PhantomData<A>,
}

impl<A: TypedAgent> TestHostBuilder<A> {
    /// Sets a parameter.
    ///
    /// # Panics
    /// When the value cannot be written as JSON.
    pub fn parameter<T: Serialize + ?Sized>(mut self, name: &str, value: &T) -> Self {
        self.config.parameters.insert(name.to_owned(), json_text(value));
        self
    }

    /// Grants an environment variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.config.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Sets the limits that the agent reads. They are not enforced here.
    pub fn resource_quota(mut self, quota: ResourceQuota) -> Self {
        self.config.resource_quota = quota;
        self
    }

    /// Builds the agent.
    pub fn start(self) -> Result<TestHost<A>, AgentError> {
        let mut host = TestHost { slot: Slot::empty(), recording: Recording::default() };
        let slot = &host.slot;
        sink::record_into(&mut host.recording, || slot.init(self.config))?;
        Ok(host)
    }
}
