//! The folder of agents: what is in it, and what an agent's files declare.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use chimera_layer4_core::config::agents_dir::{AgentFiles, FileMark, Listing};
use chimera_layer4_core::config::{AgentDeclaration, declared_alone};
use chimera_layer4_core::{FabricConfig, ResourceQuota};
use chimera_layer4_folders::{Access, FolderError, OwnFolder};

/// In the data folder, and in the working directory of a host without one.
pub(crate) const FOLDER: &str = "agents";
/// Far more than the settings of one agent.
const SETTINGS_BYTES: u64 = 64 << 10;
/// Agent types of a folder.
const MOST_TYPES: usize = 1000;
/// Names that one look reads.
const MOST_NAMES: usize = 10_000;

/// The folder of agents.
#[derive(Clone, Debug)]
pub(crate) struct AgentsFolder {
    path: PathBuf,
    /// Whether the settings name it: it has to be there then.
    pub(crate) is_named: bool,
}

/// What a look found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) listing: Listing,
    /// Types beyond the most.
    pub(crate) left_out: usize,
}

impl AgentsFolder {
    /// The folder that the settings name, or the one in the data folder.
    pub(crate) fn of(config: &FabricConfig, data: Option<&OwnFolder>) -> Self {
        match (&config.agents_dir, data) {
            (Some(path), _) => Self { path: path.clone(), is_named: true },
            (None, Some(data)) => Self { path: data.path().join(FOLDER), is_named: false },
            (None, None) => Self { path: FOLDER.into(), is_named: false },
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The agents of the folder as their files are now. It blocks.
    ///
    /// # Errors
    /// `Missing`; `Unsafe` when another user could change the folder; `Failed`.
    pub(crate) fn look(&self) -> Result<Found, FolderError> {
        let folder = self.open()?;
        let (mut components, mut settings) = (BTreeMap::new(), BTreeMap::new());
        let failed =
            |error| FolderError::Failed { path: folder.path().to_path_buf(), what: "read", error };
        for entry in std::fs::read_dir(folder.path()).map_err(failed)?.take(MOST_NAMES) {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            // One that begins with a dot is another program's, which is at work on it.
            let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { continue };
            let marks = match name.rsplit_once('.') {
                Some((name, "wasm")) => (name, &mut components),
                Some((name, "toml")) => (name, &mut settings),
                _ => continue,
            };
            if let Some(mark) = mark(&entry.path()).map_err(failed)? {
                marks.1.insert(marks.0.to_owned(), mark);
            }
        }
        let left_out = components.len().saturating_sub(MOST_TYPES);
        let files = components.into_iter().take(MOST_TYPES).map(|(name, component)| {
            let settings = settings.remove(&name);
            (name, AgentFiles { component, settings })
        });
        Ok(Found { listing: files.collect(), left_out })
    }

    /// What the files of a type declare. It blocks.
    ///
    /// # Errors
    /// Everything that is wrong, in words.
    pub(crate) fn declared(
        &self,
        name: &str,
        files: &AgentFiles,
        defaults: &ResourceQuota,
    ) -> Result<AgentDeclaration, String> {
        let folder = self.open().map_err(|error| error.to_string())?;
        let component = folder.path().join(format!("{name}.wasm"));
        let file = format!("{name}.toml");
        let shown = folder.path().join(&file).display().to_string();
        let text = match files.settings {
            None => String::new(),
            Some(_) => {
                let read = folder.read_own(&file, SETTINGS_BYTES);
                let bytes = read.map_err(|error| error.to_string())?;
                if bytes.len() as u64 > SETTINGS_BYTES {
                    let most = SETTINGS_BYTES >> 10;
                    return Err(format!(
                        "{shown} is larger than {most} KiB, the most that is read"
                    ));
                }
                String::from_utf8(bytes).map_err(|_| format!("{shown} is not UTF-8 text"))?
            }
        };
        let declared = declared_alone(name, component, &shown, &text, defaults);
        declared.map_err(|complaints| complaints.join("; "))
    }

    fn open(&self) -> Result<OwnFolder, FolderError> {
        OwnFolder::open(&self.path, Access::Readable)
    }
}

/// What tells a file's state; `None`: it is no file, or has just gone.
fn mark(path: &Path) -> io::Result<Option<FileMark>> {
    let found = match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        found => found?,
    };
    Ok(found.is_file().then(|| FileMark {
        inode: found.ino(),
        bytes: found.size(),
        modified: (found.mtime(), found.mtime_nsec()),
        changed: (found.ctime(), found.ctime_nsec()),
    }))
}
