//! Folders that only the host's user and root can change.
//!
//! The data folder holds machine code that the host loads, and the record of
//! which genome is active. A user who can rename one folder on the path to it
//! can put another in its place. So a path is walked from the root down, each
//! part is opened relative to the descriptor of the one before, and its owner
//! and mode are read from its own descriptor. Links are resolved by the walk,
//! by the same rules. Once the walk is through, no other user can change what
//! any part of the resolved path names, so libraries that take a path (SQLite,
//! wasmtime's cache) may be given that one.
//!
//! `walk` goes down the path, `rules` judges each part, `inside` works with what
//! lies in a folder, `accounts` names users and groups. `regular` opens files that
//! a user names, wherever they are.

mod accounts;
mod inside;
pub mod locks;
mod regular;
mod rules;
#[cfg(test)]
mod tests;
mod walk;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::fstatfs;
use rustix::process::geteuid;

pub use self::accounts::Accounts;
pub use self::regular::{open_regular, read_regular};
use self::walk::{Missing, walk};

/// What must be true of a folder itself, beside what is asked of the path to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It belongs to this user, and no other may enter it.
    Private,
    /// It belongs to this user. Others may read it and change nothing.
    Readable,
    /// It belongs to this user or to root. Others may read it and change nothing. The host
    /// runs what is in it, and writes nothing there.
    Supplied,
    /// As `Private`, except that root may visit a folder of any user: the
    /// folder's host is that user's.
    Visited,
}

impl Access {
    /// The setting that names such a folder.
    fn setting(self) -> &'static str {
        match self {
            Access::Supplied => "agents_dir",
            Access::Private | Access::Readable | Access::Visited => "data_dir",
        }
    }
}

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// There is no such folder.
    #[error("there is no folder {}", .0.display())]
    Missing(PathBuf),
    /// Another user could change it or what it holds: who, and what to do.
    #[error("{0}")]
    Unsafe(String),
    /// The system refused.
    #[error("{} cannot be {what}: {error}", path.display())]
    Failed {
        /// The folder or file.
        path: PathBuf,
        /// What was to be done with it: "made", "opened".
        what: &'static str,
        /// What the system said.
        #[source]
        error: io::Error,
    },
}

/// A folder that was found safe, and stays open.
#[derive(Debug)]
pub struct OwnFolder {
    /// Opened with `O_PATH`: other lookups start from it.
    folder: OwnedFd,
    /// Without links.
    path: PathBuf,
    /// Whose things are in it, beside root's: this user's, unless it is visited.
    owner: u32,
}

impl OwnFolder {
    /// Opens a folder that exists.
    ///
    /// # Errors
    /// `Missing`; `Unsafe` when another user could change it; `Failed`.
    pub fn open(path: &Path, access: Access) -> Result<Self, FolderError> {
        Self::walked(path, access, Missing::Refused)
    }

    /// Opens a folder. It and those above it are made where they are missing,
    /// closed to others.
    ///
    /// # Errors
    /// `Unsafe` when another user could change it, and nothing was made below
    /// the part that is unsafe; `Failed`.
    pub fn make(path: &Path, access: Access) -> Result<Self, FolderError> {
        Self::walked(path, access, Missing::Made)
    }

    fn walked(path: &Path, access: Access, missing: Missing) -> Result<Self, FolderError> {
        let (part, path) = walk(path, missing, access)?;
        rules::check_itself(&part.stat, &path, access)?;
        // What root supplies may be root's or this user's.
        let owner = match access {
            Access::Supplied => geteuid().as_raw(),
            Access::Private | Access::Readable | Access::Visited => part.stat.st_uid,
        };
        Ok(Self { folder: part.folder, path, owner })
    }

    /// Where it is, without links. No other user can change what this names.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file system that it is on, if that one is reached over a network or
    /// may be, by name.
    #[must_use]
    pub fn network_file_system(&self) -> Option<&'static str> {
        let found = fstatfs(&self.folder).ok()?;
        // Of the types of the platforms, each holds these numbers in its low 32 bits.
        rules::network_file_system(found.f_type as u64 & u64::from(u32::MAX))
    }

    fn failed(
        &self,
        name: &Path,
        what: &'static str,
    ) -> impl FnOnce(io::Error) -> FolderError + use<> {
        failed(&self.path.join(name), what)
    }
}

impl AsFd for OwnFolder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }
}

fn failed(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> FolderError + use<> {
    let path = path.to_path_buf();
    move |error| FolderError::Failed { path, what, error }
}
