//! Reads the states of evolutions, for the HTTP API of a host.
//!
//! They are in the data folder, where `chimera evolve` writes them. An evolution is
//! a process of its own, so that it does not use the host process's memory, which
//! queued tasks need.

use std::path::{Path, PathBuf};

use chimera_layer4_core::{Digest, FabricError, FabricResult};
use serde::Serialize;

use super::error::EvolutionError;
use super::folder;
use super::naming;
use super::outcome::Why;
use super::state::State;
use chimera_layer4_fabric::Fabric;

/// The folder of all evolutions in the data folder.
const FOLDER: &str = "evolution";
/// The most folders that are listed.
const MOST_LISTED: usize = 1_000;

/// An evolution in short.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct EvolutionSummary {
    /// The agent type.
    pub agent_type: String,
    /// The number of finished generations.
    pub generation: u32,
    /// The number of finished candidates.
    pub candidates: u64,
    /// The fittest genome so far.
    pub best: Digest,
    /// Its score; the start has 0.5.
    pub score: f64,
    /// The mean objective of its outputs on the training tasks.
    pub objective: Option<f64>,
    /// Processor time of all runs, in seconds.
    pub cpu_seconds: f64,
    /// Whether it has ended.
    pub done: bool,
    /// Why it has ended.
    pub ended: Option<Why>,
}

/// The folder of all evolutions in a data folder.
#[must_use]
pub fn folder_in(data: &Path) -> PathBuf {
    data.join(FOLDER)
}

/// The evolutions in a host's data folder, by agent type.
///
/// # Errors
/// `Internal` when the folder cannot be read. A state that cannot be read is left
/// out, and the log says why.
pub async fn list(fabric: &Fabric) -> FabricResult<Vec<EvolutionSummary>> {
    let Some(folder) = fabric.data_dir().map(folder_in) else { return Ok(Vec::new()) };
    on_disk(move || summaries(&folder)).await
}

/// The state of the evolution of an agent type, with its elites and its last
/// candidates.
///
/// # Errors
/// `EvolutionNotFound`; `Internal` when its state cannot be read.
pub async fn find(fabric: &Fabric, agent_type: &str) -> FabricResult<State> {
    let unknown = || FabricError::EvolutionNotFound { agent_type: agent_type.to_owned() };
    let folder = fabric.data_dir().map(folder_in).ok_or_else(unknown)?;
    let own = naming::folder_of(&folder, agent_type);
    let found = on_disk(move || folder::read_state(&own).map_err(internal)).await?;
    found.ok_or_else(unknown)
}

fn summaries(folder: &Path) -> FabricResult<Vec<EvolutionSummary>> {
    let failed = |error| internal(EvolutionError::of(folder)(error));
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut all = Vec::new();
    for entry in entries.take(MOST_LISTED) {
        match folder::read_state(&entry.map_err(failed)?.path()) {
            Ok(state) => all.extend(state.map(summary)),
            Err(error) => tracing::warn!(%error, "an evolution is not listed"),
        }
    }
    all.sort_by(|one, next| one.agent_type.cmp(&next.agent_type));
    Ok(all)
}

fn summary(state: State) -> EvolutionSummary {
    let (genome, score) = state.best();
    EvolutionSummary {
        objective: state.evidence.get(&genome).and_then(|evidence| evidence.all.objective),
        agent_type: state.terms.agent_type,
        generation: state.generation,
        candidates: state.candidates,
        best: genome,
        score,
        cpu_seconds: state.cpu_seconds,
        done: state.ended.is_some(),
        ended: state.ended,
    }
}

fn internal(error: EvolutionError) -> FabricError {
    FabricError::Internal(error.to_string())
}

async fn on_disk<T: Send + 'static>(
    read: impl FnOnce() -> FabricResult<T> + Send + 'static,
) -> FabricResult<T> {
    let read = tokio::task::spawn_blocking(read).await;
    read.map_err(|error| FabricError::Internal(format!("evolution: {error}")))?
}
