//! Server-sent events: what happens, as it happens.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use chimera_layer4_core::TaskId;
use futures_util::{Stream, StreamExt, future, stream};
use serde_json::json;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::error::Problem;
use super::extract::Id;
use super::problems;
use crate::events::{Event, What};

/// A proxy closes a connection that is silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(all)).routes(routes!(of_task))
}

type Heard = Result<Arc<Event>, BroadcastStreamRecvError>;

/// Everything that happens from now on.
///
/// A listener that falls behind loses the oldest events; the event `lagged`
/// says how many.
#[utoipa::path(
    get, path = "/v1/events", tag = "events",
    operation_id = "stream_events",
    responses(
        (status = 200, description = "The events", body = String, content_type = "text/event-stream"),
        problems::Looking,
    )
)]
async fn all(State(app): State<App>) -> Sse<impl Stream<Item = Result<Sent, Infallible>>> {
    let heard = BroadcastStream::new(app.fabric.subscribe());
    answer(until(heard, |_| false).map(|heard| sent(&heard)))
}

/// What happens to one task, until it has ended. The first event, `task`, is
/// all that is known of it now.
#[utoipa::path(
    get, path = "/v1/tasks/{id}/events", tag = "events",
    operation_id = "stream_task_events", params(("id" = TaskId, Path)),
    responses(
        (status = 200, description = "The events", body = String, content_type = "text/event-stream"),
        problems::Finding,
    )
)]
async fn of_task(
    State(app): State<App>,
    Id(id): Id<TaskId>,
) -> Result<Sse<impl Stream<Item = Result<Sent, Infallible>>>, Problem> {
    // First the ear, then the look: what happens in between is heard.
    let listening = BroadcastStream::new(app.fabric.subscribe());
    let record = app.fabric.get_task(id).await?;
    let now = Sent::default().event("task").json_data(&record).unwrap_or_default();
    let about = move |heard: &Heard| match heard {
        Ok(event) => event.task_id() == Some(id) || is_last(event),
        Err(_) => true,
    };
    // One that has lost events may have lost the last: it is to begin again.
    let over: fn(&Heard) -> bool =
        |heard| heard.as_ref().map_or(true, |event| event.name() == "task-ended");
    let heard = listening.filter(move |heard| future::ready(about(heard)));
    // Of a task that has ended nothing more will be heard.
    let most = if record.state.has_ended() { 0 } else { usize::MAX };
    let events = until(heard, over).take(most).map(|heard| sent(&heard));
    Ok(answer(stream::once(future::ready(now)).chain(events)))
}

fn is_last(event: &Event) -> bool {
    matches!(event.what, What::HostEnded {})
}

/// All up to the first that is the last, and that.
fn until<S: Stream<Item = Heard>>(heard: S, last: fn(&Heard) -> bool) -> impl Stream<Item = Heard> {
    stream::unfold(Some(Box::pin(heard)), move |heard| async move {
        let mut heard = heard?;
        let one = heard.next().await?;
        let over = last(&one) || one.as_ref().is_ok_and(|event| is_last(event));
        Some((one, (!over).then_some(heard)))
    })
}

fn sent(heard: &Heard) -> Sent {
    let event = match heard {
        Ok(event) => {
            let id = event.sequence.to_string();
            Sent::default().event(event.name()).id(id).json_data(&**event)
        }
        Err(BroadcastStreamRecvError::Lagged(lost)) => {
            Sent::default().event("lagged").json_data(json!({ "lost": lost }))
        }
    };
    event.unwrap_or_default()
}

fn answer<S>(events: S) -> Sse<impl Stream<Item = Result<Sent, Infallible>> + use<S>>
where
    S: Stream<Item = Sent> + Send + 'static,
{
    Sse::new(events.map(Ok)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}
