//! Which dead letters something is done to.

use chimera_layer4_core::TaskId;
use chimera_layer4_core::scheduler::DeadReason;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// Which dead letters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Pick {
    /// These.
    These(These),
    /// All, or all of one agent type.
    Every(Every),
}

/// A [`Pick`] as it is read: field by field, since serde would hold all of an
/// untagged one in memory, at many times its text, before it knows which it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Picked {
    ids: Option<Vec<TaskId>>,
    all: Option<OfType>,
}

impl<'de> Deserialize<'de> for Pick {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let neither = "it is neither {\"ids\": [UUID, …]} nor {\"all\": {\"agent_type\": NAME, \
                       \"reason\": REASON}}, of which both may be left out";
        match Picked::deserialize(deserializer) {
            Ok(Picked { ids: Some(ids), all: None }) => Ok(Self::These(These { ids })),
            Ok(Picked { ids: None, all: Some(all) }) => Ok(Self::Every(Every { all })),
            Ok(_) => Err(D::Error::custom(neither)),
            Err(error) => Err(D::Error::custom(format!("{neither}: {error}"))),
        }
    }
}

/// Dead letters by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct These {
    /// Their identities.
    #[cfg_attr(feature = "openapi", schema(max_items = 10000))]
    pub ids: Vec<TaskId>,
}

/// Every dead letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Every {
    #[expect(missing_docs, reason = "its type says it")]
    pub all: OfType,
}

/// All, or all of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OfType {
    /// Only of this agent type.
    pub agent_type: Option<String>,
    /// Only of this reason.
    pub reason: Option<DeadReason>,
}
