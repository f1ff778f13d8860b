//! Lists of tasks, page by page.

use chimera_layer4_core::scheduler::record::TaskSummary;
use chimera_layer4_core::scheduler::store::Order;
use chimera_layer4_core::scheduler::{DeadReason, TaskState, Timestamp};
use chimera_layer4_core::{Priority, TaskId};
use serde::{Deserialize, Serialize};

/// In which state the tasks of a list are. The query of [`List`] stands beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
pub struct InState {
    /// In this state, or `all`; waiting when left out. Tasks in one state are in
    /// the order of their time, all tasks in that of their submission.
    #[cfg_attr(feature = "openapi", param(inline))]
    pub state: Option<ListedState>,
}

/// Which tasks to list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
pub struct List {
    /// Only of this agent type.
    pub agent_type: Option<String>,
    /// Only of this class.
    pub priority: Option<Priority>,
    /// Only dead letters of this reason.
    pub reason: Option<DeadReason>,
    /// Which come first; the oldest when left out.
    #[cfg_attr(feature = "openapi", param(inline))]
    pub order: Option<Order>,
    /// At the most so many; 50 when left out.
    #[cfg_attr(feature = "openapi", param(minimum = 1, maximum = 1000))]
    pub limit: Option<usize>,
    /// The `next` of the page before.
    #[cfg_attr(
        feature = "openapi",
        param(
            pattern = "^[0-9]{1,13}[.][0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
        )
    )]
    pub cursor: Option<String>,
}

/// The state of the tasks in a list, or all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[expect(missing_docs, reason = "they are the states of `TaskState`")]
pub enum ListedState {
    Waiting,
    Delayed,
    Claimed,
    Running,
    Succeeded,
    Dead,
    Cancelled,
    All,
}

impl ListedState {
    /// The one state, or none of them in particular.
    #[must_use]
    pub fn state(self) -> Option<TaskState> {
        Some(match self {
            ListedState::Waiting => TaskState::Waiting,
            ListedState::Delayed => TaskState::Delayed,
            ListedState::Claimed => TaskState::Claimed,
            ListedState::Running => TaskState::Running,
            ListedState::Succeeded => TaskState::Succeeded,
            ListedState::Dead => TaskState::Dead,
            ListedState::Cancelled => TaskState::Cancelled,
            ListedState::All => return None,
        })
    }
}

impl From<Option<TaskState>> for ListedState {
    fn from(state: Option<TaskState>) -> Self {
        match state {
            Some(TaskState::Waiting) => ListedState::Waiting,
            Some(TaskState::Delayed) => ListedState::Delayed,
            Some(TaskState::Claimed) => ListedState::Claimed,
            Some(TaskState::Running) => ListedState::Running,
            Some(TaskState::Succeeded) => ListedState::Succeeded,
            Some(TaskState::Dead) => ListedState::Dead,
            Some(TaskState::Cancelled) => ListedState::Cancelled,
            None => ListedState::All,
        }
    }
}

/// Where a task stands in a list, as a page names it.
#[must_use]
pub fn cursor((at, id): (Timestamp, TaskId)) -> String {
    format!("{}.{id}", at.0)
}

/// A place that [`cursor`] wrote.
#[must_use]
pub fn read_cursor(cursor: &str) -> Option<(Timestamp, TaskId)> {
    let (at, id) = cursor.split_once('.')?;
    Some((Timestamp(at.parse().ok()?), id.parse().ok()?))
}

/// A page of tasks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Page {
    #[expect(missing_docs, reason = "its type says it")]
    pub tasks: Vec<TaskSummary>,
    /// The cursor of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
