//! Server-sent events: what happens, as it happens.
//!
//! Each event has an id. A client that reconnects with the last one in
//! `Last-Event-ID`, as browsers do by themselves, gets the events since that
//! are kept, and the number of those that are not. The id of a task's last
//! event says that it is the last, so that a client that reconnects with it is
//! answered 204, which ends its attempts.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use chimera_layer4_api::paths;
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
use chimera_layer4_fabric::events::{Event, EventKind, Events, Following, Missed, Position};

/// A proxy closes a connection that is silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const LAST_ID: &str = "last-event-id";

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(all)).routes(routes!(of_task))
}

type Heard = Result<Arc<Event>, BroadcastStreamRecvError>;

/// Everything that happens from now on, or since the event that `Last-Event-ID` names.
///
/// The last 4096 events are kept for five minutes after the last listener has
/// gone. Of what a listener misses, because it was away for longer or falls
/// behind, the event `lagged` says how many events were lost, or `null` where the
/// host was started in between.
#[utoipa::path(
    get, path = paths::EVENTS, tag = "events",
    operation_id = "stream_events",
    params(("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was heard")),
    responses(
        (status = 200, description = "The events", body = String, content_type = "text/event-stream"),
        problems::Listening,
    )
)]
async fn all(State(app): State<App>, headers: HeaderMap) -> Response {
    let events = app.fabric.telemetry().events().clone();
    let after = after(&headers);
    let Following { missed, recent, live, now, follower } = events.follow(after);
    let place = after.is_none().then(|| Sent::default().id(now.to_string()));
    let first = place.into_iter().chain(lagged(missed));
    let recent = stream::iter(recent).map(Ok);
    let heard = until(recent.chain(BroadcastStream::new(live)), |_| false);
    let sent = heard.map(move |heard| {
        let _here = &follower;
        sent(&events, &heard, |_| false)
    });
    answer(stream::iter(first.collect::<Vec<_>>()).chain(sent))
}

/// What happens to one task, until it has ended.
///
/// The first event, `task`, is all that is known of it now; after
/// `Last-Event-ID` it comes only where events since were lost. A client that has
/// heard of the end and comes back is answered 204.
#[utoipa::path(
    get, path = paths::TASK_EVENTS, tag = "events",
    operation_id = "stream_task_events",
    params(
        ("id" = TaskId, Path),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was heard")
    ),
    responses(
        (status = 200, description = "The events", body = String, content_type = "text/event-stream"),
        (status = 204, description = "The task has ended, and `Last-Event-ID` says that this was heard"),
        problems::Finding,
    )
)]
async fn of_task(
    State(app): State<App>,
    Id(id): Id<TaskId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let events = app.fabric.telemetry().events().clone();
    let after = after(&headers);
    // Subscribe before reading the task, so that an event in between is not lost.
    let Following { missed, recent, live, mut now, follower } = events.follow(after);
    let record = app.fabric.tasks().get(id).await?;
    let has_ended = record.state.has_ended();
    if has_ended && after.is_some_and(|after| after.is_last) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let mut first: Vec<Sent> = lagged(missed).into_iter().collect();
    let mut is_over = has_ended;
    let mut knows = false;
    if after.is_some() && missed == Missed::Nothing {
        let recent = recent.into_iter().filter(|event| event.task_id() == Some(id));
        for event in recent {
            knows = is_end(&event);
            first.push(sent(&events, &Ok(event), is_end));
            if knows {
                is_over = true;
                break;
            }
        }
        // It is as the client knows it, or its end is still to come.
        knows = knows || !has_ended;
    }
    if !knows {
        now.is_last = has_ended;
        let task = Sent::default().event("task").id(now.to_string()).json_data(&record);
        first.push(task.unwrap_or_default());
    }
    let about = move |heard: &Heard| match heard {
        Ok(event) => event.task_id() == Some(id) || is_last(event),
        Err(_) => true,
    };
    // One that has lost events may have lost the last: it is to begin again.
    let over: fn(&Heard) -> bool = |heard| heard.as_ref().map_or(true, |event| is_end(event));
    let heard = BroadcastStream::new(live).filter(move |heard| future::ready(about(heard)));
    let most = if is_over { 0 } else { usize::MAX };
    let live = until(heard, over).take(most).map(move |heard| {
        let _here = &follower;
        sent(&events, &heard, is_end)
    });
    Ok(answer(stream::iter(first).chain(live)))
}

/// Where the client was, if it says so.
fn after(headers: &HeaderMap) -> Option<Position> {
    let id = headers.get(LAST_ID).filter(|id| !id.is_empty())?;
    Some(Position::read(id.to_str().unwrap_or_default()))
}

fn is_end(event: &Event) -> bool {
    event.name() == "task-ended"
}

fn is_last(event: &Event) -> bool {
    matches!(event.what, EventKind::HostEnded {})
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

/// An event with its id, which says whether it is the last of its stream.
fn sent(events: &Events, heard: &Heard, is_end: fn(&Event) -> bool) -> Sent {
    match heard {
        Ok(event) => {
            let mut place = events.position(event);
            place.is_last = is_end(event);
            let event =
                Sent::default().event(event.name()).id(place.to_string()).json_data(&**event);
            event.unwrap_or_default()
        }
        Err(BroadcastStreamRecvError::Lagged(lost)) => {
            lagged(Missed::Events(*lost)).unwrap_or_default()
        }
    }
}

/// It has no id: a client that reconnects after it gets it again.
fn lagged(missed: Missed) -> Option<Sent> {
    let lost = match missed {
        Missed::Nothing => return None,
        Missed::Events(lost) => Some(lost),
        Missed::Unknown => None,
    };
    Sent::default().event("lagged").json_data(json!({ "lost": lost })).ok()
}

fn answer<S>(events: S) -> Response
where
    S: Stream<Item = Sent> + Send + 'static,
{
    let events = events.map(Ok::<_, Infallible>);
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
}
