//! `/v1/keyvalue`: what agent types keep by key, for the operator who provides the disk.

use axum::extract::State;
use chimera_layer4_api::paths;
use chimera_layer4_core::keyvalue::KeptByKey;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::answer::{Answer, Json};
use super::extract::Id;
use super::problems;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(clear))
}

/// The agent types that keep anything, by name; they may have no agents any more.
#[utoipa::path(
    get, path = paths::KEYVALUE, tag = "key-value store",
    operation_id = "list_kept_by_key",
    responses(
        (status = 200, description = "The agent types", body = Vec<KeptByKey>),
        problems::Asking,
    )
)]
async fn list(State(app): State<App>) -> Json<Vec<KeptByKey>> {
    Ok(Answer(app.fabric.keyvalue().kept().await?))
}

/// Removes all that an agent type keeps.
#[utoipa::path(
    delete, path = paths::KEYVALUE_OF, tag = "key-value store",
    operation_id = "clear_kept_by_key", params(("agent_type" = String, Path, min_length = 1, max_length = 256)),
    responses(
        (status = 200, description = "What it kept; 0 bytes where there was nothing", body = KeptByKey),
        problems::Finding,
    )
)]
async fn clear(State(app): State<App>, Id(agent_type): Id<String>) -> Json<KeptByKey> {
    Ok(Answer(app.fabric.keyvalue().clear(&agent_type).await?))
}
