//! `/v1/reload`: the settings file as it is now.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderValue;
use axum::response::{IntoResponse, Response};
use chimera_layer4_api::paths;
use chimera_layer4_api::reload::{NEEDS_RESTART, Reload, Reloaded};
use chimera_layer4_core::FabricError;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::Answer;
use super::error::Problem;
use super::turns::{Client, busy};
use super::{App, problems};
use chimera_layer4_fabric::{Applied, Outcome};

/// What came of a reload, or why the file could not be read. Shared, since
/// all clients that waited for it get the same answer.
pub type ReloadDone = Result<Arc<Reload>, Arc<str>>;

/// Clients that want the settings file read and applied.
///
/// One reload at a time. A client that asks while one is under way may have
/// changed the file since it was read, so all such clients wait for one more.
#[derive(Clone, Default)]
pub struct Reloads(Arc<Asked>);

#[derive(Default)]
struct Asked {
    /// No more than there may be connections.
    waiting: Mutex<Vec<oneshot::Sender<ReloadDone>>>,
    arrived: Notify,
}

impl Reloads {
    fn ask(&self) -> oneshot::Receiver<ReloadDone> {
        let (tell, told) = oneshot::channel();
        let mut waiting = self.0.waiting.lock();
        // Some may have asked and gone while a reload was under way.
        waiting.retain(|tell| !tell.is_closed());
        waiting.push(tell);
        drop(waiting);
        self.0.arrived.notify_one();
        told
    }

    /// Waits until a client has asked.
    pub async fn wanted(&self) {
        self.0.arrived.notified().await;
    }

    /// All clients that have asked so far. The caller reads the file after
    /// that, and answers each.
    pub fn take(&self) -> Vec<oneshot::Sender<ReloadDone>> {
        std::mem::take(&mut *self.0.waiting.lock())
    }
}

/// What became of an agent type, as the API says it.
#[must_use]
pub fn reloaded(Applied { name, outcome }: Applied) -> Reloaded {
    let error = match &outcome {
        Outcome::Failed(error) => Some(error.to_string()),
        _ => None,
    };
    let (note, outcome) = (outcome.note(&name), outcome.word().to_owned());
    Reloaded { agent_type: name, outcome, error, note }
}

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(reload))
}

/// Applies the settings file as it is now, as SIGHUP does, without dropping a
/// task. A file that cannot be read as a whole changes nothing. An agent type
/// that fails stays as it was, and the others are applied. Other settings take
/// effect at a restart: those that have changed are named in a header.
#[utoipa::path(
    post, path = paths::RELOAD, tag = "host",
    operation_id = "reload_settings",
    responses(
        (status = 200, description = "Each agent type and what became of it", body = Vec<Reloaded>,
            headers(("chimera-needs-restart" = String,
                description = "Settings, by commas, that have changed and take effect at a restart; absent where there are none"))),
        problems::Asking,
    )
)]
async fn reload(State(app): State<App>, client: Client) -> Result<Response, Problem> {
    app.fabric.check_running()?;
    let turn = client.turn_to_work()?;
    let none = || FabricError::NotRunning { state: "not one that reads a settings file" };
    let asked = app.reloads.as_ref().ok_or_else(none)?.ask();
    let mut ending = app.ending.subscribe();
    let done = tokio::select! {
        biased;
        done = asked => done.ok(),
        // The answer would not come before the host has gone.
        _ = ending.wait_for(|ending| *ending) => None,
        // It is done all the same.
        () = turn.over() => return Err(busy()),
    };
    let ends = || FabricError::NotRunning {
        state: "draining, so what is left of a reload that was under way is not done",
    };
    let done = done.ok_or_else(ends)?;
    let done = done.map_err(|why| FabricError::InvalidRequest(vec![why.to_string()]))?;
    let mut answer = Answer(&done.agents).into_response();
    // The names of settings are ASCII.
    if let Ok(names) = HeaderValue::from_str(&done.needs_restart.join(","))
        && !names.is_empty()
    {
        answer.headers_mut().insert(NEEDS_RESTART, names);
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_who_ask_during_a_reload_share_the_next() {
        let reloads = Reloads::default();
        let first = reloads.ask();
        reloads.wanted().await;
        let waiting = reloads.take();
        assert_eq!(waiting.len(), 1);
        let others: Vec<_> = (0..20).map(|_| reloads.ask()).collect();
        for asked in waiting {
            assert!(asked.send(Err("the first".into())).is_ok());
        }
        assert_eq!(first.await.unwrap().err().as_deref(), Some("the first"));
        reloads.wanted().await;
        let waiting = reloads.take();
        assert_eq!(waiting.len(), 20);
        for asked in waiting {
            assert!(asked.send(Err("the second".into())).is_ok());
        }
        for other in others {
            assert_eq!(other.await.unwrap().err().as_deref(), Some("the second"));
        }
    }
}
