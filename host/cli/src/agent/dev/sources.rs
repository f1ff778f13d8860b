//! The files that a component is built from, and when they change.
//!
//! The system says that something happened; what did is found by a look at the
//! files, so that events which mean nothing, such as a build reading them, start
//! nothing. What git ignores is no source, and neither is where tools build:
//! a build must not be followed by another one of itself.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ignore::{DirEntry, WalkBuilder};
use notify::{ErrorKind, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::exit::BadInput;

/// Where tools put what they build, whether a `.gitignore` says so or not.
const BUILT: [&str; 4] = ["target", "build", "dist", "venv"];
/// What they put into any folder.
const BUILT_ANYWHERE: [&str; 2] = ["node_modules", "__pycache__"];
/// What a build writes beside the sources, and only a build writes meanwhile.
const LOCKS: [&str; 4] = ["Cargo.lock", "package-lock.json", "go.sum", "uv.lock"];
/// An editor writes several files for one save.
const QUIET: Duration = Duration::from_millis(100);
/// The longest wait while files keep changing; then a build starts all the same.
const LONGEST: Duration = Duration::from_secs(2);

/// Each file, its length and when it was changed.
pub(super) type Look = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

/// The files of a project, watched.
pub(super) struct Sources {
    folder: PathBuf,
    /// What it is built from besides.
    outside: Vec<PathBuf>,
    watcher: RecommendedWatcher,
    watched: HashSet<PathBuf>,
    /// Something changed; several reports count as one.
    happened: Arc<Notify>,
}

impl Sources {
    /// # Errors
    /// It is no folder, or the system watches nothing more.
    pub(super) fn watch(folder: &Path) -> anyhow::Result<Self> {
        if !folder.is_dir() {
            let message = format!("{} is not a folder; give an agent's project", folder.display());
            return Err(BadInput(message).into());
        }
        let happened = Arc::new(Notify::new());
        let tell = Arc::clone(&happened);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // An error may hide an event; a look costs little.
            if !event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_))) {
                tell.notify_one();
            }
        });
        let watcher = watcher.map_err(|error| unwatched(folder, &error))?;
        // As what is outside is named, should it reach in.
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let (outside, watched) = (Vec::new(), HashSet::new());
        Ok(Self { folder, outside, watcher, watched, happened })
    }

    /// From here on these folders are looked at too, and not those of before.
    /// Where the folders are not known, the old ones stay.
    pub(super) fn follow(&mut self, outside: Option<Vec<PathBuf>>) {
        if let Some(outside) = outside {
            self.outside = outside;
        }
    }

    /// What is there now. Folders that have come are watched from here on.
    ///
    /// # Errors
    /// The system watches nothing more.
    pub(super) fn look(&mut self) -> anyhow::Result<Look> {
        loop {
            let mut look = Look::new();
            let (mut folders, mut new) = (HashSet::new(), false);
            for entry in walk(&self.folder, &self.outside).flatten() {
                if entry.file_type().is_some_and(|kind| kind.is_dir()) {
                    let folder = entry.into_path();
                    if !self.watched.contains(&folder) {
                        self.begin(&folder)?;
                        new = true;
                    }
                    folders.insert(folder);
                } else if let Ok(found) = entry.metadata() {
                    look.insert(entry.into_path(), (found.len(), found.modified().ok()));
                }
            }
            // Where a folder goes, its watch goes too; one of its name is another.
            self.watched = folders;
            // What came before the watch is seen by one more look.
            if !new {
                return Ok(look);
            }
        }
    }

    fn begin(&mut self, folder: &Path) -> anyhow::Result<()> {
        match self.watcher.watch(folder, RecursiveMode::NonRecursive) {
            // It went while it was looked at.
            Err(error) if matches!(error.kind, ErrorKind::PathNotFound) => Ok(()),
            begun => begun.map_err(|error| unwatched(folder, &error).into()),
        }
    }

    /// After a build: what it wrote itself is no change.
    ///
    /// # Errors
    /// As [`look`](Self::look).
    pub(super) fn pass_over_locks(&mut self, then: &mut Look) -> anyhow::Result<()> {
        let is_lock = |path: &Path| LOCKS.iter().any(|name| path.ends_with(name));
        then.extend(self.look()?.into_iter().filter(|(path, _)| is_lock(path)));
        Ok(())
    }

    /// Waits until something is other than it was then; answers with what: from
    /// the project's folder on, or with the whole path of what is outside.
    ///
    /// # Errors
    /// As [`look`](Self::look).
    pub(super) async fn change(&mut self, then: &Look) -> anyhow::Result<Vec<PathBuf>> {
        loop {
            let now = self.look()?;
            let other = |path: &&PathBuf| then.get(*path) != now.get(*path);
            let all = then.keys().chain(now.keys().filter(|path| !then.contains_key(*path)));
            let inside = |path: &PathBuf| match path.strip_prefix(&self.folder) {
                Ok(inside) => inside.to_owned(),
                Err(_) => path.clone(),
            };
            let changed: Vec<PathBuf> = all.filter(other).map(inside).collect();
            if !changed.is_empty() {
                return Ok(changed);
            }
            self.happened.notified().await;
            self.settle().await;
        }
    }

    /// Waits until nothing more happens.
    async fn settle(&self) {
        let end = Instant::now() + LONGEST;
        loop {
            let quiet = (Instant::now() + QUIET).min(end);
            let more = timeout_at(quiet, self.happened.notified()).await.is_ok();
            if !more || Instant::now() >= end {
                return;
            }
        }
    }
}

fn walk(folder: &Path, outside: &[PathBuf]) -> ignore::Walk {
    let built = |entry: &DirEntry| {
        let name = entry.file_name().to_str().unwrap_or_default();
        let is_built = entry.depth() == 1 && BUILT.contains(&name)
            || entry.depth() > 0 && BUILT_ANYWHERE.contains(&name);
        is_built && entry.file_type().is_some_and(|kind| kind.is_dir())
    };
    // The project's own rules alone: above it there may be one that ignores all.
    let mut walk = WalkBuilder::new(folder);
    for folder in outside {
        walk.add(folder);
    }
    walk.parents(false)
        .git_global(false)
        .git_exclude(false)
        .require_git(false)
        .filter_entry(move |entry| !built(entry))
        .build()
}

fn unwatched(folder: &Path, error: &notify::Error) -> BadInput {
    let folder = folder.display();
    let next = match error.kind {
        ErrorKind::MaxFilesWatch => {
            "; raise the limit with `sysctl fs.inotify.max_user_watches=524288`"
        }
        _ => "",
    };
    BadInput(format!("{folder} cannot be watched: {error}{next}"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn names(paths: &[PathBuf]) -> Vec<&str> {
        paths.iter().map(|path| path.to_str().unwrap()).collect()
    }

    #[tokio::test]
    async fn a_change_is_found_wherever_it_is_and_what_is_built_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        for path in ["src/dist", "target/release", "node_modules/x", "out"] {
            fs::create_dir_all(at(path)).unwrap();
        }
        fs::write(at(".gitignore"), "/out\n").unwrap();
        fs::write(at("src/lib.rs"), "a").unwrap();
        for built in ["target/release/a.wasm", "node_modules/x/b.js", "out/c"] {
            fs::write(at(built), "built").unwrap();
        }
        let mut sources = Sources::watch(folder.path()).unwrap();
        let first = sources.look().unwrap();
        assert_eq!(first.keys().collect::<Vec<_>>(), [&at("src/lib.rs")]);

        fs::write(at("target/release/a.wasm"), "built anew").unwrap();
        fs::write(at("src/lib.rs"), "ab").unwrap();
        let changed = sources.change(&first).await.unwrap();
        assert_eq!(names(&changed), ["src/lib.rs"]);
        let first = sources.look().unwrap();
        fs::write(at("src/dist/table.rs"), "a").unwrap();
        let changed = sources.change(&first).await.unwrap();
        assert_eq!(names(&changed), ["src/dist/table.rs"], "only a project's own is built");

        let second = sources.look().unwrap();
        fs::create_dir_all(at("src/deep/er")).unwrap();
        fs::write(at("src/deep/er/new.rs"), "a").unwrap();
        let changed = sources.change(&second).await.unwrap();
        assert_eq!(names(&changed), ["src/deep/er/new.rs"]);

        let third = sources.look().unwrap();
        fs::remove_dir_all(at("src/deep")).unwrap();
        let changed = sources.change(&third).await.unwrap();
        assert_eq!(names(&changed), ["src/deep/er/new.rs"]);
    }

    #[tokio::test]
    async fn what_is_outside_is_followed_until_it_is_not_named_any_more() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let file = other.path().join("lib.rs");
        fs::write(&file, "a").unwrap();
        let mut sources = Sources::watch(folder.path()).unwrap();
        sources.follow(Some(vec![other.path().to_path_buf()]));
        let look = sources.look().unwrap();
        fs::write(&file, "ab").unwrap();
        assert_eq!(sources.change(&look).await.unwrap(), [file.as_path()]);
        sources.follow(None);
        assert_eq!(sources.look().unwrap().len(), 1);
        sources.follow(Some(Vec::new()));
        assert_eq!(sources.look().unwrap().len(), 0);
    }

    #[tokio::test]
    async fn a_lock_that_a_build_writes_is_no_change_and_one_that_comes_later_is() {
        let folder = tempfile::tempdir().unwrap();
        let lock = folder.path().join("Cargo.lock");
        let mut sources = Sources::watch(folder.path()).unwrap();
        let mut look = sources.look().unwrap();
        fs::write(&lock, "first").unwrap();
        sources.pass_over_locks(&mut look).unwrap();
        assert_eq!(look, sources.look().unwrap());
        fs::write(&lock, "another").unwrap();
        assert_eq!(names(&sources.change(&look).await.unwrap()), ["Cargo.lock"]);
    }

    #[test]
    fn what_is_no_folder_is_named() {
        let error = Sources::watch(Path::new("nowhere/at/all")).err().unwrap();
        assert!(error.to_string().contains("nowhere/at/all is not a folder"), "{error}");
    }
}
