//! An agent in the specification's form, with the calls that the host makes.

use serde_json::Value;

use super::telemetry::end_tracking;
use super::{WasmAgent, convert};
use crate::{AgentError, Capabilities, Config, Health, Task};

/// What the type that `wasm_agent!(Name, Agent)` makes holds. The macro passes each call
/// on: a type of this crate cannot be the agent, since its slot belongs to the author's crate.
#[derive(Debug)]
pub struct Plain<A>(A);

impl<A: WasmAgent> Plain<A> {
    /// Hands the configuration to a new agent.
    pub fn start(mut agent: A, config: Config) -> Result<Self, AgentError> {
        let result = agent.init(convert::config(config)?);
        end_tracking();
        // A configuration that does not fit is no fault of a task's input.
        match result.map_err(AgentError::from) {
            Ok(()) => Ok(Self(agent)),
            Err(AgentError::InvalidInput(message)) => Err(AgentError::Failed(message)),
            Err(error) => Err(error),
        }
    }

    /// Does one task.
    pub fn execute_task(&mut self, task: Task) -> Result<Value, AgentError> {
        let result = self.0.execute_task(convert::task(task)?);
        end_tracking();
        convert::output(result?)
    }

    /// What the agent can do.
    pub fn capabilities(&self) -> Capabilities {
        convert::capabilities(self.0.get_capabilities())
    }

    /// The agent's health.
    pub fn health(&self) -> Health {
        self.0.health_check()
    }

    /// Ends the agent.
    pub fn shutdown(&mut self) -> Result<(), AgentError> {
        let result = self.0.shutdown();
        end_tracking();
        result.map_err(AgentError::from)
    }
}
