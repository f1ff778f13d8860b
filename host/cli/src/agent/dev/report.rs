//! What `chimera agent dev` prints: text for people, or JSON for programs, an
//! event to a line.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chimera_layer4_core::Digest;
use serde::Serialize;
use serde_json::json;

use super::stage::{Put, Ran};
use crate::agent::size;
use crate::output::Output;
use crate::run::time;

/// Changed files that are named.
const NAMED: usize = 3;

pub(super) struct Reporter(Output);

impl Reporter {
    pub(super) fn new(output: Output) -> Self {
        Self(output)
    }

    /// The event for a program, the text for a user at a terminal.
    fn say(&self, event: &impl Serialize, message: &str) -> anyhow::Result<()> {
        if self.0.is_json() {
            return self.0.event(event);
        }
        self.0.note(message);
        Ok(())
    }

    pub(super) fn watching(&self, folder: &Path) -> anyhow::Result<()> {
        let message = format!("watching {}; Ctrl-C ends", folder.display());
        self.say(&json!({ "event": "watching", "folder": folder }), &message)
    }

    pub(super) fn changed(&self, files: &[PathBuf]) -> anyhow::Result<()> {
        let named: Vec<String> =
            files.iter().take(NAMED).map(|file| file.display().to_string()).collect();
        let more = match files.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let message = format!("\nchanged: {}{more}", named.join(", "));
        self.say(&json!({ "event": "changed", "files": named, "count": files.len() }), &message)
    }

    pub(super) fn built(&self, took: Duration, bytes: u64) -> anyhow::Result<()> {
        let seconds = took.as_secs_f64();
        let message = format!("built in {} · {}", time(seconds), size(bytes));
        self.say(&json!({ "event": "built", "seconds": seconds, "bytes": bytes }), &message)
    }

    pub(super) fn put(&self, put: &Put) -> anyhow::Result<()> {
        let message = match put {
            Put::Started { genome } => format!("{} runs", short(*genome)),
            Put::Swapped { genome, state } => {
                let state = crate::genome::what_became_of_state(state);
                format!("{} took over · {state}", short(*genome))
            }
            Put::Unchanged { genome } => {
                format!("the component is the same; {} goes on", short(*genome))
            }
        };
        self.say(put, &message)
    }

    /// A task's output goes to standard output, all else to standard error.
    pub(super) fn ran(&self, ran: &Ran) -> anyhow::Result<()> {
        if self.0.is_json() {
            let Ran { result, wall_seconds, telemetry } = ran;
            let event = json!({
                "event": "ran", "result": result, "wall_seconds": wall_seconds,
                "telemetry": telemetry,
            });
            return self.0.event(&event);
        }
        for line in ran.telemetry.iter().flat_map(|telemetry| &telemetry.log) {
            let level = format!("{:?}", line.level).to_lowercase();
            self.0.note(&format!("agent: {level}: {}", line.message));
        }
        let result = &ran.result;
        match &result.error {
            None => self.0.value(&result.output)?,
            Some(error) => self.0.note(&format!("error: {error}")),
        }
        let used = &result.resource_usage;
        // A host that serves tells milliseconds, of which a short task has none.
        let wall = Some(ran.wall_seconds).filter(|wall| *wall > 0.0);
        let wall = wall.map_or_else(|| "under 1 ms".to_owned(), time);
        self.0.note(&format!(
            "wall {wall} · cpu {} · peak memory {:.1} MiB",
            time(used.cpu_seconds),
            used.memory_peak_mb
        ));
        Ok(())
    }

    pub(super) fn failed(
        &self,
        during: &str,
        error: &anyhow::Error,
        running: Option<Digest>,
    ) -> anyhow::Result<()> {
        let error = format!("{error:#}");
        let next = match running {
            Some(genome) => format!("{} goes on", short(genome)),
            None => "nothing runs yet".into(),
        };
        let message = format!("error: {error}\n{next}; the next change is tried again");
        let event =
            json!({ "event": "failed", "during": during, "error": error, "running": running });
        self.say(&event, &message)
    }
}

/// A digest as far as a human tells it from others.
fn short(genome: Digest) -> String {
    genome.hex().chars().take(12).collect()
}
