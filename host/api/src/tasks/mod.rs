//! Tasks: submitted, listed, followed, taken back.

mod labels;
mod list;
mod pick;

use std::collections::BTreeMap;
use std::time::SystemTime;

pub use chimera_layer4_core::events::TaskEventKind;
use chimera_layer4_core::scheduler::record::Attempt;
pub use chimera_layer4_core::scheduler::record::{TaskRecord, TaskSummary};
use chimera_layer4_core::scheduler::{Submission, SubmitOptions};
use chimera_layer4_core::telemetry::LogTail;
use chimera_layer4_core::{
    AgentId, Digest, ExecutionResult, JsonText, Priority, ResourceQuota, Task, TaskId,
};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

pub use labels::labels;
pub use list::{InState, List, ListedState, Page, cursor, read_cursor};
pub use pick::{Every, OfType, Pick, These};

use crate::problem::Problem;

/// A task to be taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TaskRequest {
    /// The input, any JSON nested up to 120 levels deep.
    #[cfg_attr(feature = "openapi", schema(value_type = serde_json::Value))]
    pub payload: JsonText,
    /// The agent type that it is for.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 256))]
    pub target_agent_type: String,
    /// Its identity; a new one when left out.
    pub id: Option<TaskId>,
    #[expect(missing_docs, reason = "its type says it")]
    #[serde(default)]
    pub priority: Priority,
    /// When its result stops being of use (RFC 3339, in UTC with a `Z`).
    #[serde(default, with = "humantime_serde::option")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub deadline: Option<SystemTime>,
    /// Its own limits; where the agent's are tighter, those rule. What is left
    /// out is the host's default.
    pub resource_quota: Option<ResourceQuota>,
    /// Who submits it.
    #[serde(default)]
    pub source_layer: String,
    /// Labels of the submitter's, up to 10,000.
    #[serde(default, deserialize_with = "labels")]
    pub metadata: BTreeMap<String, String>,
    /// The first run is not begun before this (RFC 3339, in UTC with a `Z`).
    #[serde(default, with = "humantime_serde::option")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub not_before: Option<SystemTime>,
    /// Runs that may be begun; 3 when left out.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 100))]
    pub max_attempts: Option<u32>,
    /// A name for this submission: a second one under it is answered with the first.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 256))]
    pub idempotency_key: Option<String>,
}

impl From<Submission> for TaskRequest {
    /// The host's own clock says when it was made.
    fn from(Submission { task, options }: Submission) -> Self {
        let Task { id, priority, payload, deadline, .. } = task;
        let SubmitOptions { idempotency_key, not_before, max_attempts } = options;
        Self {
            payload,
            target_agent_type: task.target_agent_type,
            id: Some(id),
            priority,
            deadline,
            resource_quota: Some(task.resource_quota),
            source_layer: task.source_layer,
            metadata: task.metadata,
            not_before,
            max_attempts,
            idempotency_key,
        }
    }
}

/// What became of a submission.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Submitted {
    /// The task's identity; the first task's, where the same was submitted before.
    pub id: TaskId,
    /// How it ended, if it did within `wait`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<ExecutionResult>,
}

/// What became of one submission of several.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Each {
    /// It was taken.
    Taken(Submitted),
    /// It was not.
    Refused(Refused),
}

/// A submission of several that was not taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Refused {
    /// Why.
    pub problem: Problem,
}

/// An [`Each`] as it is read: an output stays text, which serde would not keep while
/// it finds out which variant it has.
#[derive(Deserialize)]
struct TakenOrNot {
    id: Option<TaskId>,
    result: Option<ExecutionResult>,
    problem: Option<Problem>,
}

impl<'de> Deserialize<'de> for Each {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match TakenOrNot::deserialize(from)? {
            TakenOrNot { id: Some(id), result, problem: None } => {
                Ok(Self::Taken(Submitted { id, result }))
            }
            TakenOrNot { id: None, problem: Some(problem), .. } => {
                Ok(Self::Refused(Refused { problem }))
            }
            _ => Err(D::Error::custom("it has neither an `id` nor a `problem`, or both")),
        }
    }
}

/// How long to wait for an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
pub struct Wait {
    /// As `30s` or `500ms`, five minutes at the most.
    #[cfg_attr(
        feature = "openapi",
        param(pattern = "^([0-9]{1,5}ms|([0-9]{1,2}|[12][0-9]{2}|300)s|[1-5]m)$", example = "30s")
    )]
    pub wait: Option<String>,
}

/// The end of the log of an attempt that failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AttemptLog {
    /// Which one, counted from one.
    pub attempt: u32,
    /// When it ended (RFC 3339).
    #[serde(with = "humantime_serde")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub ended_at: SystemTime,
    /// Why it failed.
    pub error: String,
    /// The genome that ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub genome: Option<Digest>,
    /// The agent that ran it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<AgentId>,
    /// The end of what the guest wrote.
    #[serde(flatten)]
    pub log: LogTail,
}

impl From<Attempt> for AttemptLog {
    fn from(attempt: Attempt) -> Self {
        let Attempt { number, ended_at, error, genome, agent_id, log, .. } = attempt;
        let (ended_at, error) = (ended_at.to_system_time(), error.to_string());
        Self { attempt: number, ended_at, error, genome, agent_id, log }
    }
}

/// A task that was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Cancelled {
    #[expect(missing_docs, reason = "its type says it")]
    pub id: TaskId,
    /// It was queued. Otherwise it ran, and its run was ended.
    pub was_queued: bool,
}

/// Tasks that something was done to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Done {
    #[expect(missing_docs, reason = "its name says it")]
    pub count: usize,
    #[expect(missing_docs, reason = "its type says it")]
    pub ids: Vec<TaskId>,
}

impl From<Vec<TaskId>> for Done {
    fn from(ids: Vec<TaskId>) -> Self {
        Self { count: ids.len(), ids }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    #[test]
    fn what_became_of_each_submission_is_read_as_it_was_written() {
        let taken = format!(
            r#"{{"id":"{ID}","result":{{"task_id":"{ID}","success":true,"output":{{"b":1,"a":0.10}},
            "execution_time_ms":1,"resource_usage":{{"cpu_seconds":0.5,"memory_peak_mb":1.5}},"completed_at":"2026-01-02T03:04:05Z"}}}}"#
        );
        let refused = r#"{"problem":{"type":"urn:chimera:queue-full","title":"Too Many Requests",
            "status":429,"code":"queue-full","detail":"full","retry_after_secs":1.5}}"#;
        let submitted = format!(r#"{{"id":"{ID}"}}"#);
        for text in [&*taken, refused, &submitted] {
            let each: Each = serde_json::from_str(text).unwrap();
            let again = serde_json::to_string(&each).unwrap();
            assert_eq!(serde_json::from_str::<Each>(&again).unwrap(), each);
        }
        let both = format!(r#"{{"id":"{ID}",{}"#, refused.trim_start_matches('{'));
        for text in ["{}", &both] {
            assert!(serde_json::from_str::<Each>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_request_says_all_of_a_submission() {
        let request = format!(
            r#"{{"payload":[1],"target_agent_type":"echo","id":"{ID}","priority":"high",
            "deadline":"2026-01-02T03:04:05Z","resource_quota":{{"max_memory_mb":7}},"source_layer":"5",
            "metadata":{{"a":"b"}},"not_before":"2026-01-02T03:04:04Z","max_attempts":2,"idempotency_key":"k"}}"#
        );
        let request: TaskRequest = serde_json::from_str(&request).unwrap();
        let task = Task {
            id: ID.parse().unwrap(),
            priority: Priority::High,
            payload: request.payload.clone(),
            created_at: SystemTime::UNIX_EPOCH,
            deadline: request.deadline,
            resource_quota: ResourceQuota { max_memory_mb: 7, ..ResourceQuota::default() },
            source_layer: "5".into(),
            target_agent_type: "echo".into(),
            metadata: BTreeMap::from([("a".into(), "b".into())]),
        };
        let options = SubmitOptions {
            idempotency_key: Some("k".into()),
            not_before: request.not_before,
            max_attempts: Some(2),
        };
        assert!(request.deadline.is_some() && request.not_before.is_some());
        assert_eq!(TaskRequest::from(Submission { task, options }), request);
        let text = serde_json::to_string(&request).unwrap();
        assert_eq!(serde_json::from_str::<TaskRequest>(&text).unwrap(), request);
    }

    #[test]
    fn dead_letters_are_picked_as_they_are_read() {
        let ids = vec![ID.parse().unwrap()];
        let reason = Some(chimera_layer4_core::scheduler::DeadReason::Failed);
        let all = OfType { agent_type: None, reason };
        for pick in [Pick::These(These { ids }), Pick::Every(Every { all })] {
            let text = serde_json::to_string(&pick).unwrap();
            assert_eq!(serde_json::from_str::<Pick>(&text).unwrap(), pick, "{text}");
        }
    }

    #[test]
    fn a_place_in_a_list_is_read_as_it_was_written() {
        let place = (chimera_layer4_core::scheduler::Timestamp(7), ID.parse().unwrap());
        assert_eq!(read_cursor(&cursor(place)), Some(place));
        for text in ["", "7", "x.y", "7."] {
            assert_eq!(read_cursor(text), None, "{text}");
        }
    }
}
