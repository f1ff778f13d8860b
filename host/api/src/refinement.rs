//! Refinements of agent types: what becomes of tasks to come.

use std::collections::BTreeMap;

use chimera_layer4_core::Priority;
use chimera_layer4_core::config::PartialQuota;
use chimera_layer4_core::json::Tree;
pub use chimera_layer4_core::refinement::{
    Refined, RefinedBy, Refinement, RefinementEntry, RefinementView,
};
use serde::{Deserialize, Serialize};

/// A refinement that is to count for an agent type from now on, with who sets it and why. A field
/// that is left out changes nothing of a task.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RefinementRequest {
    /// Where tasks go that are submitted to the type: another agent type, or a task type that
    /// agents support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 256))]
    pub route_to: Option<String>,
    /// Their class, in place of the one that the submitter gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// Their limits, each in place of the one that the submitter gave. Where the agent's own are
    /// tighter, those rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_quota: Option<PartialQuota>,
    /// Parameters of the type's agents, each in place of the declared one of its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub parameters: BTreeMap<String, Tree>,
    /// The person or program that decides.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_length = 256))]
    pub author: String,
    /// The layer that it belongs to.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_length = 256))]
    pub source_layer: String,
    /// Why, in words.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_length = 4096))]
    pub reason: String,
}

impl RefinementRequest {
    /// A refinement, by this author and for this reason.
    #[must_use]
    pub fn new(refinement: Refinement, by: RefinedBy) -> Self {
        let Refinement { route_to, priority, resource_quota, parameters } = refinement;
        let RefinedBy { author, source_layer, reason } = by;
        Self { route_to, priority, resource_quota, parameters, author, source_layer, reason }
    }

    /// The refinement, and who sets it and why.
    #[must_use]
    pub fn into_parts(self) -> (Refinement, RefinedBy) {
        let Self { route_to, priority, resource_quota, parameters, author, source_layer, reason } =
            self;
        (
            Refinement { route_to, priority, resource_quota, parameters },
            RefinedBy { author, source_layer, reason },
        )
    }
}

/// Which page of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
pub struct RecordPage {
    /// Entries on the page; 20 when left out.
    #[cfg_attr(feature = "openapi", param(minimum = 1, maximum = 100))]
    pub limit: Option<usize>,
    /// Only entries that are older than this one: the `next` of the page before.
    #[cfg_attr(feature = "openapi", param(minimum = 0))]
    pub before: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_what_its_parts_are() {
        let text = r#"{"route_to": "b", "priority": "high", "resource_quota": {"max_memory_mb": 9},
            "parameters": {"a": [1]}, "author": "Ada", "source_layer": "5", "reason": "slow"}"#;
        let request: RefinementRequest = serde_json::from_str(text).unwrap();
        let (refinement, by) = request.clone().into_parts();
        assert_eq!((refinement.route_to.as_deref(), &*by.reason), (Some("b"), "slow"));
        assert!(RefinementRequest::new(refinement, by) == request);
        let again = serde_json::to_string(&request).unwrap();
        assert!(serde_json::from_str::<RefinementRequest>(&again).unwrap() == request);
        assert!(serde_json::from_str::<RefinementRequest>(r#"{"route": "b"}"#).is_err());
    }
}
