//! Quotas that change while agents run, as layer 8 decides.

use chimera_layer4_core::{AllocationTarget, FabricError, FabricResult, ResourceAllocation};
use chimera_layer4_runtime::executor::check_quota;

use super::Agents;

impl Agents {
    /// Gives an agent, or every agent of a type, another quota; how many have
    /// it now. Nothing is restarted.
    ///
    /// The processor share and the bandwidth change at once, for tasks that run
    /// too; memory from the next growth on; wall time, and whether there is a
    /// network at all, with the next task to begin, also one that waits already. A type's registration has the quota too, so
    /// that the agents it starts later begin with it.
    ///
    /// # Errors
    /// `InvalidRequest` when the quota is out of range, `AgentNotFound`,
    /// `AgentTypeNotFound`, `AgentTypeLoading`, `AgentTypeDown`; nothing has changed
    /// then.
    pub fn allocate(&self, allocation: ResourceAllocation) -> FabricResult<usize> {
        let ResourceAllocation { target, resource_quota } = allocation;
        // Here, since a registration without an agent checks nothing by itself.
        check_quota(&resource_quota)?;
        match target {
            AllocationTarget::Agent(agent_id) => {
                let given = self.pool.agents.allocate_to(agent_id, &resource_quota)?;
                given.map(|()| 1).ok_or(FabricError::AgentNotFound(agent_id))
            }
            AllocationTarget::AgentType(agent_type) => {
                let given = self.pool.agents.allocate(&agent_type, &resource_quota)?;
                given.ok_or_else(|| self.pool.agents.unknown(&agent_type))
            }
        }
    }
}
