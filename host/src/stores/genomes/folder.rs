//! The store's folder: where things are in it, and that only one process
//! writes there.
//!
//! Blobs prove themselves by their names, so others may read them. Who can
//! write there could still take genomes away, or put an older one in charge.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use chimera_layer4_core::Digest;

use super::disk;
use super::errors::{GenomeStoreError, GenomeStoreResult};
use crate::locks;

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

    /// What is kept for the operator and handed out to nobody.
    pub(super) fn quarantine(&self) -> PathBuf {
        self.0.join("quarantine")
    }
}

/// A folder that only this process writes to, for as long as this lives.
#[derive(Debug)]
pub(super) struct Folder {
    layout: Layout,
    _lock: File,
}

impl Folder {
    /// Makes the folder if need be, refuses one that others can write to, and
    /// locks it.
    ///
    /// # Errors
    /// `Folder`, with the reason.
    pub(super) fn open(path: &Path) -> GenomeStoreResult<Self> {
        let refused = |reason| GenomeStoreError::Folder { folder: path.to_path_buf(), reason };
        let layout = make(path).map_err(|error| {
            refused(format!("cannot be made: {error}; set `data_dir` to a folder of your own"))
        })?;
        for folder in [layout.root(), &layout.0.join("blobs"), &layout.blobs()] {
            check(folder).map_err(refused)?;
        }
        let _lock = lock(&layout.root().join("genomes.lock")).map_err(refused)?;
        Ok(Self { layout, _lock })
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }
}

fn make(path: &Path) -> io::Result<Layout> {
    disk::make_folder(&std::path::absolute(path)?)?;
    let layout = Layout::new(fs::canonicalize(path)?);
    disk::make_folder(&layout.blobs())?;
    disk::make_folder(&layout.quarantine())?;
    Ok(layout)
}

/// Whether only we can write to a folder, or put another in its place.
fn check(folder: &Path) -> Result<(), String> {
    let look =
        |path: &Path| fs::metadata(path).map_err(|error| format!("cannot be looked at: {error}"));
    check_own(&look(folder)?, folder)?;
    folder.parent().map_or(Ok(()), |parent| check_parent(&look(parent)?, parent))
}

fn check_own(found: &Metadata, folder: &Path) -> Result<(), String> {
    let us = rustix::process::geteuid().as_raw();
    if found.uid() != us {
        return Err(format!(
            "belongs to user {} in {}, and this is user {us}; set `data_dir` to a folder of your own",
            found.uid(),
            folder.display()
        ));
    }
    let mode = found.mode() & 0o777;
    if mode & 0o022 != 0 {
        return Err(format!(
            "can be written to by others ({} has mode {mode:o}), who could take genomes away; \
             `chmod go-w` it after a look at what is there",
            folder.display()
        ));
    }
    Ok(())
}

fn check_parent(found: &Metadata, parent: &Path) -> Result<(), String> {
    const STICKY: u32 = 0o1000;
    if found.mode() & 0o022 == 0 || found.mode() & STICKY != 0 {
        return Ok(());
    }
    Err(format!(
        "lies in {}, where others can write (mode {:o}) and put another in its place; set \
         `data_dir` to a folder of your own",
        parent.display(),
        found.mode() & 0o777
    ))
}

fn lock(path: &Path) -> Result<File, String> {
    let unusable = |error: io::Error| format!("cannot be locked: {error}");
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false) // Until it is locked, it is another's.
        .mode(0o600)
        .open(path);
    let mut lock = file.map_err(unusable)?;
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
