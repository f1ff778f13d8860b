//! The one trait that an author implements.

use serde::Serialize;

use crate::{AgentError, BaseWasmAgent, Capabilities, Config, Health, Task};

/// An agent: a value that the host builds once and hands task after task.
///
/// The host makes one call at a time, so `&mut self` needs no lock. State that
/// lives in the value is kept from task to task for as long as the host keeps
/// the instance, and lost with it: after a trap, a quota breach or a retirement
/// the next task meets a value fresh from [`init`](Self::init).
///
/// Only `init` and [`execute_task`](Self::execute_task) must be written. An
/// agent that holds a [`BaseWasmAgent`] names it in [`base`](Self::base), and
/// its capabilities and health are answered from there.
pub trait WasmAgent: Sized + 'static {
    /// What a task yields. Anything that serde writes as JSON;
    /// [`serde_json::Value`] where the shape is not known beforehand.
    type Output: Serialize;

    /// Builds the agent. An error here means that the agent does not start.
    fn init(config: Config) -> Result<Self, AgentError>;

    /// Does one task.
    fn execute_task(&mut self, task: Task) -> Result<Self::Output, AgentError>;

    /// The common part of this agent, where it holds one.
    fn base(&self) -> Option<&BaseWasmAgent> {
        None
    }

    /// What the agent can do. Asked once, after `init`.
    fn get_capabilities(&self) -> Capabilities {
        self.base().map(|base| base.capabilities.clone()).unwrap_or_default()
    }

    /// How the agent is. Asked now and then between tasks, so it is quick.
    fn health_check(&self) -> Health {
        self.base().map(|base| base.health.clone()).unwrap_or_default()
    }

    /// Called last when the host retires the instance in good order; not
    /// called after a trap, so nothing may depend on it.
    fn shutdown(&mut self) -> Result<(), AgentError> {
        Ok(())
    }
}
