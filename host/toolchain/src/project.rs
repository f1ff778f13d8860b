//! A project that is built: where its sources are, and where what comes of them goes.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chimera_layer4_build::{BuildError, Stop};
use chimera_layer4_contract::wit;
use tempfile::TempDir;

/// Where a project's products go unless the caller says otherwise. Templates
/// have git ignore it.
const OUT: &str = "build";

/// How the names begin of folders for what is not done yet.
const MAKING: &str = ".making-";

/// No build takes so long.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

/// What tools put beside sources, and no author writes.
const NOT_SOURCES: [&str; 2] = ["node_modules", "__pycache__"];

/// One agent's project, in a language that leaves the last steps to us.
pub(super) struct Project {
    /// Where the sources are: an absolute path.
    pub(super) folder: PathBuf,
    /// Where products go.
    pub(super) out: PathBuf,
    /// Ends its tools.
    pub(super) stop: Stop,
    /// What the component is called.
    name: String,
    sources_at_start: String,
}

impl Project {
    pub(super) fn open(
        folder: &Path,
        target_dir: Option<&Path>,
        stop: &Stop,
    ) -> Result<Self, BuildError> {
        let folder = folder.canonicalize().map_err(|error| files(folder, error))?;
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_else(|| "agent".into());
        let out = target_dir.map_or_else(|| folder.join(OUT), |target| target.join(&name));
        fs::create_dir_all(&out).map_err(|error| {
            files(&out, format!("{error}; what is built is put into that folder"))
        })?;
        let (stop, sources_at_start) = (stop.clone(), String::new());
        let mut project = Self { folder, out, stop, name, sources_at_start };
        project.sources_at_start = project.listed(&project.all_sources());
        Ok(project)
    }

    /// Where the component is, once it is built.
    pub(super) fn component(&self) -> PathBuf {
        self.out.join(format!("{}.wasm", self.name))
    }

    /// Whether the component was made of just these sources as they are, with
    /// the packages that are installed and by this program, whose contract it is
    /// made with.
    pub(super) fn is_built(&self) -> bool {
        let list = fs::read_to_string(self.list());
        list.is_ok_and(|list| made(&self.component()).is_ok_and(|it| list == it + &self.made_of()))
    }

    /// What the component was made of.
    fn list(&self) -> PathBuf {
        self.out.join("sources.txt")
    }

    /// Sources as they were before any tool read them, so that what is saved
    /// meanwhile is for the next build; packages as they are, which the build
    /// itself may have installed.
    fn made_of(&self) -> String {
        self.sources_at_start.clone() + &self.listed(&self.packages())
    }

    /// Each file, and when it last changed.
    fn listed(&self, paths: &[PathBuf]) -> String {
        let line = |path: &PathBuf| {
            let own = path.strip_prefix(&self.folder).unwrap_or(path).display();
            match changed(path) {
                Ok((secs, nanos)) => format!("{own} {secs}.{nanos:09}\n"),
                Err(_) => format!("{own} is gone\n"),
            }
        };
        paths.iter().map(line).collect()
    }

    fn all_sources(&self) -> Vec<PathBuf> {
        let mut all = files_in(&self.folder);
        all.retain(|path| !path.starts_with(&self.out) && !is_written_by_a_build(path));
        all.extend(std::env::current_exe());
        all
    }

    /// What pip and npm change whenever they install something for the project.
    fn packages(&self) -> Vec<PathBuf> {
        let pythons = fs::read_dir(self.folder.join(".venv/lib")).into_iter().flatten().flatten();
        let pythons = pythons.map(|python| python.path().join("site-packages"));
        let npm = self.folder.join("node_modules/.package-lock.json");
        pythons.chain([npm]).filter(|path| path.exists()).collect()
    }

    /// A folder for what is not done yet; it goes when it is dropped.
    pub(super) fn workplace(&self) -> Result<TempDir, BuildError> {
        self.sweep();
        tempfile::Builder::new()
            .prefix(MAKING)
            .tempdir_in(&self.out)
            .map_err(|error| files(&self.out, error))
    }

    /// Removes what builds that were killed left behind. Another build of the
    /// project may be under way, and is never as old.
    fn sweep(&self) {
        for entry in fs::read_dir(&self.out).into_iter().flatten().flatten() {
            let is_ours = entry.file_name().to_string_lossy().starts_with(MAKING);
            let age = entry.metadata().and_then(|data| data.modified()).map(|at| at.elapsed());
            if is_ours && matches!(age, Ok(Ok(age)) if age > ABANDONED) {
                // What cannot be removed does no damage.
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }

    /// Puts a component that is done in its place, all at once.
    pub(super) fn keep(&self, made: &Path) -> Result<PathBuf, BuildError> {
        let component = self.component();
        let failed = |error| files(&component, error);
        // Of two builds at once the list may be the other's: it names its component.
        let list = self::made(made).map_err(failed)? + &self.made_of();
        fs::rename(made, &component).map_err(failed)?;
        write(&self.list(), list.as_bytes())?;
        Ok(component)
    }

    /// The sources with this ending in `src/`.
    pub(super) fn sources(&self, ending: &str) -> Vec<PathBuf> {
        let all = files_in(&self.folder.join("src"));
        all.into_iter().filter(|path| path.extension().is_some_and(|e| e == ending)).collect()
    }

    /// Writes the contract, for tools that read it from a folder, which is the answer.
    pub(super) fn write_contract(&self) -> Result<PathBuf, BuildError> {
        let folder = self.out.join("wit");
        for (name, text) in wit::FILES {
            write(&folder.join(name), text.as_bytes())?;
        }
        Ok(folder)
    }
}

/// What identifies a component; renaming does not change it.
fn made(component: &Path) -> std::io::Result<String> {
    let data = fs::metadata(component)?;
    Ok(format!("component {} {} {}\n", data.ino(), data.mtime(), data.mtime_nsec()))
}

/// Of what the project names, which is a source.
fn is_written_by_a_build(path: &Path) -> bool {
    ["package-lock.json", "go.sum"].iter().any(|name| path.ends_with(name))
}

/// Seconds and nanoseconds.
type Changed = (i64, i64);

/// When a file was last written, renamed or put in its place. Not when it says
/// that it was written: one that is copied or moved here may be old.
fn changed(path: &Path) -> std::io::Result<Changed> {
    fs::metadata(path).map(|data| (data.ctime(), data.ctime_nsec()))
}

/// Writes a file and the folders above it, unless it is there with that content:
/// an editor then sees no change. A process that reads it meanwhile, such as
/// another build, gets the old or the new content.
pub(super) fn write(path: &Path, content: &[u8]) -> Result<(), BuildError> {
    if fs::read(path).is_ok_and(|there| there == content) {
        return Ok(());
    }
    let parent = path.parent().unwrap_or(path);
    let place = || {
        fs::create_dir_all(parent)?;
        let readable = Permissions::from_mode(0o666);
        let mut file = tempfile::Builder::new().permissions(readable).tempfile_in(parent)?;
        file.write_all(content)?;
        file.persist(path).map(drop).map_err(|error| error.error)
    };
    place().map_err(|error| files(path, error))
}

pub(super) fn files(path: &Path, reason: impl ToString) -> BuildError {
    BuildError::Files { path: path.to_path_buf(), reason: reason.to_string() }
}

/// The files below a folder that an author may have written, in order; links to
/// folders are not followed.
pub(super) fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with('.') || NOT_SOURCES.contains(&name.as_ref()) {
                continue;
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                // Also one behind a link.
                Ok(_) if entry.path().is_file() => found.push(entry.path()),
                _ => {}
            }
        }
    }
    found.sort();
    found
}
