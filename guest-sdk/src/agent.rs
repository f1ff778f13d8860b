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
pub trait TypedAgent: Sized + 'static {
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

    /// Called last, when the host retires an instance that works; not
    /// called after a trap, so nothing may depend on it.
    fn shutdown(&mut self) -> Result<(), AgentError> {
        Ok(())
    }
}

/// An agent that carries its state to the genome that takes over.
///
/// Exported by naming it in the macro: `wasm_agent!(Counter, state)`. Without
/// that, or where one of both genomes lacks it, the successor starts anew and
/// the host reports that.
///
/// State is carried for agents that do one task at a time; one that allows more
/// in its capabilities has several instances, and no rule could say which of
/// them knows best.
pub trait StatefulAgent: TypedAgent {
    /// What the successor is to know, at most 4 MiB. Called between two tasks,
    /// perhaps more than once, so it changes nothing. Begin with a version:
    /// the reader may be another one than the writer.
    fn save(&self) -> Result<Vec<u8>, AgentError>;

    /// Goes on from what a predecessor saved. Called once, after `init` and
    /// before the first task. An error keeps the predecessor in charge, so
    /// refuse what is not understood.
    fn restore(&mut self, state: &[u8]) -> Result<(), AgentError>;
}
