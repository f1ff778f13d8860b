//! `/v1/agent-types/{name}/refinement`: what becomes of tasks to come, from layer 5.

use axum::extract::State;
use chimera_layer4_api::paths;
use chimera_layer4_api::refinement::{
    RecordPage, Refined, RefinedBy, RefinementRequest, RefinementView,
};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::answer::{Answer, Json};
use super::error::Problem;
use super::extract::{Id, Json as Body, Params};
use super::problems;
use super::turns::Client;

/// Entries on one page.
const PAGE: usize = 20;
const MOST_ON_A_PAGE: usize = 100;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(refine, show, undo))
}

/// Has a refinement count for tasks that are submitted to an agent type from now on, in place of
/// the one before it. Tasks that were taken before stay as they are. Where its parameters
/// change, the answer comes when other agents have taken over.
#[utoipa::path(
    put, path = paths::AGENT_TYPE_REFINEMENT, tag = "agents",
    operation_id = "refine_agent_type", request_body = RefinementRequest,
    params(("name" = String, Path, min_length = 1, max_length = 256)),
    responses((status = 200, description = "It counts", body = Refined), problems::Refining)
)]
async fn refine(
    State(app): State<App>,
    Id(name): Id<String>,
    client: Client,
    Body(wanted): Body<RefinementRequest>,
) -> Json<Refined> {
    let _turn = client.turn_to_work()?;
    let (refinement, by) = wanted.into_parts();
    Ok(Answer(app.fabric.refine_agent_type(&name, refinement, by).await?))
}

/// The refinement of an agent type, and what was recorded of it, newest first.
#[utoipa::path(
    get, path = paths::AGENT_TYPE_REFINEMENT, tag = "agents",
    operation_id = "get_refinement",
    params(("name" = String, Path, min_length = 1, max_length = 256), RecordPage),
    responses(
        (status = 200, description = "What counts, and a page of the record", body = RefinementView),
        problems::Finding,
    )
)]
async fn show(
    State(app): State<App>,
    Id(name): Id<String>,
    Params(page): Params<RecordPage>,
    client: Client,
) -> Json<RefinementView> {
    // A page may have some megabytes.
    let _turn = client.turn_to_work()?;
    let limit = page.limit.unwrap_or(PAGE);
    if !(1..=MOST_ON_A_PAGE).contains(&limit) {
        let message = format!("limit is {limit}; allowed is 1 to {MOST_ON_A_PAGE}");
        return Err(Problem::invalid(message));
    }
    Ok(Answer(app.fabric.refinement(&name, page.before, limit).await?))
}

/// Takes the refinement of an agent type back: what counted before it counts again. Done once
/// more, it goes on to what counted before that, and in the end to nothing.
#[utoipa::path(
    delete, path = paths::AGENT_TYPE_REFINEMENT, tag = "agents",
    operation_id = "undo_refinement",
    params(("name" = String, Path, min_length = 1, max_length = 256), RefinedBy),
    responses((status = 200, description = "It is taken back", body = Refined), problems::Undoing)
)]
async fn undo(
    State(app): State<App>,
    Id(name): Id<String>,
    Params(by): Params<RefinedBy>,
    client: Client,
) -> Json<Refined> {
    let _turn = client.turn_to_work()?;
    Ok(Answer(app.fabric.undo_refinement(&name, by).await?))
}
