//! The part that most agents have in common.

use crate::{Capabilities, Config, Health, Telemetry};

/// Capabilities, configuration, health and telemetry of one agent.
///
/// An agent holds one and names it in [`TypedAgent::base`](crate::TypedAgent::base).
///
/// ```
/// use chimera_agent_sdk::prelude::*;
///
/// struct Counter {
///     base: BaseWasmAgent,
/// }
///
/// impl TypedAgent for Counter {
///     type Output = usize;
///
///     fn init(config: Config) -> Result<Self, AgentError> {
///         let capabilities = Capabilities::new().with_task_type("count");
///         Ok(Counter { base: BaseWasmAgent::new(config).with_capabilities(capabilities) })
///     }
///
///     fn execute_task(&mut self, task: Task) -> Result<usize, AgentError> {
///         let _span = self.base.telemetry.start_tracking("count");
///         let words: Vec<String> = task.payload()?;
///         self.base.telemetry.record_metric("words", words.len() as f64);
///         Ok(words.len())
///     }
///
///     fn base(&self) -> Option<&BaseWasmAgent> {
///         Some(&self.base)
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct BaseWasmAgent {
    /// What the agent answers when the host asks what it can do.
    pub capabilities: Capabilities,
    /// The configuration handed to `init`.
    pub config: Config,
    /// What the agent answers when the host asks how it is.
    pub health: Health,
    /// Spans, metrics, progress and log lines.
    pub telemetry: Telemetry,
}

impl BaseWasmAgent {
    /// A healthy agent without particular capabilities.
    pub fn new(config: Config) -> Self {
        Self {
            capabilities: Capabilities::new(),
            config,
            health: Health::healthy(),
            telemetry: Telemetry,
        }
    }

    /// The same, with these capabilities.
    #[must_use]
    pub fn with_capabilities(mut self, capabilities: Capabilities) -> Self {
        self.capabilities = capabilities;
        self
    }
}
