//! `/v1/rollouts`: a genome is tried against another, put on trial, put in
//! charge, taken back.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chimera_layer4_api::genomes::{
    Benchmark, BenchmarkRequest, GenomeRequest, RolloutRequest, RolloutView, Swapped,
};
use chimera_layer4_api::paths;
use chimera_layer4_core::AgentId;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::answer::{Answer, Json};
use super::error::Problem;
use super::extract::{Id, Json as Body};
use super::problems;
use super::turns::{Client, busy};

/// Who decides, as the lineage names them: the API knows callers by one token.
const BY: &str = "the API";

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(start, list))
        .routes(routes!(show))
        .routes(routes!(promote))
        .routes(routes!(abort))
        .routes(routes!(put_in_charge))
        .routes(routes!(roll_back))
        .routes(routes!(update))
        .routes(routes!(benchmark))
}

/// Puts a genome on trial: it is given a share of the type's tasks, more by
/// steps, and takes over or is taken back by itself.
#[utoipa::path(
    post, path = paths::ROLLOUTS, tag = "rollouts",
    operation_id = "start_rollout", request_body = RolloutRequest,
    responses((status = 201, description = "It is on trial", body = RolloutView), problems::Rolling)
)]
async fn start(
    State(app): State<App>,
    client: Client,
    Body(wanted): Body<RolloutRequest>,
) -> Result<Response, Problem> {
    let _turn = client.turn_to_work()?;
    let RolloutRequest { agent_type, genome, plan } = wanted;
    let view = app.fabric.genomes().start_rollout(&agent_type, genome, plan).await?;
    Ok((StatusCode::CREATED, Answer(view)).into_response())
}

/// The rollouts that are under way.
#[utoipa::path(
    get, path = paths::ROLLOUTS, tag = "rollouts",
    operation_id = "list_rollouts",
    responses((status = 200, description = "The rollouts", body = Vec<RolloutView>), problems::Looking)
)]
async fn list(State(app): State<App>) -> Answer<Vec<RolloutView>> {
    Answer(app.fabric.genomes().rollouts())
}

/// The rollout of an agent type that is under way.
#[utoipa::path(
    get, path = paths::ROLLOUT, tag = "rollouts",
    operation_id = "get_rollout", params(("agent_type" = String, Path, min_length = 1, max_length = 256)),
    responses((status = 200, description = "The rollout", body = RolloutView), problems::Changing)
)]
async fn show(State(app): State<App>, Id(agent_type): Id<String>) -> Json<RolloutView> {
    Ok(Answer(app.fabric.genomes().rollout(&agent_type)?))
}

/// Puts the candidate in charge now, whatever its trial says. The answer comes
/// when its agents take the tasks and the lineage says so.
#[utoipa::path(
    post, path = paths::ROLLOUT_PROMOTE, tag = "rollouts",
    operation_id = "promote_rollout", params(("agent_type" = String, Path, min_length = 1, max_length = 256)),
    responses((status = 200, description = "It has taken over", body = RolloutView), problems::Restoring)
)]
async fn promote(
    State(app): State<App>,
    Id(agent_type): Id<String>,
    client: Client,
) -> Json<RolloutView> {
    let _turn = client.turn_to_work()?;
    Ok(Answer(app.fabric.genomes().promote_rollout(&agent_type, BY).await?))
}

/// Ends the trial and leaves the champion in charge. The answer comes when the
/// lineage says so and the trial's agents take no more tasks.
#[utoipa::path(
    post, path = paths::ROLLOUT_ABORT, tag = "rollouts",
    operation_id = "abort_rollout", params(("agent_type" = String, Path, min_length = 1, max_length = 256)),
    responses((status = 200, description = "It is ended", body = RolloutView), problems::Changing)
)]
async fn abort(
    State(app): State<App>,
    Id(agent_type): Id<String>,
    client: Client,
) -> Json<RolloutView> {
    let _turn = client.turn_to_work()?;
    Ok(Answer(app.fabric.genomes().abort_rollout(&agent_type, BY).await?))
}

/// Puts a genome in charge of an agent type at once. Tasks in flight finish on
/// the old one.
#[utoipa::path(
    put, path = paths::AGENT_TYPE_GENOME, tag = "rollouts",
    operation_id = "promote_genome", request_body = GenomeRequest,
    params(("name" = String, Path, min_length = 1, max_length = 256)),
    responses((status = 200, description = "It is in charge", body = Swapped), problems::Rolling)
)]
async fn put_in_charge(
    State(app): State<App>,
    Id(name): Id<String>,
    client: Client,
    Body(GenomeRequest { genome }): Body<GenomeRequest>,
) -> Json<Swapped> {
    let _turn = client.turn_to_work()?;
    Ok(Answer(app.fabric.genomes().promote(&name, genome, BY).await?))
}

/// Puts the genome back in charge that was so before this one.
#[utoipa::path(
    post, path = paths::AGENT_TYPE_ROLLBACK, tag = "rollouts",
    operation_id = "roll_back_genome", params(("name" = String, Path, min_length = 1, max_length = 256)),
    responses((status = 200, description = "It is back", body = Swapped), problems::Restoring)
)]
async fn roll_back(State(app): State<App>, Id(name): Id<String>, client: Client) -> Json<Swapped> {
    let _turn = client.turn_to_work()?;
    Ok(Answer(app.fabric.genomes().rollback(&name, BY).await?))
}

/// Another genome takes over in one agent.
#[utoipa::path(
    put, path = paths::AGENT_GENOME, tag = "rollouts",
    operation_id = "update_agent_genome", request_body = GenomeRequest,
    params(("id" = AgentId, Path)),
    responses((status = 200, description = "It runs it", body = Swapped), problems::Rolling)
)]
async fn update(
    State(app): State<App>,
    Id(id): Id<AgentId>,
    client: Client,
    Body(GenomeRequest { genome }): Body<GenomeRequest>,
) -> Json<Swapped> {
    let _turn = client.turn_to_work()?;
    Ok(Answer(app.fabric.genomes().update_agent(id, genome).await?))
}

/// Runs the same tasks on a candidate and on the genome in charge.
#[utoipa::path(
    post, path = paths::BENCHMARKS, tag = "rollouts",
    operation_id = "benchmark_genome", request_body = BenchmarkRequest,
    responses((status = 200, description = "How they compare", body = Benchmark), problems::Rolling)
)]
async fn benchmark(
    State(app): State<App>,
    client: Client,
    Body(wanted): Body<BenchmarkRequest>,
) -> Json<Benchmark> {
    let turn = client.turn_to_work()?;
    let BenchmarkRequest { agent_type, genome, tasks, weights } = wanted;
    // One runs at a time, and it may be dropped if the client has gone.
    let work = app.fabric.genomes().benchmark(&agent_type, genome, tasks, &weights);
    Ok(Answer(turn.wait(Box::pin(work)).await.ok_or_else(busy)??))
}
