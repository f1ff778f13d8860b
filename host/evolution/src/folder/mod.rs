//! The folder of an evolution. Each agent type has one.
//!
//! ```text
//! state.json              the whole state; replaced as a whole
//! candidates.jsonl        a line for each candidate
//! components/<hex>.wasm   the elites; each is hashed when it is read
//! out/                    for the generator; emptied before each call
//! lock                    held by the process that uses the folder
//! ```
//!
//! Files are written under another name, synced and renamed. A component is written
//! before the state that names it, and removed after a state that does not.

mod files;

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chimera_layer4_core::{Digest, FabricError};
use chimera_layer4_folders::{Access, FolderError, OwnFolder, open_regular};

use self::files::{TEMPORARY, append, gone, place};
use super::candidate::Candidate;
use super::error::EvolutionError;
use super::naming;
use super::state::{self, State};
use chimera_layer4_folders::locks;

/// The most bytes of a state. Ten thousand elites with their evidence take a tenth
/// of it.
const MOST_STATE_BYTES: u64 = 256 << 20;
/// The most bytes of all lines. There are at most a hundred thousand.
const MOST_JOURNAL_BYTES: u64 = 1 << 30;
const STATE: &str = "state.json";
const JOURNAL: &str = "candidates.jsonl";
const COMPONENTS: &str = "components";
const OUT: &str = "out";
const WASM: &str = ".wasm";

type Done<T> = Result<T, EvolutionError>;

/// A folder that no other process uses.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// It is locked as long as this is open.
    _lock: File,
}

impl Folder {
    pub(super) fn open(root: &Path, agent_type: &str) -> Done<Self> {
        let path = naming::folder_of(root, agent_type);
        let opened = || {
            let folder = OwnFolder::make(&path, Access::Readable)?;
            folder.make_in(COMPONENTS)?;
            let lock = folder.open_or_make("lock")?;
            Ok((folder, lock))
        };
        let (folder, lock) = opened().map_err(|error: FolderError| EvolutionError::State {
            path: path.clone(),
            reason: error.to_string(),
        })?;
        // The path is absolute, since the generator may run in another folder.
        let path = folder.path().to_path_buf();
        match locks::take(&lock) {
            Ok(true) => Ok(Self { path, _lock: lock }),
            Ok(false) => Err(EvolutionError::Busy(path)),
            Err(error) => Err(EvolutionError::of(&path)(error)),
        }
    }

    pub(super) fn state(&self) -> PathBuf {
        self.path.join(STATE)
    }

    /// Removes everything, the state first. After a crash in between, the next
    /// write removes components that no state names.
    pub(super) fn clear(&self) -> Done<()> {
        for name in [STATE, JOURNAL] {
            let path = self.path.join(name);
            gone(fs::remove_file(&path)).map_err(EvolutionError::of(&path))?;
        }
        self.sweep(&HashSet::new())
    }

    pub(super) fn read_state(&self) -> Done<Option<State>> {
        read_state(&self.path)
    }

    /// Reads the lines that the state counts, cuts off the others, and removes
    /// components that the state does not name.
    pub(super) fn recover(&self, state: &mut State) -> Done<()> {
        let path = self.path.join(JOURNAL);
        let damaged = |reason: String| EvolutionError::State { path: path.clone(), reason };
        for line in Self::journal(&path, state.journal_bytes)?.lines() {
            let candidate: Candidate = serde_json::from_str(line)
                .map_err(|error| damaged(format!("{error}; begin anew (`--fresh`)")))?;
            state.known.extend(candidate.genome);
            state.taken.extend(candidate.file);
        }
        state.known.insert(state.terms.start);
        self.remove_but(&self.path, |name| !name.starts_with(TEMPORARY))?;
        self.sweep(&state.evidence.keys().copied().collect())
    }

    /// The lines of all candidates, cut off after `bytes`.
    fn journal(path: &Path, bytes: u64) -> Done<String> {
        // Opening a pipe would wait for its writer.
        match open_regular(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(EvolutionError::of(path)(error));
            }
            Err(_) | Ok(_) => {}
        }
        let mut options = File::options();
        options.create(true).read(true).write(true).truncate(false);
        let mut journal = options.open(path).map_err(EvolutionError::of(path))?;
        let length = journal.metadata().map_err(EvolutionError::of(path))?.len();
        if length < bytes || bytes > MOST_JOURNAL_BYTES {
            let reason = format!(
                "it has {length} bytes, and the state knows of {bytes}; begin anew (`--fresh`)"
            );
            return Err(EvolutionError::State { path: path.to_path_buf(), reason });
        }
        journal.set_len(bytes).map_err(EvolutionError::of(path))?;
        let mut text = String::new();
        journal.read_to_string(&mut text).map_err(EvolutionError::of(path))?;
        Ok(text)
    }

    /// Reads a component and checks that its digest is its name.
    pub(super) fn component(&self, genome: Digest) -> Done<Vec<u8>> {
        let path = self.component_path(genome);
        let mut bytes = Vec::new();
        let read = open_regular(&path).and_then(|mut file| file.read_to_end(&mut bytes));
        read.map_err(EvolutionError::of(&path))?;
        if Digest::of(&bytes) == genome {
            return Ok(bytes);
        }
        let reason = "it is damaged: its digest is another; begin anew (`--fresh`)".to_owned();
        Err(EvolutionError::State { path, reason })
    }

    pub(super) fn component_path(&self, genome: Digest) -> PathBuf {
        self.path.join(COMPONENTS).join(format!("{}{WASM}", genome.hex()))
    }

    /// The generator's folder, empty.
    pub(super) fn empty_out(&self) -> Done<PathBuf> {
        let path = self.path.join(OUT);
        gone(fs::remove_dir_all(&path)).map_err(EvolutionError::of(&path))?;
        fs::create_dir(&path).map_err(EvolutionError::of(&path))?;
        Ok(path)
    }

    /// Writes a finished candidate: its component if the archive keeps it, its
    /// line, and the state.
    pub(super) async fn keep(
        self: &Arc<Self>,
        state: &mut State,
        candidate: &Candidate,
        component: Option<Arc<[u8]>>,
    ) -> Done<()> {
        let mut line = serde_json::to_vec(candidate).map_err(FabricError::from)?;
        line.push(b'\n');
        let at = state.journal_bytes;
        state.journal_bytes += line.len() as u64;
        let text = serde_json::to_vec(state).map_err(FabricError::from)?;
        let (genome, elites) = (candidate.genome, state.evidence.keys().copied().collect());
        self.on_disk(move |folder| {
            if let (Some(bytes), Some(genome)) = (component, genome) {
                let path = folder.component_path(genome);
                place(&path, &bytes).map_err(EvolutionError::of(&path))?;
            }
            let path = folder.path.join(JOURNAL);
            append(&path, at, &line).map_err(EvolutionError::of(&path))?;
            let path = folder.state();
            place(&path, &text).map_err(EvolutionError::of(&path))?;
            folder.sweep(&elites)
        })
        .await
    }

    /// Writes the first state, with the start's component.
    pub(super) async fn keep_start(
        self: &Arc<Self>,
        state: &State,
        component: Arc<[u8]>,
    ) -> Done<()> {
        let start = state.terms.start;
        self.on_disk(move |folder| {
            let path = folder.component_path(start);
            place(&path, &component).map_err(EvolutionError::of(&path))
        })
        .await?;
        self.keep_state(state).await
    }

    pub(super) async fn keep_state(self: &Arc<Self>, state: &State) -> Done<()> {
        let text = serde_json::to_vec(state).map_err(FabricError::from)?;
        self.on_disk(move |folder| {
            let path = folder.state();
            place(&path, &text).map_err(EvolutionError::of(&path))
        })
        .await
    }

    async fn on_disk<T: Send + 'static>(
        self: &Arc<Self>,
        what: impl FnOnce(&Folder) -> Done<T> + Send + 'static,
    ) -> Done<T> {
        let folder = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || what(&folder)).await;
        done.map_err(|error| FabricError::Internal(format!("evolution: {error}")))?
    }

    /// Removes every component but these, and files that a crash left half written.
    fn sweep(&self, elites: &HashSet<Digest>) -> Done<()> {
        let kept: HashSet<String> =
            elites.iter().map(|one| format!("{}{WASM}", one.hex())).collect();
        self.remove_but(&self.path.join(COMPONENTS), |name| kept.contains(name))
    }

    fn remove_but(&self, folder: &Path, kept: impl Fn(&str) -> bool) -> Done<()> {
        for entry in fs::read_dir(folder).map_err(EvolutionError::of(folder))? {
            let entry = entry.map_err(EvolutionError::of(folder))?;
            if !kept(&entry.file_name().to_string_lossy()) {
                gone(fs::remove_file(entry.path())).map_err(EvolutionError::of(folder))?;
            }
        }
        Ok(())
    }
}

/// Reads the state in a folder. Another process may be using the folder.
pub(super) fn read_state(folder: &Path) -> Done<Option<State>> {
    let path = folder.join(STATE);
    let file = match open_regular(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(EvolutionError::of(&path))?,
    };
    let mut text = Vec::new();
    let read = file.take(MOST_STATE_BYTES).read_to_end(&mut text);
    read.map_err(EvolutionError::of(&path))?;
    let wrong = |reason: String| EvolutionError::State { path: path.clone(), reason };
    let state: State = serde_json::from_slice(&text)
        .map_err(|error| wrong(format!("it is no state: {error}; begin anew (`--fresh`)")))?;
    match state.version {
        state::VERSION => Ok(Some(state)),
        other => Err(wrong(format!(
            "its form is of version {other}, this host reads {}; begin anew (`--fresh`)",
            state::VERSION
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_has_the_folder() {
        let root = tempfile::tempdir().unwrap();
        let held = Folder::open(root.path(), "a").unwrap();
        let refused = Folder::open(root.path(), "a").unwrap_err();
        assert!(matches!(refused, EvolutionError::Busy(_)), "{refused}");
        Folder::open(root.path(), "b").unwrap();
        drop(held);
        Folder::open(root.path(), "a").unwrap();
    }

    #[test]
    fn a_flipped_bit_is_found_when_a_component_is_read() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::open(root.path(), "a").unwrap();
        let genome = Digest::of(b"one");
        place(&folder.component_path(genome), b"one").unwrap();
        assert_eq!(folder.component(genome).unwrap(), b"one");
        fs::write(folder.component_path(genome), b"one!").unwrap();
        assert!(folder.component(genome).unwrap_err().to_string().contains("damaged"));
        folder.sweep(&HashSet::new()).unwrap();
        assert!(!folder.component_path(genome).exists());
    }
}
