//! `/v1/agents` and `/v1/agent-types`: the agents that run, and their state.

use axum::extract::State;
use axum::http::StatusCode;
use chimera_layer4_api::agents::{ActiveAgent, AgentType, DeployRequest, Deployed, Retired};
use chimera_layer4_api::paths;
use chimera_layer4_core::config::{Deployment, Deployments};
use chimera_layer4_core::{AgentId, FabricError};
use chimera_layer4_fabric::RetiredType;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::answer::{Answer, Json};
use super::error::Problem;
use super::extract::{Id, Json as Body};
use super::problems;
use super::turns::Client;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show, end))
        .routes(routes!(restart))
        .routes(routes!(check))
        .routes(routes!(types, deploy))
        .routes(routes!(retire))
        .merge(state_routes())
}

/// Those that say how the host is.
pub(super) fn state_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(status))
}

/// Every agent that runs, with its health, oldest first.
#[utoipa::path(
    get, path = paths::AGENTS, tag = "agents",
    operation_id = "list_agents",
    responses(
        (status = 200, description = "The agents", body = Vec<ActiveAgent>),
        problems::Asking,
    )
)]
async fn list(State(app): State<App>) -> Answer<Vec<ActiveAgent>> {
    Answer(app.fabric.agents().active())
}

/// Every agent that runs, under the specification's name.
#[utoipa::path(
    get, path = paths::AGENTS_STATUS, tag = "agents",
    operation_id = "get_agents_status",
    responses(
        (status = 200, description = "The agents", body = Vec<ActiveAgent>),
        problems::Looking,
    )
)]
async fn status(State(app): State<App>) -> Answer<Vec<ActiveAgent>> {
    Answer(app.fabric.agents().active())
}

/// One agent.
#[utoipa::path(
    get, path = paths::AGENT, tag = "agents",
    operation_id = "get_agent", params(("id" = AgentId, Path)),
    responses(
        (status = 200, description = "The agent", body = ActiveAgent),
        problems::Finding,
    )
)]
async fn show(State(app): State<App>, Id(id): Id<AgentId>) -> Json<ActiveAgent> {
    let agents = app.fabric.agents().active();
    let found = agents.into_iter().find(|agent| agent.id == id);
    Ok(Answer(found.ok_or(FabricError::AgentNotFound(id))?))
}

/// Replaces an agent's instances; tasks in flight finish in the old ones.
#[utoipa::path(
    post, path = paths::AGENT_RESTART, tag = "agents",
    operation_id = "restart_agent", params(("id" = AgentId, Path)),
    responses(
        (status = 204, description = "It is restarted"),
        problems::Handling,
    )
)]
async fn restart(
    State(app): State<App>,
    Id(id): Id<AgentId>,
    client: Client,
) -> Result<StatusCode, Problem> {
    let _turn = client.turn_to_work()?;
    app.fabric.agents().restart(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Asks an agent how it is now, and restarts it if it is not well.
#[utoipa::path(
    post, path = paths::AGENT_CHECK, tag = "agents",
    operation_id = "check_agent", params(("id" = AgentId, Path)),
    responses(
        (status = 200, description = "How it is", body = ActiveAgent),
        problems::Finding,
    )
)]
async fn check(State(app): State<App>, Id(id): Id<AgentId>, client: Client) -> Json<ActiveAgent> {
    let _turn = client.turn_to_work()?;
    Ok(Answer(app.fabric.agents().check(id).await?))
}

/// Ends an agent; tasks in flight finish first. It ends also when its own
/// `shutdown` fails; the log has the error.
#[utoipa::path(
    delete, path = paths::AGENT, tag = "agents",
    operation_id = "end_agent", params(("id" = AgentId, Path)),
    responses(
        (status = 204, description = "It is ended"),
        problems::Finding,
    )
)]
async fn end(
    State(app): State<App>,
    Id(id): Id<AgentId>,
    client: Client,
) -> Result<StatusCode, Problem> {
    let _turn = client.turn_to_work()?;
    match app.fabric.agents().shutdown(id).await {
        // The fabric has logged it.
        Err(error) if error.is_of_an_agent() => {}
        ended => ended?,
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The agent types that tasks may target, that are declared, that tasks wait for, or that have a
/// refinement in force.
#[utoipa::path(
    get, path = paths::AGENT_TYPES, tag = "agents",
    operation_id = "list_agent_types",
    responses(
        (status = 200, description = "The types", body = Vec<AgentType>),
        problems::Looking,
    )
)]
async fn types(State(app): State<App>) -> Answer<Vec<AgentType>> {
    Answer(app.fabric.agent_types().await)
}

/// Serves an agent type from now on, also after a restart. Its component is pushed first.
/// The agents of a type that was deployed before are replaced; tasks in flight finish in the
/// old ones.
#[utoipa::path(
    post, path = paths::AGENT_TYPES, tag = "agents",
    operation_id = "deploy_agent_type", request_body = DeployRequest,
    responses(
        (status = 200, description = "It is served", body = Deployed),
        problems::Deploying,
    )
)]
async fn deploy(
    State(app): State<App>,
    client: Client,
    Body(wanted): Body<DeployRequest>,
) -> Json<Deployed> {
    let DeployRequest { name, component, settings } = wanted;
    // Without a token each user of the machine can ask, and would have what the host has.
    let granted = Deployment::GRANTS.into_iter().find(|key| settings.contains_key(*key));
    if let Some(key) = granted.filter(|_| !app.guard.wants_token()) {
        return Err(Problem::invalid(format!(
            "settings.{key} is there, and this route grants something only where the host has an \
             `api_token`; set one, or declare the agent type in the settings"
        )));
    }
    let bytes = serde_json::to_vec(&settings).map_or(usize::MAX, |text| text.len());
    if bytes > Deployments::MOST_SETTINGS_BYTES {
        let most = Deployments::MOST_SETTINGS_BYTES;
        return Err(Problem::invalid(format!("settings has {bytes} bytes; allowed are {most}")));
    }
    let _turn = client.turn_to_work()?;
    let deployment = Deployment { component, settings };
    let outcome = app.fabric.deploy_agent_type(&name, deployment).await?;
    Ok(Answer(Deployed { name, outcome: outcome.word().to_owned() }))
}

/// Ends an agent type that was deployed; tasks in flight finish. Tasks that wait go on when
/// the type is there again. Where another place has the type too, it is served from there on.
#[utoipa::path(
    delete, path = paths::AGENT_TYPE, tag = "agents",
    operation_id = "retire_agent_type",
    params(("name" = String, Path, min_length = 1, max_length = 256)),
    responses(
        (status = 200, description = "The deployment is gone", body = Retired),
        problems::Changing,
    )
)]
async fn retire(State(app): State<App>, Id(name): Id<String>, client: Client) -> Json<Retired> {
    let _turn = client.turn_to_work()?;
    let RetiredType { waiting, served_by } = app.fabric.retire_agent_type(&name).await?;
    Ok(Answer(Retired { waiting, served_by }))
}
