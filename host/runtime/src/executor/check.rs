//! Whether the settings of an agent are in range.

use chimera_layer4_core::{AgentConfig, FabricError, FabricResult, ResourceQuota};

use crate::sandbox::capabilities;

/// Refuses a configuration that is out of range.
///
/// # Errors
/// `InvalidRequest` with every complaint at once.
pub fn check(config: &AgentConfig) -> FabricResult<()> {
    let mut wrong = quota_complaints(&config.resource_quota);
    if config.agent_type.is_empty() {
        wrong.push("agent_type is empty; tasks target an agent by it".into());
    }
    for name in
        config.environment.keys().filter(|name| name.is_empty() || name.contains(['=', '\0']))
    {
        wrong.push(format!("environment variable {name:?} is not a name"));
    }
    capabilities::check(&config.grants, &mut wrong);
    refuse(wrong)
}

/// Refuses a quota that is out of range.
///
/// # Errors
/// `InvalidRequest` with every complaint at once.
pub fn check_quota(quota: &ResourceQuota) -> FabricResult<()> {
    refuse(quota_complaints(quota))
}

fn quota_complaints(quota: &ResourceQuota) -> Vec<String> {
    quota.complaints().into_iter().map(|c| format!("resource_quota.{c}")).collect()
}

fn refuse(wrong: Vec<String>) -> FabricResult<()> {
    if wrong.is_empty() { Ok(()) } else { Err(FabricError::InvalidRequest(wrong)) }
}
