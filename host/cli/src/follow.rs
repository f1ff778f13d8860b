//! Follows a task on a host to its end, with a bar of its agent's progress.

use chimera_layer4_core::scheduler::record::TaskRecord;
use chimera_layer4_core::{ExecutionResult, TaskId};
use serde_json::Value;
use tokio::sync::mpsc;

use super::client::{Client, Event};
use super::exit::Exit;
use super::output::Output;
use super::progress::Bar;

/// For one look at a task that goes on.
const LOOK: &str = "60s";

/// Waits for the end of a task and prints its output, or why there is none.
pub(super) async fn to_its_end(
    client: &Client,
    id: TaskId,
    output: &Output,
) -> anyhow::Result<Exit> {
    let bar = Bar::new(*output, &id.to_string());
    let mut events = client.events(&format!("/v1/tasks/{id}/events"));
    let record = loop {
        let path = format!("/v1/tasks/{id}?wait={LOOK}");
        tokio::select! {
            record = client.ask::<TaskRecord>("GET", &path, None) => {
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
    while let Some((name, data)) = events.recv().await {
        match name.as_str() {
            "task-progress" => {
                let fraction = data.get("fraction").and_then(Value::as_f64).unwrap_or(0.0);
                let message = data.get("message").and_then(Value::as_str).unwrap_or_default();
                bar.fraction(fraction, message);
            }
            "task-started" => bar.say("runs"),
            "task-retried" => bar.say("failed, and is tried again"),
            _ => {}
        }
    }
    // How it ended is asked for, not told.
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
