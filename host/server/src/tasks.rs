//! `/v1/tasks`: submit, look, wait, cancel, forget.

use std::time::Duration;

use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chimera_layer4_api::problem::code;
use chimera_layer4_api::tasks::{
    AttemptLog, Cancelled, Each, InState, List, ListedState, Page, Refused, Submitted, TaskRecord,
    TaskRequest, Wait,
};
use chimera_layer4_api::{self as wire, paths};
use chimera_layer4_core::scheduler::TaskState;
use chimera_layer4_core::{FabricError, FabricResult, TaskId};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout, timeout_at};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::answer::{Answer, Json};
use super::error::Problem;
use super::extract::{Id, OneOrMany, Params};
use super::problems;
use super::turns::{Client, Turn};
use super::wire::{filter, page, submission, wait_for};
use chimera_layer4_fabric::scheduler::TaskHandle;
use chimera_layer4_fabric::traces::Trace;

const KEY: &str = "idempotency-key";
/// In an answer to several tasks, where some were not taken.
const REFUSED: &str = "chimera-refused";

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(submit, list))
        .routes(routes!(show, forget))
        .routes(routes!(cancel))
        .routes(routes!(logs))
}

/// Takes a task, or an array of tasks, and answers when they are on disk.
///
/// Several are answered one by one, in their order. With `wait`, the answer
/// comes when all have ended, or the time is over.
#[utoipa::path(
    post, path = paths::TASKS, tag = "tasks",
    operation_id = "submit_tasks", params(Wait, ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 256,
        description = "A name for the submission of one task; the same again is answered with the first")),
    request_body(content = TaskBody, content_type = "application/json"),
    responses(
        (status = 200, description = "One task, which ended within `wait`; or several, each answered by itself, also where a full queue took a part of them only", body = SubmitAnswer,
            headers(("Chimera-Refused" = u32, description = "How many of several tasks were not taken; absent when all were"))),
        (status = 202, description = "One task, taken", body = Submitted),
        problems::Submitting,
    )
)]
async fn submit(
    State(app): State<App>,
    Params(wait): Params<Wait>,
    client: Client,
    Extension(trace): Extension<Trace>,
    headers: HeaderMap,
    mut body: OneOrMany<TaskRequest>,
) -> Result<Response, Problem> {
    for task in body.as_mut_slice() {
        trace.carry(&mut task.metadata);
    }
    let until = wait_for(&wait)?.map(|wait| Instant::now() + wait);
    let wait = until.and_then(|until| Some(Waiting { turn: client.turn()?, until }));
    match body {
        OneOrMany::One(one) => submit_one(&app, *one, key(&headers)?, wait).await,
        OneOrMany::Many(many) => submit_many(&app, many, key(&headers)?, wait).await,
    }
}

/// For how long a client waits for tasks.
struct Waiting {
    turn: Turn,
    until: Instant,
}

// The schema of what `OneOrMany` reads by its first byte.
/// One task or several.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "a schema")]
enum TaskBody {
    One(TaskRequest),
    Many(TaskList),
}

/// Several tasks.
#[derive(Deserialize, ToSchema)]
#[schema(min_items = 1, max_items = 10000)]
#[expect(dead_code, reason = "a schema")]
struct TaskList(Vec<TaskRequest>);

/// What became of one task or of several.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum SubmitAnswer {
    One(Box<Submitted>),
    Many(Vec<Each>),
}

fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut keys = headers.get_all(KEY).iter();
    let Some(key) = keys.next() else { return Ok(None) };
    if keys.next().is_some() {
        return Err(Problem::invalid("Idempotency-Key is given more than once"));
    }
    let text = key.to_str().map_err(|_| Problem::invalid("Idempotency-Key is not ASCII text"))?;
    Ok(Some(text.to_owned()))
}

async fn submit_one(
    app: &App,
    request: TaskRequest,
    key: Option<String>,
    wait: Option<Waiting>,
) -> Result<Response, Problem> {
    let submission = submission(request, app.fabric.default_quota(), key)?;
    let answer = match wait {
        None => Submitted { id: app.fabric.tasks().submit(submission).await?, result: None },
        Some(wait) => {
            let mut handles = app.fabric.tasks().submit_tracked(vec![submission]).await?;
            let lost = || Err(FabricError::Internal("a submission was not answered".into()));
            wait.ended(handles.pop().unwrap_or_else(lost)?).await?
        }
    };
    let status = if answer.result.is_some() { StatusCode::OK } else { StatusCode::ACCEPTED };
    let place = [(header::LOCATION, paths::task(answer.id))];
    Ok((status, place, Answer(SubmitAnswer::One(Box::new(answer)))).into_response())
}

impl Waiting {
    /// Waits for a task, which goes on whether it has ended by then or not.
    async fn ended(&self, handle: TaskHandle) -> FabricResult<Submitted> {
        let id = handle.id();
        let result = match self.turn.wait(timeout_at(self.until, handle.result())).await {
            Some(Ok(Ok(result))) => Some(result),
            // It is on disk, whatever becomes of this host.
            None | Some(Ok(Err(FabricError::NotRunning { .. })) | Err(_)) => None,
            Some(Ok(Err(error))) => return Err(error),
        };
        Ok(Submitted { id, result })
    }
}

async fn submit_many(
    app: &App,
    requests: Vec<TaskRequest>,
    key: Option<String>,
    wait: Option<Waiting>,
) -> Result<Response, Problem> {
    if key.is_some() {
        let message = "Idempotency-Key is for one task; give each its own `idempotency_key`";
        return Err(Problem::invalid(message));
    }
    let count = requests.len();
    let quota = app.fabric.default_quota();
    let submissions = requests.into_iter().map(|one| submission(one, quota, None));
    let submissions = submissions.collect::<Result<Vec<_>, _>>()?;
    let mut answers = Vec::with_capacity(count);
    match wait {
        None => {
            for taken in app.fabric.tasks().submit_batch(submissions).await? {
                answers.push(each(taken.map(|id| Submitted { id, result: None })));
            }
        }
        Some(wait) => {
            for taken in app.fabric.tasks().submit_tracked(submissions).await? {
                answers.push(each(match taken {
                    Ok(handle) => wait.ended(handle).await,
                    Err(error) => Err(error),
                }));
            }
        }
    }
    match full_for_all(&answers) {
        Some(full) => Err(full),
        None => {
            // For a client that looks no further than the status and the head.
            let refused = answers.iter().filter(|one| matches!(one, Each::Refused(_))).count();
            let count = (refused > 0).then_some([(REFUSED, refused.to_string())]);
            Ok((count, Answer(SubmitAnswer::Many(answers))).into_response())
        }
    }
}

/// What to answer where a full queue took none: a client that looks no further
/// than the status shall come back later, too.
fn full_for_all(answers: &[Each]) -> Option<Problem> {
    let mut longest: Option<&wire::Problem> = None;
    for answer in answers {
        let Each::Refused(Refused { problem }) = answer else { return None };
        let wait = wait_for_room(problem)?;
        if longest.and_then(wait_for_room).is_none_or(|most| wait > most) {
            longest = Some(problem);
        }
    }
    longest.cloned().map(Problem)
}

/// Seconds after which a queue that is full may have room; of other problems none.
fn wait_for_room(problem: &wire::Problem) -> Option<f64> {
    let is_full = problem.status == StatusCode::TOO_MANY_REQUESTS.as_u16();
    problem.retry_after_secs.filter(|_| is_full)
}

fn each(taken: FabricResult<Submitted>) -> Each {
    match taken {
        Ok(submitted) => Each::Taken(submitted),
        Err(error) => Each::Refused(Refused { problem: Problem::from(error).0 }),
    }
}

/// Lists tasks in one state in the order of their time, or in any state in the
/// order of their submission.
#[utoipa::path(
    get, path = paths::TASKS, tag = "tasks",
    operation_id = "list_tasks", params(InState, List),
    responses(
        (status = 200, description = "A page", body = Page),
        problems::Asking,
    )
)]
async fn list(
    State(app): State<App>,
    Params(InState { state }): Params<InState>,
    Params(list): Params<List>,
) -> Json<Page> {
    let state = state.map_or(Some(TaskState::Waiting), ListedState::state);
    Ok(Answer(page(&app.fabric, filter(list, state)?).await?))
}

/// All that is known of a task. With `wait`, the answer comes when it has
/// ended, or the time is over.
#[utoipa::path(
    get, path = paths::TASK, tag = "tasks",
    operation_id = "get_task", params(("id" = TaskId, Path), Wait),
    responses(
        (status = 200, description = "The task", body = TaskRecord),
        problems::Finding,
    )
)]
async fn show(
    State(app): State<App>,
    Id(id): Id<TaskId>,
    Params(wait): Params<Wait>,
    client: Client,
) -> Json<TaskRecord> {
    let wait = wait_for(&wait)?.filter(|wait| *wait > Duration::ZERO);
    if let Some((wait, turn)) = wait.and_then(|wait| Some((wait, client.turn()?))) {
        // How it ended is in the record; that it did not in time, too.
        if let Some(Ok(Err(error))) = turn.wait(timeout(wait, app.fabric.tasks().wait(id))).await {
            return Err(error.into());
        }
    }
    Ok(Answer(app.fabric.tasks().get(id).await?))
}

/// The end of the log of each attempt that failed, oldest first: what the agent
/// logged and printed, at most 8 KiB of each.
#[utoipa::path(
    get, path = paths::TASK_LOGS, tag = "tasks", operation_id = "get_task_logs",
    params(("id" = TaskId, Path)),
    responses(
        (status = 200, description = "A log for each attempt that failed", body = Vec<AttemptLog>),
        problems::Finding,
    )
)]
async fn logs(State(app): State<App>, Id(id): Id<TaskId>) -> Json<Vec<AttemptLog>> {
    let attempts = app.fabric.tasks().get(id).await?.failed_attempts;
    Ok(Answer(attempts.into_iter().map(AttemptLog::from).collect()))
}

/// Takes a task back: at once when it is queued, otherwise its run is ended. The
/// answer comes when the task is cancelled, or after ten seconds where the store
/// has not heard of the end of its run by then.
#[utoipa::path(
    post, path = paths::TASK_CANCEL, tag = "tasks",
    operation_id = "cancel_task", params(("id" = TaskId, Path)),
    responses(
        (status = 200, description = "It is cancelled", body = Cancelled),
        problems::Changing,
    )
)]
async fn cancel(State(app): State<App>, Id(id): Id<TaskId>) -> Json<Cancelled> {
    let was_queued = app.fabric.tasks().cancel(id).await?;
    Ok(Answer(Cancelled { id, was_queued }))
}

/// Forgets a task that has ended, and its result.
#[utoipa::path(
    delete, path = paths::TASK, tag = "tasks",
    operation_id = "forget_task", params(("id" = TaskId, Path)),
    responses(
        (status = 204, description = "It is forgotten"),
        problems::Changing,
    )
)]
async fn forget(State(app): State<App>, Id(id): Id<TaskId>) -> Result<StatusCode, Problem> {
    if !app.fabric.tasks().purge(vec![id]).await?.is_empty() {
        return Ok(StatusCode::NO_CONTENT);
    }
    let state = app.fabric.tasks().get(id).await?.state;
    let message = format!("task {id} is {state}; cancel it first");
    Err(Problem::new(StatusCode::CONFLICT, code::TASK_NOT_ENDED, message))
}
