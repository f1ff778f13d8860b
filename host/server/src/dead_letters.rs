//! `/v1/dead-letters`: list, inspect, put back, forget.

use axum::extract::State;
use axum::http::StatusCode;
use chimera_layer4_api::paths;
use chimera_layer4_api::problem::code;
use chimera_layer4_api::tasks::{Done, Every, List, OfType, Page, Pick, TaskRecord, These};
use chimera_layer4_core::scheduler::TaskState;
use chimera_layer4_core::scheduler::store::Filter;
use chimera_layer4_core::{FabricError, FabricResult, TaskId};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::answer::{Answer, Json};
use super::error::Problem;
use super::extract::{Id, Json as Body, Params};
use super::problems;
use super::shapes::MOST_ITEMS;
use super::turns::Client;
use super::wire::{filter, page};
use chimera_layer4_fabric::Fabric;

/// Dead letters that are moved in one step.
const STEP: usize = 1000;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(requeue))
        .routes(routes!(purge))
}

/// Lists tasks that ended without success, in the order of their end.
#[utoipa::path(
    get, path = paths::DEAD_LETTERS, tag = "dead letters",
    operation_id = "list_dead_letters", params(List),
    responses(
        (status = 200, description = "A page", body = Page),
        problems::Asking,
    )
)]
async fn list(State(app): State<App>, Params(list): Params<List>) -> Json<Page> {
    Ok(Answer(page(&app.fabric, filter(list, Some(TaskState::Dead))?).await?))
}

/// One dead letter, with its input and every attempt's error.
#[utoipa::path(
    get, path = paths::DEAD_LETTER, tag = "dead letters",
    operation_id = "get_dead_letter", params(("id" = TaskId, Path)),
    responses(
        (status = 200, description = "The task", body = TaskRecord),
        problems::Finding,
    )
)]
async fn show(State(app): State<App>, Id(id): Id<TaskId>) -> Json<TaskRecord> {
    let record = app.fabric.tasks().get(id).await?;
    if record.state == TaskState::Dead {
        return Ok(Answer(record));
    }
    let message = format!("task {id} is no dead letter, it is {}", record.state);
    Err(Problem::new(StatusCode::NOT_FOUND, code::TASK_NOT_DEAD, message))
}

/// Puts dead letters back in the queue, with all their attempts.
#[utoipa::path(
    post, path = paths::DEAD_LETTERS_REQUEUE, tag = "dead letters",
    operation_id = "requeue_dead_letters", request_body = Pick,
    responses(
        (status = 200, description = "Those that were dead", body = Done),
        problems::Telling,
    )
)]
async fn requeue(State(app): State<App>, client: Client, Body(pick): Body<Pick>) -> Json<Done> {
    let _turn = client.turn_to_work()?;
    Ok(Answer(Step::Requeue.each(&app.fabric, pick).await?.into()))
}

/// Forgets dead letters.
#[utoipa::path(
    post, path = paths::DEAD_LETTERS_PURGE, tag = "dead letters",
    operation_id = "purge_dead_letters", request_body = Pick,
    responses(
        (status = 200, description = "Those that were dead", body = Done),
        problems::Telling,
    )
)]
async fn purge(State(app): State<App>, client: Client, Body(pick): Body<Pick>) -> Json<Done> {
    let _turn = client.turn_to_work()?;
    Ok(Answer(Step::Purge.each(&app.fabric, pick).await?.into()))
}

/// What is done to dead letters, a thousand at a time.
#[derive(Clone, Copy)]
enum Step {
    Requeue,
    Purge,
}

impl Step {
    /// Does it to the picked ones, and returns those that are dead letters no
    /// more.
    async fn each(self, fabric: &Fabric, pick: Pick) -> Result<Vec<TaskId>, Problem> {
        let OfType { agent_type, reason } = match pick {
            Pick::These(These { ids }) if ids.len() > MOST_ITEMS => {
                let message =
                    format!("{} ids are given; allowed are {MOST_ITEMS} at once", ids.len());
                return Err(Problem::invalid(message));
            }
            Pick::These(These { ids }) => return Ok(self.take(fabric, ids).await?),
            Pick::Every(Every { all }) => all,
        };
        let dead = Filter::of(Some(TaskState::Dead));
        let mut filter = Filter { agent_type, reason, limit: STEP, ..dead };
        let mut done = Vec::new();
        loop {
            let page = fabric.tasks().list(filter.clone()).await?;
            let Some(last) = page.last() else { return Ok(done) };
            filter.after = Some(filter.place(last));
            done.extend(self.take(fabric, page.iter().map(|one| one.id).collect()).await?);
        }
    }

    async fn take(self, fabric: &Fabric, ids: Vec<TaskId>) -> FabricResult<Vec<TaskId>> {
        if let Step::Requeue = self {
            return fabric.tasks().requeue(ids).await;
        }
        // Other tasks that have ended are not forgotten here.
        let mut dead = Vec::new();
        for id in ids {
            match fabric.tasks().get(id).await {
                Ok(record) if record.state == TaskState::Dead => dead.push(id),
                Ok(_) | Err(FabricError::TaskNotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        fabric.tasks().purge(dead).await
    }
}
