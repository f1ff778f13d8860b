//! Follows a task on a host to its end, with a bar of its agent's progress.

use std::time::Duration;

use chimera_layer4_api::Client;
use chimera_layer4_api::client::Event;
use chimera_layer4_api::tasks::TaskEventKind;
use chimera_layer4_core::{ExecutionResult, TaskId};
use tokio::sync::mpsc;

use super::exit::Exit;
use super::output::Output;
use super::progress::Bar;

/// The time for one request for a task that is still running.
const LOOK: Duration = Duration::from_secs(60);

/// Waits for the end of a task and prints its output, or why there is none.
pub(super) async fn to_its_end(
    client: &Client,
    id: TaskId,
    output: &Output,
) -> anyhow::Result<Exit> {
    let bar = Bar::new(*output, &id.to_string());
    let mut events = client.task_events(id);
    let record = loop {
        tokio::select! {
            record = client.task_at_its_end(id, LOOK) => {
                let record = record?;
                if record.state.has_ended() {
                    break record;
                }
            }
            () = show(&bar, &mut events) => {}
        }
    };
    drop(bar);
    print(record.result, output)
}

/// Moves the bar until the host tells nothing more.
async fn show(bar: &Bar, events: &mut mpsc::Receiver<Event>) {
    while let Some(Event { name, data }) = events.recv().await {
        match TaskEventKind::read(&name, &data) {
            Some(TaskEventKind::Progress { fraction, message }) => {
                bar.fraction(fraction, message.as_deref().unwrap_or_default());
            }
            Some(TaskEventKind::Started { .. }) => bar.say("runs"),
            Some(TaskEventKind::Retried { .. }) => bar.say("failed, and is tried again"),
            Some(
                TaskEventKind::Submitted {}
                | TaskEventKind::GivenBack {}
                | TaskEventKind::Ended { .. },
            )
            | None => {}
        }
    }
    // The result comes from the caller's request, not from an event.
    std::future::pending().await
}

fn print(result: Option<ExecutionResult>, output: &Output) -> anyhow::Result<Exit> {
    let Some(result) = result else { return Ok(Exit::HostFailed) };
    if output.is_json() {
        output.value(&result)?;
    } else {
        match &result.error {
            None => output.value(&result.output)?,
            Some(error) => output.note(&format!("error: {error}")),
        }
    }
    Ok(result.fault.as_ref().map_or(Exit::Success, Exit::of_fault))
}
