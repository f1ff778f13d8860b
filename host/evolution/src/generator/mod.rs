//! Makes candidates: takes files from a folder, or runs the operator's command.

mod command;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chimera_layer4_core::Digest;
use chimera_layer4_core::genome::Fitness;
use serde::Serialize;

use super::candidate::Evidence;
use super::error::EvolutionError;
use super::folder::Folder;
use super::options::{EvolutionOptions, Generator};
use super::state::State;
use chimera_layer4_fabric::read_component;

/// The version of the document that a command reads.
const PROTOCOL: u32 = 1;
/// So many bits of a seed fit exactly into the numbers of every language.
const SEED_BITS: u32 = 53;
/// The most files that are considered in a folder of candidates.
const MOST_FILES: usize = 1_000_000;

/// The JSON document that a command reads from its standard input.
#[derive(Debug, Serialize)]
struct Request<'a> {
    protocol: u32,
    agent_type: &'a str,
    generation: u32,
    seed: u64,
    /// A folder for this call alone.
    out: PathBuf,
    parents: Vec<Parent<'a>>,
}

#[derive(Debug, Serialize)]
struct Parent<'a> {
    digest: Digest,
    path: PathBuf,
    fitness: &'a Fitness,
    evidence: &'a Evidence,
}

/// What the generator made.
pub(super) struct Made {
    /// The elites that it got.
    pub(super) parents: Vec<Digest>,
    /// The file's name, where it comes from a folder.
    pub(super) file: Option<String>,
    /// The component, or why there is none.
    pub(super) component: Result<Arc<[u8]>, String>,
}

/// The next candidate; `None` means that there are no more.
pub(super) async fn next(
    options: &EvolutionOptions,
    folder: &Folder,
    state: &State,
    most_bytes: u64,
) -> Result<Option<Made>, EvolutionError> {
    match &options.generator {
        Generator::Folder(path) => {
            let Some(file) = next_file(path, state)? else { return Ok(None) };
            let component = read(&path.join(&file), most_bytes).await;
            Ok(Some(Made { parents: Vec::new(), file: Some(file), component }))
        }
        Generator::Command(command) => {
            let request = request(options, folder, state)?;
            let parents = request.parents.iter().map(|parent| parent.digest).collect();
            let document =
                serde_json::to_vec(&request).map_err(chimera_layer4_core::FabricError::from)?;
            let component = match command::run(command, document, options.generator_timeout).await {
                Ok(path) => read(&path, most_bytes).await,
                Err(why) => Err(why),
            };
            Ok(Some(Made { parents, file: None, component }))
        }
    }
}

/// All random choices follow from the seed and the candidate's place, so that a
/// request that is repeated after a crash is the same.
fn request<'a>(
    options: &'a EvolutionOptions,
    folder: &Folder,
    state: &'a State,
) -> Result<Request<'a>, EvolutionError> {
    let place = (u64::from(state.generation) << 32) | u64::from(state.place);
    let mut random =
        fastrand::Rng::with_seed(options.seed ^ fastrand::Rng::with_seed(place).u64(..));
    let seed = random.u64(..1 << SEED_BITS);
    let drawn = state.archive.parents(|| random.f64());
    let mut parents = Vec::new();
    for elite in drawn {
        let Some(evidence) = state.evidence.get(&elite.genome) else { continue };
        // Reading it checks its digest, so that the generator gets no damaged file.
        folder.component(elite.genome)?;
        let path = folder.component_path(elite.genome);
        parents.push(Parent { digest: elite.genome, path, fitness: &elite.fitness, evidence });
    }
    Ok(Request {
        protocol: PROTOCOL,
        agent_type: &options.agent_type,
        generation: state.generation,
        seed,
        out: folder.empty_out()?,
        parents,
    })
}

/// The first file by name that was not tried yet.
fn next_file(folder: &Path, state: &State) -> Result<Option<String>, EvolutionError> {
    let entries = std::fs::read_dir(folder).map_err(EvolutionError::of(folder))?;
    let mut first: Option<String> = None;
    for entry in entries.take(MOST_FILES) {
        let entry = entry.map_err(EvolutionError::of(folder))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let is_file = entry.path().is_file() && !name.starts_with('.');
        let is_first = first.as_ref().is_none_or(|first| name < *first);
        if is_file && is_first && !state.taken.contains(&name) {
            first = Some(name);
        }
    }
    Ok(first)
}

async fn read(path: &Path, most_bytes: u64) -> Result<Arc<[u8]>, String> {
    let bytes = read_component(path, most_bytes).await.map_err(|error| error.to_string())?;
    if bytes.len() as u64 > most_bytes {
        return Err(format!(
            "{} has more than {most_bytes} bytes, which is what this host accepts (setting `max_component_mb`)",
            path.display()
        ));
    }
    Ok(bytes.into())
}
