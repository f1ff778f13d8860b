//! What becomes of tasks that are submitted to an agent type from now on, as layer 5 sets it
//! by what the key figures show: *task refinement*.
//!
//! A refinement is put in force for one agent type and recorded. It counts for submissions
//! that come after it; a task that was taken before stays as it is. Taking it back brings
//! what counted before it.

mod admission;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::admission::{Directory, MOST_ON_THE_WAY, REFINEMENT_LABEL, admit, circle};

use crate::config::{PartialQuota, bad_name};
use crate::genome::StateCarried;
use crate::json::Tree;
use crate::scheduler::Timestamp;
use crate::scheduler::submission::MOST_NAME_BYTES;
use crate::{AgentId, Priority, ResourceQuota};

/// What an agent's `init` gets, by name.
pub type Parameters = BTreeMap<String, Value>;

/// What becomes of tasks that are submitted to an agent type from now on. A field that is left
/// out changes nothing.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Refinement {
    /// Where they go: another agent type, or a task type that agents support.
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
    /// Parameters of the type's agents, each in place of the declared one of its name. The
    /// agents are replaced, so they count for each run that begins from then on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub parameters: BTreeMap<String, Tree>,
}

impl fmt::Debug for Refinement {
    /// Values of parameters may be secrets, and are not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refinement")
            .field("route_to", &self.route_to)
            .field("priority", &self.priority)
            .field("resource_quota", &self.resource_quota)
            .field("parameters", &self.parameters.keys())
            .finish()
    }
}

impl Refinement {
    /// Bytes of one refinement, as JSON.
    pub const MOST_BYTES: usize = 64 << 10;
    /// Agent types of one host that have one in force.
    pub const MOST_TYPES: usize = 1000;

    /// Everything that is wrong with it by itself, as messages for the client that sent it.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let of_name = |complaint| format!("route_to: {complaint}");
        wrong.extend(self.route_to.iter().flat_map(|to| bad_name(to)).map(of_name));
        if let Some(quota) = &self.resource_quota {
            let whole = quota.or(&ResourceQuota::default());
            wrong.extend(whole.complaints().into_iter().map(|c| format!("resource_quota.{c}")));
        }
        let bytes = serde_json::to_vec(self).map_or(usize::MAX, |text| text.len());
        if bytes > Self::MOST_BYTES {
            let most = Self::MOST_BYTES;
            wrong.push(format!("the refinement has {bytes} bytes as JSON; allowed are {most}"));
        }
        wrong
    }

    /// The parameters of an agent that was set up with `declared`.
    #[must_use]
    pub fn parameters_over(&self, declared: &Parameters) -> Parameters {
        let own = self.parameters.iter().map(|(name, Tree(value))| (name.clone(), value.clone()));
        declared.iter().map(|(name, value)| (name.clone(), value.clone())).chain(own).collect()
    }
}

/// Who changes a refinement, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
pub struct RefinedBy {
    /// The person or program that decides.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", param(required = false, max_length = 256))]
    pub author: String,
    /// The layer that it belongs to.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", param(required = false, max_length = 256))]
    pub source_layer: String,
    /// Why, in words.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", param(required = false, max_length = 4096))]
    pub reason: String,
}

impl RefinedBy {
    /// Bytes of a reason.
    pub const MOST_REASON_BYTES: usize = 4096;

    /// Everything that is wrong with it.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let texts = [
            ("author", &self.author, MOST_NAME_BYTES),
            ("source_layer", &self.source_layer, MOST_NAME_BYTES),
            ("reason", &self.reason, Self::MOST_REASON_BYTES),
        ];
        let too_long = texts.iter().filter(|(_, text, most)| text.len() > *most);
        let too_long = too_long.map(|(name, text, most)| {
            format!("{name} has {} bytes; allowed are up to {most}", text.len())
        });
        too_long.collect()
    }
}

/// What was done about an agent type's refinement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum RefinementChange {
    /// One was put in force.
    Set,
    /// The one in force was taken back.
    Undone,
}

impl RefinementChange {
    /// In one word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            RefinementChange::Set => "set",
            RefinementChange::Undone => "undone",
        }
    }
}

/// One entry of the record of refinements, which only grows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RefinementEntry {
    /// Its place in the record of the host, counted from one.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// For which agent type.
    pub agent_type: String,
    #[expect(missing_docs, reason = "its type says it")]
    pub change: RefinementChange,
    /// The person or program that decided; empty where it did not say.
    pub author: String,
    /// The layer that it belongs to; empty where it did not say.
    pub source_layer: String,
    /// Why; empty where it was not given.
    pub reason: String,
    /// The entry that counted until then; absent where none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// The entry that counts from then on: this one, or the one that undoing it brought back;
    /// absent where none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_force: Option<u64>,
    /// What counts from then on; absent where nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refinement: Option<Refinement>,
}

/// What became of an agent type's refinement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Refined {
    /// The newest entry of the record. Where what was set is what counts already, it is the one
    /// that counts, and nothing was recorded.
    pub entry: RefinementEntry,
    /// Agents that were replaced, since their parameters are others now; each keeps its identity.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<AgentId>,
    /// Agents whose successors did not start, though others' did: they go on with the
    /// parameters that they had. Setting the same again tries these again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub behind: Vec<AgentId>,
    /// What became of the own state of the agents that were replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<StateCarried>,
}

/// The refinement of an agent type, and what was recorded of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RefinementView {
    /// The agent type.
    pub agent_type: String,
    /// The entry that counts now; absent where none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_force: Option<RefinementEntry>,
    /// A page of the record, newest first.
    pub record: Vec<RefinementEntry>,
    /// The `before` of the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// The refinement in force of an agent type, in short.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RefinementSummary {
    /// The entry of the record that set it.
    pub number: u64,
    /// Where submissions go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route_to: Option<String>,
    /// Their class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// Their limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_quota: Option<PartialQuota>,
    /// The names of the parameters that agents get otherwise than declared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<String>,
}

impl RefinementSummary {
    /// Of the refinement that this entry set.
    #[must_use]
    pub fn of(number: u64, refinement: &Refinement) -> Self {
        let Refinement { route_to, priority, resource_quota, parameters } = refinement.clone();
        let parameters = parameters.into_keys().collect();
        Self { number, route_to, priority, resource_quota, parameters }
    }
}

#[cfg(test)]
mod tests;
