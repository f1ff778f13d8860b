//! What a check is given.

use std::collections::BTreeMap;
use std::time::Duration;

use chimera_layer4_core::{AgentConfig, JsonText};
use serde::Deserialize;
use serde_json::Value;

/// Tasks of the soak, unless set otherwise.
pub const DEFAULT_SOAK_TASKS: u32 = 10_000;
/// Wall time of the soak at the most, unless set otherwise.
pub const DEFAULT_SOAK_TIME: Duration = Duration::from_secs(60);

/// What a check is given.
#[derive(Clone, Debug)]
pub struct Options {
    /// A configuration that the agent starts with. Its quota's wall time bounds
    /// each task of the check too, so a guest that hangs costs that much.
    pub config: AgentConfig,
    /// Parameters, each of which, set on top of `config`, `init` is to refuse.
    pub bad_parameters: Vec<(String, Value)>,
    /// Tasks, and how each is to end. Without any some common payloads are tried.
    pub samples: Vec<Sample>,
    /// Tasks that one instance is to do in a row.
    pub soak_tasks: u32,
    /// Wall time after which that is cut short, and once more for finding out
    /// whether memory that grew settles.
    pub soak_time: Duration,
}

impl Options {
    /// A check without samples.
    #[must_use]
    pub fn new(config: AgentConfig) -> Self {
        Self {
            config,
            bad_parameters: Vec::new(),
            samples: Vec::new(),
            soak_tasks: DEFAULT_SOAK_TASKS,
            soak_time: DEFAULT_SOAK_TIME,
        }
    }
}

/// A task, and how it is to end.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// The payload.
    pub payload: JsonText,
    /// Which of the agent's declared task types it is of. The contract has no
    /// field for it: an agent tells a task's type from what it is handed.
    #[serde(default, rename = "type")]
    pub task_type: Option<String>,
    /// The submitter's labels.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// How it is to end.
    #[serde(default)]
    pub expect: Expected,
}

impl Sample {
    /// A payload that is to give a result.
    #[must_use]
    pub fn new(payload: impl Into<JsonText>) -> Self {
        let payload = payload.into();
        let (task_type, metadata, expect) = (None, BTreeMap::new(), Expected::Result);
        Self { payload, task_type, metadata, expect }
    }
}

/// How a task is to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expected {
    /// With a result.
    #[default]
    Result,
    /// With the error `invalid-input`.
    InvalidInput,
    /// With the error `unavailable`.
    Unavailable,
    /// With the error `failed`.
    Failed,
}
