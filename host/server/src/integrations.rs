//! What the other layers ask and say: key figures, validations, allocations.

use axum::extract::State;
use axum::http::StatusCode;
use chimera_layer4_api::agents::{Allocated, KpiReport, ResourceAllocation, ValidationResult};
use chimera_layer4_api::paths;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::answer::{Answer, Json};
use super::error::Problem;
use super::extract::Json as Body;
use super::problems;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(kpis)).routes(routes!(validate)).routes(routes!(allocate))
}

/// Layer 5: how each agent did with each genome over the last minutes.
#[utoipa::path(
    get, path = paths::KPIS, tag = "layers",
    operation_id = "list_kpis",
    responses(
        (status = 200, description = "The reports", body = Vec<KpiReport>),
        problems::Looking,
    )
)]
async fn kpis(State(app): State<App>) -> Answer<Vec<KpiReport>> {
    Answer(app.fabric.telemetry().kpis())
}

/// Layer 3: how right the output of a task was.
#[utoipa::path(
    post, path = paths::VALIDATIONS, tag = "layers",
    operation_id = "submit_validation", request_body = ValidationResult,
    responses(
        (status = 204, description = "It counts for the genome that made the output"),
        problems::Telling,
    )
)]
async fn validate(
    State(app): State<App>,
    Body(validation): Body<ValidationResult>,
) -> Result<StatusCode, Problem> {
    app.fabric.submit_validation(validation).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Layer 8: another quota for an agent or for all of a type, without a restart.
#[utoipa::path(
    post, path = paths::RESOURCE_ALLOCATIONS, tag = "layers",
    operation_id = "allocate_resources", request_body = ResourceAllocation,
    responses(
        (status = 200, description = "It is in force", body = Allocated),
        problems::Telling,
    )
)]
async fn allocate(
    State(app): State<App>,
    Body(allocation): Body<ResourceAllocation>,
) -> Json<Allocated> {
    let agents = app.fabric.agents().allocate(allocation)?;
    Ok(Answer(Allocated { agents }))
}
