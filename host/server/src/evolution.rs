//! `/v1/evolution`: what evolves in the data folder, and how far it is.

use axum::extract::State;
use chimera_layer4_api::paths;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::answer::{Answer, Json};
use super::extract::Id;
use super::problems;
use chimera_layer4_evolution as evolution;
use chimera_layer4_evolution::EvolutionSummary;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show))
}

/// The evolutions of the data folder, by agent type.
#[utoipa::path(
    get, path = paths::EVOLUTIONS, tag = "evolution",
    operation_id = "list_evolutions",
    responses(
        (status = 200, description = "The evolutions", body = Vec<EvolutionSummary>),
        problems::Looking,
    )
)]
async fn list(State(app): State<App>) -> Json<Vec<EvolutionSummary>> {
    Ok(Answer(chimera_layer4_evolution::list(&app.fabric).await?))
}

/// All that is known of an evolution: its elites with their evidence, its
/// generations, its last candidates and what came of it.
#[utoipa::path(
    get, path = paths::EVOLUTION, tag = "evolution",
    operation_id = "get_evolution", params(("agent_type" = String, Path, min_length = 1, max_length = 256)),
    responses(
        (status = 200, description = "The evolution", body = evolution::State),
        problems::Finding,
    )
)]
async fn show(State(app): State<App>, Id(agent_type): Id<String>) -> Json<evolution::State> {
    Ok(Answer(chimera_layer4_evolution::find(&app.fabric, &agent_type).await?))
}
