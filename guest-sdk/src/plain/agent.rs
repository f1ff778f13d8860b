//! The trait that an agent in the specification's form implements.

use super::{AgentCapabilities, AgentConfig, AgentHealth, ExecutionResult, Layer4Result, Task};

/// An agent in the specification's form.
///
/// The type also has a function `new()` without arguments, which
/// [`wasm_agent!`](crate::wasm_agent) calls: a new value for each instance, before
/// [`init`](Self::init). The host makes one call at a time, so `&mut self` needs no lock.
/// What the value holds is kept from task to task for as long as the host keeps the
/// instance.
pub trait WasmAgent {
    /// Does one task.
    ///
    /// The task's output is [`ExecutionResult::output`]. With `success: false` the task
    /// has failed for good, and [`ExecutionResult::error`] is the reason.
    ///
    /// # Errors
    /// Any: [`Layer4Error`](super::Layer4Error) says what the host makes of each.
    fn execute_task(&mut self, task: Task) -> Layer4Result<ExecutionResult>;

    /// Takes the configuration. Called once, before everything else.
    ///
    /// # Errors
    /// Any; the agent does not start then.
    fn init(&mut self, config: AgentConfig) -> Layer4Result<()>;

    /// What the agent can do. Asked once, after `init`.
    fn get_capabilities(&self) -> AgentCapabilities;

    /// Called last, when the host retires an instance that works; not called after a
    /// trap, so nothing may depend on it.
    ///
    /// # Errors
    /// Any; the host reports it, and the instance ends all the same.
    fn shutdown(&mut self) -> Layer4Result<()>;

    /// The agent's health. Asked now and then between tasks, so it is quick.
    fn health_check(&self) -> AgentHealth;
}
