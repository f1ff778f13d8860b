//! Calls into a guest that an agent would not make.

use std::sync::Arc;

use chimera_layer4_core::{AgentConfig, FabricResult};
use chimera_layer4_runtime::Genome;
use chimera_layer4_runtime::executor::Probe;

use super::Agents;

impl Agents {
    /// A way to call into an instance of a genome in any order, within the
    /// limits of the configuration. It is no agent: no task reaches it, no
    /// heartbeat asks how it is, and it need not be started.
    ///
    /// # Errors
    /// `InvalidRequest` when the configuration is out of range; `Host` when
    /// there is no room for another instance.
    pub fn probe(&self, genome: Arc<Genome>, config: AgentConfig) -> FabricResult<Probe> {
        self.pool.executor.probe(genome, config)
    }
}
