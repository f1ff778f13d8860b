//! `/v1/reload`: the settings file as it is now.

use axum::extract::State;
use chimera_layer4_core::{Layer4Error, Layer4Result};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{Answer, Json};
use super::{App, problems};
use crate::fabric::{Applied, Outcome};

/// Wants the file read and applied, and to hear what came of it.
pub(crate) type Asked = oneshot::Sender<Layer4Result<Vec<Applied>>>;

/// Requests that wait for one another.
pub(crate) const WAITING: usize = 16;

/// What became of an agent type.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Reloaded {
    pub(crate) agent_type: String,
    /// started, unchanged, replaced, removed or failed.
    pub(crate) outcome: String,
    /// Why it failed; it is as it was before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

impl From<Applied> for Reloaded {
    fn from(Applied { name, outcome }: Applied) -> Self {
        let error = match &outcome {
            Outcome::Failed(error) => Some(error.to_string()),
            _ => None,
        };
        Self { agent_type: name, outcome: outcome.word().to_owned(), error }
    }
}

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(reload))
}

/// Applies the settings file as it is now, as SIGHUP does, without dropping a
/// task. What is wrong changes nothing.
#[utoipa::path(
    post, path = "/v1/reload", tag = "host",
    operation_id = "reload_settings",
    responses(
        (status = 200, description = "Each agent type and what became of it", body = Vec<Reloaded>),
        problems::Asking,
    )
)]
async fn reload(State(app): State<App>) -> Json<Vec<Reloaded>> {
    let (asked, answered) = oneshot::channel();
    let gone = || Layer4Error::NotRunning { state: "not the one that reads a settings file" };
    let reloads: Option<mpsc::Sender<Asked>> = app.reloads.clone();
    let sent = reloads.ok_or_else(gone)?.send(asked).await;
    sent.map_err(|_| gone())?;
    let applied = answered.await.map_err(|_| gone())??;
    Ok(Answer(applied.into_iter().map(Reloaded::from).collect()))
}
