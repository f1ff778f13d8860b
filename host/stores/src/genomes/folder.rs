//! The store's folder: where things are in it, and that only one process
//! writes there.
//!
//! Blobs prove themselves by their names, so others may read them. Who can
//! write there could still take genomes away, or put an older one in charge.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use chimera_layer4_core::Digest;
use chimera_layer4_folders::{Access, FolderError, OwnFolder};

use super::errors::{GenomeStoreError, GenomeStoreResult};
use chimera_layer4_folders::locks;

/// Where things are.
#[derive(Clone, Debug)]
pub(super) struct Layout(PathBuf);

impl Layout {
    pub(super) fn new(root: PathBuf) -> Self {
        Self(root)
    }

    pub(super) fn root(&self) -> &Path {
        &self.0
    }

    pub(super) fn marker(&self) -> PathBuf {
        self.0.join("oci-layout")
    }

    pub(super) fn index(&self) -> PathBuf {
        self.0.join("index.json")
    }

    pub(super) fn blobs(&self) -> PathBuf {
        self.0.join("blobs").join("sha256")
    }

    pub(super) fn blob(&self, digest: &Digest) -> PathBuf {
        self.blobs().join(digest.hex())
    }

    /// What is kept for the operator and never handed out.
    pub(super) fn quarantine(&self) -> PathBuf {
        self.0.join("quarantine")
    }
}

/// A folder that only this process writes to, for as long as this lives.
#[derive(Debug)]
pub(super) struct Folder {
    layout: Layout,
    lock: File,
}

impl Folder {
    /// Makes the folder if need be, refuses one that others can write to, and
    /// locks it.
    ///
    /// # Errors
    /// `Folder`, with the reason.
    pub(super) fn open(path: &Path) -> GenomeStoreResult<Self> {
        let refused = |reason| GenomeStoreError::Folder { folder: path.to_path_buf(), reason };
        let unusable = |error: FolderError| {
            refused(format!("cannot be used: {error}; set `data_dir` to a folder of your own"))
        };
        let root = OwnFolder::make(path, Access::Readable).map_err(unusable)?;
        let layout = Layout::new(root.path().to_path_buf());
        for folder in [&layout.0.join("blobs"), &layout.blobs(), &layout.quarantine()] {
            OwnFolder::make(folder, Access::Readable).map_err(unusable)?;
        }
        let lock = lock(&root).map_err(refused)?;
        Ok(Self { layout, lock })
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Lets another process write to the folder.
    pub(super) fn release(&self) {
        if let Err(error) = self.lock.unlock() {
            tracing::warn!(%error, "the lock of the genomes could not be let go");
        }
    }
}

fn lock(root: &OwnFolder) -> Result<File, String> {
    let unusable = |error: io::Error| format!("cannot be locked: {error}");
    let lock = root.open_or_make("genomes.lock");
    let mut lock = lock.map_err(|error| format!("cannot be locked: {error}"))?;
    if !locks::take(&lock).map_err(unusable)? {
        return Err(taken(&mut lock));
    }
    let signed = lock.set_len(0).and_then(|()| lock.rewind());
    signed.and_then(|()| writeln!(lock, "{}", std::process::id())).map_err(unusable)?;
    Ok(lock)
}

fn taken(lock: &mut File) -> String {
    let mut text = String::new();
    let read = lock.take(32).read_to_string(&mut text).ok();
    let process = read.and_then(|_| text.trim().parse::<u32>().ok());
    let who = process.map_or("another process".into(), |pid| format!("the process {pid}"));
    format!("is written to by {who}; stop it first, or only read")
}
