//! The folder of agents: what is in it, and what an agent's files declare.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use chimera_layer4_core::config::agents_dir::{AgentFiles, FileMark, Found, Listing};
use chimera_layer4_core::config::{AgentDeclaration, declared_alone};
use chimera_layer4_core::telemetry::shown;
use chimera_layer4_core::{FabricConfig, ResourceQuota};
use chimera_layer4_folders::{Access, FolderError, OwnFolder};

/// In the data folder.
pub(crate) const FOLDER: &str = "agents";
/// Far more than the settings of one agent.
const SETTINGS_BYTES: u64 = 64 << 10;
/// Names that one look reads.
const MOST_NAMES: usize = 10_000;
/// Names that are no agent's and that one look keeps for the log.
const MOST_STRANGE: usize = 20;

/// The folder of agents.
#[derive(Clone, Debug)]
pub(crate) struct AgentsFolder {
    path: PathBuf,
    /// Whether the settings name it: it has to be there then.
    pub(crate) is_named: bool,
}

/// What a look found.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) listing: Listing,
    /// Whether all that is there was looked at.
    pub(crate) is_whole: bool,
    /// Names that may have been meant as an agent's, and why they are none.
    pub(crate) strange: BTreeSet<String>,
}

/// Why the files of a type declare nothing.
#[derive(Debug)]
pub(crate) enum NotDeclared {
    /// They are wrong, and stay so until they are changed.
    Wrong(String),
    /// They could not be read now.
    Unread(String),
}

impl From<FolderError> for NotDeclared {
    fn from(error: FolderError) -> Self {
        match error {
            FolderError::Unsafe(reason) => Self::Wrong(reason),
            FolderError::Missing(_) | FolderError::Failed { .. } => Self::Unread(error.to_string()),
        }
    }
}

impl AgentsFolder {
    /// The folder that the settings name, or the one in the data folder, or the one that is
    /// used where it is there. A path that is relative is so to where the process is now.
    pub(crate) fn of(config: &FabricConfig, data: Option<&OwnFolder>) -> Option<Self> {
        let own = || data.map(|data| data.path().join(FOLDER));
        let is_named = config.agents_dir.is_some();
        let path = config.agents_dir.clone().or_else(own);
        let path = path.or_else(|| config.local_agents_dir.clone())?;
        // Where it cannot be made absolute, opening it says why.
        let path = std::path::absolute(&path).unwrap_or(path);
        Some(Self { path, is_named })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The agents of the folder as their files are now. It blocks.
    ///
    /// # Errors
    /// `Missing`; `Unsafe` when another user could change the folder; `Failed`.
    pub(crate) fn look(&self) -> Result<Seen, FolderError> {
        let folder = self.open()?;
        let failed =
            |error| FolderError::Failed { path: folder.path().to_path_buf(), what: "read", error };
        let mut entries = std::fs::read_dir(folder.path()).map_err(failed)?;
        let mut names = Names::default();
        for entry in entries.by_ref().take(MOST_NAMES) {
            let entry = entry.map_err(failed)?;
            names.add(entry.file_name(), &entry.path());
        }
        Ok(names.seen(entries.next().is_none()))
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
    ) -> Result<AgentDeclaration, NotDeclared> {
        let folder = self.open()?;
        let component = format!("{name}.wasm");
        folder.check_code(&component)?;
        let component = folder.path().join(component);
        let file = format!("{name}.toml");
        let shown = folder.path().join(&file).display().to_string();
        let text = match files.settings {
            None => String::new(),
            Some(_) => {
                let bytes = folder.read_own(&file, SETTINGS_BYTES)?;
                if bytes.len() as u64 > SETTINGS_BYTES {
                    let most = SETTINGS_BYTES >> 10;
                    return Err(NotDeclared::Wrong(format!(
                        "{shown} is larger than {most} KiB, the most that is read"
                    )));
                }
                let text = String::from_utf8(bytes);
                text.map_err(|_| NotDeclared::Wrong(format!("{shown} is not UTF-8 text")))?
            }
        };
        let declared = declared_alone(name, component, &shown, &text, defaults);
        declared.map_err(|complaints| NotDeclared::Wrong(complaints.join("; ")))
    }

    fn open(&self) -> Result<OwnFolder, FolderError> {
        OwnFolder::open(&self.path, Access::Supplied)
    }
}

/// The names of a folder, as they are read.
#[derive(Default)]
struct Names {
    components: BTreeMap<String, Result<FileMark, String>>,
    settings: BTreeMap<String, Result<FileMark, String>>,
    strange: BTreeSet<String>,
}

impl Names {
    fn add(&mut self, name: OsString, path: &Path) {
        let name = match name.into_string() {
            Ok(name) => name,
            Err(name) => {
                let name = name.to_string_lossy();
                if is_agents(&name).is_some() {
                    self.note(format!("the name {} is not UTF-8", shown(&name)));
                }
                return;
            }
        };
        // One that begins with a dot is another program's, which is at work on it.
        if name.starts_with('.') {
            return;
        }
        let Some((stem, ending)) = is_agents(&name) else { return };
        let marks = match ending {
            "wasm" => &mut self.components,
            "toml" => &mut self.settings,
            _ => {
                let name = shown(&name);
                self.note(format!("{name} does not end in `.wasm` or `.toml` in small letters"));
                return;
            }
        };
        if let Some(mark) = mark(path) {
            marks.insert(stem.to_owned(), mark);
        }
    }

    fn note(&mut self, what: String) {
        if self.strange.len() < MOST_STRANGE {
            self.strange.insert(what);
        }
    }

    fn seen(mut self, is_whole: bool) -> Seen {
        let mut listing = Listing::new();
        for (name, component) in std::mem::take(&mut self.components) {
            let settings = self.settings.remove(&name).transpose();
            let files = component
                .and_then(|component| settings.map(|settings| AgentFiles { component, settings }));
            listing.insert(name, files.map_or_else(Found::Refused, Found::Files));
        }
        // What was not looked at may have their components.
        if is_whole {
            for name in std::mem::take(&mut self.settings).into_keys() {
                let name = shown(&name);
                self.note(format!("{name}.toml is there without {name}.wasm"));
            }
        }
        Seen { listing, is_whole, strange: self.strange }
    }
}

/// A name that may be meant as an agent's, and how it ends.
fn is_agents(name: &str) -> Option<(&str, &str)> {
    let is_known =
        |ending: &str| ["wasm", "toml"].iter().any(|one| ending.eq_ignore_ascii_case(one));
    name.rsplit_once('.').filter(|(_, ending)| is_known(ending))
}

/// What tells a file's state, or why it cannot be used; `None`: it has just gone. A link is
/// not followed: what it leads to may be another user's.
fn mark(path: &Path) -> Option<Result<FileMark, String>> {
    let shown = || shown(&path.display().to_string());
    let found = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => return Some(Err(format!("{} cannot be looked at: {error}", shown()))),
        Ok(found) => found,
    };
    if found.is_file() {
        return Some(Ok(FileMark {
            inode: found.ino(),
            bytes: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }));
    }
    let kind = match found.file_type() {
        kind if kind.is_symlink() => "a link",
        kind if kind.is_dir() => "a folder",
        _ => "a pipe, a socket or a device",
    };
    Some(Err(format!("{} is {kind}; put the file itself there", shown())))
}
