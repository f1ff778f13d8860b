//! How the host is: for people, supervisors and Prometheus.

use std::sync::atomic::Ordering;
use std::time::UNIX_EPOCH;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chimera_layer4_api::host::{Health, Ready, Stats, Warning};
use chimera_layer4_api::paths;
use chimera_layer4_api::problem::code;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::answer::{Answer, Json};
use super::error::Problem;
use super::problems;
use chimera_layer4_fabric::{SystemStatus, Warning as FabricWarning};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(health))
        .routes(routes!(livez))
        .routes(routes!(readyz))
        .routes(routes!(metrics))
        .routes(routes!(stats))
}

/// How the host is.
#[utoipa::path(
    get, path = paths::HEALTH, tag = "host",
    operation_id = "get_health",
    responses(
        (status = 200, description = "It takes tasks", body = Health),
        (status = 503, description = "It does not", body = Health),
        problems::Looking,
    )
)]
async fn health(State(app): State<App>) -> Response {
    let health = app.fabric.health().await;
    let (status, word) = match health.status {
        SystemStatus::Healthy => (StatusCode::OK, "healthy"),
        SystemStatus::Degraded => (StatusCode::OK, "degraded"),
        SystemStatus::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
        SystemStatus::Stopped => (StatusCode::SERVICE_UNAVAILABLE, "stopped"),
    };
    let answer = Health {
        status: word.to_owned(),
        timestamp: health.timestamp.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        active_agents: health.active_agents,
        pending_tasks: health.pending_tasks,
        uptime_seconds: health.uptime.as_secs(),
        agent_types_down: health.agent_types_down,
    };
    (status, Answer(answer)).into_response()
}

/// Whether the process answers at all.
#[utoipa::path(
    get, path = paths::LIVEZ, tag = "host",
    operation_id = "get_livez", security(()),
    responses(
        (status = 204, description = "It does"),
        problems::Looking,
    )
)]
async fn livez() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// Whether to send it work.
#[utoipa::path(
    get, path = paths::READYZ, tag = "host",
    operation_id = "get_readyz", security(()),
    responses(
        (status = 200, description = "Yes, and there are warnings", body = Ready),
        (status = 204, description = "Yes"),
        problems::Asking,
    )
)]
async fn readyz(State(app): State<App>) -> Result<Response, Problem> {
    if !app.ready.load(Ordering::Acquire) {
        let message = "agents are being loaded; ask again";
        return Err(
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, code::LOADING, message).after(1.0)
        );
    }
    app.fabric.check_running()?;
    // Asked of the store too: one that does not answer takes no tasks.
    app.fabric.tasks().stats().await?;
    let warnings = app.fabric.warnings();
    if warnings.is_empty() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let shown = |warning: FabricWarning| Warning {
        code: warning.code.to_owned(),
        message: warning.message.to_owned(),
    };
    let warnings = warnings.into_iter().map(shown).collect();
    Ok(Answer(Ready { warnings }).into_response())
}

/// Everything counted, in Prometheus' text format.
#[utoipa::path(
    get, path = paths::METRICS, tag = "host",
    operation_id = "get_metrics",
    responses(
        (status = 200, description = "The metrics", body = String, content_type = "text/plain"),
        problems::Looking,
    )
)]
async fn metrics(State(app): State<App>) -> Result<Response, Problem> {
    let text = app.fabric.metrics_text().await?;
    let format = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, format)], text).into_response())
}

/// What waits, runs and has ended.
#[utoipa::path(
    get, path = paths::STATS, tag = "host",
    operation_id = "get_scheduler_stats",
    responses(
        (status = 200, description = "The figures", body = Stats),
        problems::Asking,
    )
)]
async fn stats(State(app): State<App>) -> Json<Stats> {
    Ok(Answer(app.fabric.tasks().stats().await?.into()))
}
