//! Resource allocations by layer 8: quotas change at run time.

use serde::{Deserialize, Serialize};

use crate::{AgentId, ResourceQuota};

/// A quota for agents that run already, in place of the one that they have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ResourceAllocation {
    /// Whose quota it is from now on.
    pub target: AllocationTarget,
    /// The whole new quota: a field that is left out is the default, not what
    /// was in force before.
    pub resource_quota: ResourceQuota,
}

/// Whom an allocation is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum AllocationTarget {
    /// One agent, as long as it lives.
    Agent(AgentId),
    /// Every agent of a type, and those that the type's registration starts later.
    AgentType(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allocation_is_read_and_a_misspelt_one_is_not() {
        let text = r#"{"target": {"agent-type": "echo"}, "resource_quota": {"max_memory_mb": 9}}"#;
        let allocation: ResourceAllocation = serde_json::from_str(text).unwrap();
        let quota = ResourceQuota { max_memory_mb: 9, ..ResourceQuota::default() };
        assert_eq!(allocation.target, AllocationTarget::AgentType("echo".into()));
        assert_eq!(allocation.resource_quota, quota);

        let id: AgentId = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        let one = ResourceAllocation { target: AllocationTarget::Agent(id), ..allocation };
        let again = serde_json::from_str(&serde_json::to_string(&one).unwrap());
        assert_eq!(one, again.unwrap());

        for wrong in [
            text.replace("agent-type", "type"),
            text.replace("max_memory_mb", "memory"),
            r#"{"target": {"agent-type": "echo"}}"#.into(),
        ] {
            assert!(serde_json::from_str::<ResourceAllocation>(&wrong).is_err(), "{wrong}");
        }
    }
}
