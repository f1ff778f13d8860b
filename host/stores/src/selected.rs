//! [`Stores`]: which stores a host has. It is decided here, from the settings, and
//! nowhere else.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chimera_layer4_core::config::TaskStoreKind;
use chimera_layer4_core::keyvalue::{KeyValueStore, MemoryKeyValue};
use chimera_layer4_core::scheduler::store::{MemoryStore, TaskStore};
use chimera_layer4_core::scheduler::{Bounds, Timestamp};
use chimera_layer4_core::{FabricConfig, FabricError, FabricResult};
use chimera_layer4_folders::OwnFolder;
use tempfile::TempDir;

use crate::data_folder;
use crate::genomes::GenomeStoreOptions;
use crate::keyvalue::SqliteKeyValue;
use crate::sqlite::{Recovered, SqliteOptions, SqliteStore};

/// The stores of a host, as its settings name them. Each is opened when it is first
/// needed: a command that only looks at genomes opens no queue.
#[derive(Debug)]
pub struct Stores {
    /// Open, as it was judged.
    data: Option<OwnFolder>,
    kept: Kept,
    compiled: PathBuf,
    max_store_bytes: u64,
    max_genome_bytes: u64,
    /// Held so that the folder goes when this does.
    _scratch: Option<TempDir>,
}

/// Where tasks, genomes and entries by key are.
#[derive(Debug)]
enum Kept {
    /// In this folder, beyond the life of the process.
    Folder(PathBuf),
    /// They go with the process.
    Memory,
}

/// Where the genomes of a host are.
#[derive(Debug)]
pub struct GenomesPlace {
    /// How the store is opened.
    pub options: GenomeStoreOptions,
    /// Where nothing is kept, a folder that goes when this does.
    pub scratch: Option<TempDir>,
}

impl Stores {
    /// Opens the data folder that the settings name, and chooses the stores.
    ///
    /// # Errors
    /// `Configuration` where another user could change the data folder, it cannot be
    /// had, or there is no temporary folder in its place.
    pub fn open(config: &FabricConfig) -> FabricResult<Self> {
        let data = data_folder::open(config)?;
        // From here on by the path without links, which no other user can change.
        let folder = data.as_ref().map(OwnFolder::path);
        let kept = match (config.queue.task_store, folder) {
            (TaskStoreKind::Embedded, Some(folder)) => Kept::Folder(folder.to_path_buf()),
            (TaskStoreKind::Embedded, None) | (TaskStoreKind::Memory, _) => Kept::Memory,
        };
        let (compiled, scratch) = match folder {
            Some(folder) => (folder.join("compiled"), None),
            None => {
                let scratch = scratch("chimera-", "compiled code")?;
                (scratch.path().join("compiled"), Some(scratch))
            }
        };
        Ok(Self {
            kept,
            compiled,
            data,
            max_store_bytes: config.queue.max_store_bytes(),
            max_genome_bytes: config.components.max_component_bytes(),
            _scratch: scratch,
        })
    }

    /// The data folder; `None`: the settings name none.
    #[must_use]
    pub fn data_folder(&self) -> Option<&OwnFolder> {
        self.data.as_ref()
    }

    /// Whether tasks, genomes and entries by key outlive the process.
    #[must_use]
    pub fn are_kept(&self) -> bool {
        matches!(self.kept, Kept::Folder(_))
    }

    /// The folder for compiled code.
    #[must_use]
    pub fn compiled(&self) -> &Path {
        &self.compiled
    }

    /// The store of tasks for a host, with what the host before left behind.
    ///
    /// # Errors
    /// `Store` when it cannot be opened.
    pub async fn tasks(&self, now: Timestamp) -> FabricResult<(Arc<dyn TaskStore>, Recovered)> {
        match &self.kept {
            Kept::Folder(folder) => {
                let (store, recovered) = SqliteStore::open(self.of_tasks(folder, now)).await?;
                Ok((Arc::new(store), recovered))
            }
            Kept::Memory => Ok((Arc::new(MemoryStore::default()), Recovered::default())),
        }
    }

    /// The store of tasks that no host has open, for a caller that runs no tasks.
    ///
    /// # Errors
    /// `Configuration` where tasks are not kept; `Store` when a host has it open, or it
    /// cannot be opened.
    pub async fn idle_tasks(&self, now: Timestamp) -> FabricResult<Arc<dyn TaskStore>> {
        match &self.kept {
            Kept::Folder(folder) => {
                Ok(Arc::new(SqliteStore::look(self.of_tasks(folder, now)).await?))
            }
            Kept::Memory => Err(FabricError::Configuration(vec![
                "there is no queue outside of a host without a data folder; set `data_dir`, and \
                 `task_store` to `embedded`"
                    .into(),
            ])),
        }
    }

    fn of_tasks(&self, folder: &Path, now: Timestamp) -> SqliteOptions {
        let (folder, bounds) = (folder.to_path_buf(), Bounds::default());
        SqliteOptions { folder, now, bounds, max_bytes: Some(self.max_store_bytes) }
    }

    /// Where agents keep things by key. With each call on the file `charge` is called
    /// with the processor time that it took.
    #[must_use]
    pub fn keyvalue(&self, charge: fn(Duration)) -> Arc<dyn KeyValueStore> {
        match &self.kept {
            Kept::Folder(folder) => {
                let store = SqliteKeyValue::at(folder.join("keyvalue.db"));
                Arc::new(store.charging(charge))
            }
            Kept::Memory => Arc::new(MemoryKeyValue::default()),
        }
    }

    /// Where genomes, the lineage and recorded tasks are.
    ///
    /// # Errors
    /// `Configuration` where nothing is kept and there is no temporary folder.
    pub fn genomes(&self) -> FabricResult<GenomesPlace> {
        let (folder, scratch) = match &self.kept {
            Kept::Folder(folder) => (folder.join("genomes"), None),
            Kept::Memory => {
                let scratch = scratch("chimera-genomes-", "genomes")?;
                (scratch.path().join("genomes"), Some(scratch))
            }
        };
        let options = GenomeStoreOptions { folder, max_genome_bytes: self.max_genome_bytes };
        Ok(GenomesPlace { options, scratch })
    }
}

fn scratch(prefix: &str, what: &str) -> FabricResult<TempDir> {
    tempfile::Builder::new().prefix(prefix).tempdir().map_err(|error| {
        let message = format!("no temporary folder for {what}: {error}; set `data_dir`");
        FabricError::Configuration(vec![message])
    })
}
