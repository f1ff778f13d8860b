//! The part that most agents in the specification's form have in common.

use super::{AgentCapabilities, AgentConfig, AgentHealth, Layer4Result, Telemetry};

/// Capabilities, configuration, health and telemetry of one agent; four of the five
/// methods of [`WasmAgent`](super::WasmAgent) pass on to the methods of the same names.
#[derive(Clone, Debug)]
pub struct BaseWasmAgent {
    /// Spans and metrics.
    pub telemetry: Telemetry,
    capabilities: AgentCapabilities,
    config: Option<AgentConfig>,
    health: AgentHealth,
}

impl BaseWasmAgent {
    /// A healthy agent with these capabilities. The name is that of its spans.
    pub fn new(name: impl Into<String>, capabilities: AgentCapabilities) -> Self {
        Self {
            telemetry: Telemetry::new(name.into()),
            capabilities,
            config: None,
            health: AgentHealth::healthy(),
        }
    }

    /// Keeps the configuration.
    ///
    /// # Errors
    /// None; the form is that of [`WasmAgent::init`](super::WasmAgent::init).
    pub fn init(&mut self, config: AgentConfig) -> Layer4Result<()> {
        self.config = Some(config);
        Ok(())
    }

    /// The configuration; none before [`init`](Self::init).
    pub fn config(&self) -> Option<&AgentConfig> {
        self.config.as_ref()
    }

    /// What [`new`](Self::new) got.
    pub fn get_capabilities(&self) -> AgentCapabilities {
        self.capabilities.clone()
    }

    /// What was set last; healthy at first.
    pub fn health_check(&self) -> AgentHealth {
        self.health.clone()
    }

    /// Sets what [`health_check`](Self::health_check) answers from now on.
    pub fn set_health(&mut self, health: AgentHealth) {
        self.health = health;
    }

    /// Ends the common part, which holds nothing that needs it.
    ///
    /// # Errors
    /// None; the form is that of [`WasmAgent::shutdown`](super::WasmAgent::shutdown).
    pub fn shutdown(&mut self) -> Layer4Result<()> {
        Ok(())
    }
}
