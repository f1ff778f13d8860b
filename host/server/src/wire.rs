//! From the bodies of requests to what the fabric takes, within bounds.

use std::time::{Duration, SystemTime};

use chimera_layer4_api::tasks::{List, Page, TaskRequest, Wait, cursor, read_cursor};
use chimera_layer4_core::scheduler::store::Filter;
use chimera_layer4_core::scheduler::{Submission, SubmitOptions, TaskState};
use chimera_layer4_core::{FabricResult, ResourceQuota, Task};

use super::error::Problem;
use chimera_layer4_fabric::{Fabric, utils};

/// Tasks on one page.
const PAGE: usize = 50;
const MOST_ON_A_PAGE: usize = 1000;
/// A proxy gives up on an answer at about this time.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// The submission that a request asks for, with the header's key, if there is one.
pub(super) fn submission(
    request: TaskRequest,
    default_quota: &ResourceQuota,
    header: Option<String>,
) -> Result<Submission, Problem> {
    let idempotency_key = match (request.idempotency_key, header) {
        (Some(own), Some(header)) if own != header => {
            return Err(Problem::invalid(format!(
                "idempotency_key is {own:?} and the header Idempotency-Key {header:?}; give one"
            )));
        }
        (own, header) => own.or(header),
    };
    let task = Task {
        id: request.id.unwrap_or_else(utils::generate_task_id),
        priority: request.priority,
        payload: request.payload,
        created_at: SystemTime::now(),
        deadline: request.deadline,
        resource_quota: request.resource_quota.unwrap_or_else(|| default_quota.clone()),
        source_layer: request.source_layer,
        target_agent_type: request.target_agent_type,
        metadata: request.metadata,
    };
    let (not_before, max_attempts) = (request.not_before, request.max_attempts);
    Ok(Submission { task, options: SubmitOptions { idempotency_key, not_before, max_attempts } })
}

/// How long to wait for an answer.
pub(super) fn wait_for(Wait { wait }: &Wait) -> Result<Option<Duration>, Problem> {
    let Some(typed) = wait else { return Ok(None) };
    let fits = |wait: &Duration| *wait <= LONGEST_WAIT;
    let wait = humantime::parse_duration(typed).ok().filter(fits);
    wait.map(Some).ok_or_else(|| {
        Problem::invalid(format!("wait is {typed:?}; allowed is a time up to 5m, as 30s"))
    })
}

/// What to ask a store for, and how many fit on the page. One more is asked for,
/// which tells whether another page follows.
pub(super) fn filter(list: List, state: Option<TaskState>) -> Result<(Filter, usize), Problem> {
    let limit = list.limit.unwrap_or(PAGE);
    if !(1..=MOST_ON_A_PAGE).contains(&limit) {
        let message = format!("limit is {limit}; allowed is 1 to {MOST_ON_A_PAGE}");
        return Err(Problem::invalid(message));
    }
    let place = |cursor: &str| {
        read_cursor(cursor).ok_or_else(|| {
            Problem::invalid(format!("cursor is {cursor:?}; give the `next` of the page before"))
        })
    };
    let after = list.cursor.as_deref().map(place).transpose()?;
    let List { agent_type, priority, reason, .. } = list;
    let (order, limit_and_one) = (list.order.unwrap_or_default(), limit + 1);
    let filter = Filter {
        agent_type,
        priority,
        reason,
        order,
        limit: limit_and_one,
        after,
        ..Filter::of(state)
    };
    Ok((filter, limit))
}

/// What a host lists, as much as fits on the page.
pub(super) async fn page(fabric: &Fabric, (filter, limit): (Filter, usize)) -> FabricResult<Page> {
    let mut tasks = fabric.tasks().list(filter.clone()).await?;
    let is_last = tasks.len() <= limit;
    tasks.truncate(limit);
    let last = tasks.last().filter(|_| !is_last).map(|last| filter.place(last));
    Ok(Page { tasks, next: last.map(cursor) })
}
