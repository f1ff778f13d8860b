//! What goes wrong with stored genomes, in words for the operator who can repair it.

use std::io;
use std::path::{Path, PathBuf};

use chimera_layer4_core::{Digest, FabricError};

use super::report::Finding;

/// Why the genome store did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum GenomeStoreError {
    /// The folder cannot be used, or another process writes to it.
    #[error("the genome store {} {reason}", .folder.display())]
    Folder {
        /// Where it is.
        folder: PathBuf,
        /// What is the matter, and what to do.
        reason: String,
    },
    /// Larger than the host accepts. Nothing was written.
    #[error(
        "the genome has {bytes} bytes; this host stores up to {limit} (setting `max_component_mb`)"
    )]
    TooLarge {
        /// Its size, or how much of it was seen.
        bytes: u64,
        /// The most that is stored.
        limit: u64,
    },
    /// What comes with the genome is longer than a description may be. Nothing was written.
    #[error(
        "the description of the genome has {bytes} bytes; up to {limit} are kept: shorten its author, \
         its source or the names of its imports and exports"
    )]
    TooMuchTold {
        /// The size of the larger of its two documents.
        bytes: usize,
        /// The most that is stored.
        limit: usize,
    },
    /// As many genomes are stored as an index may have. Nothing was written.
    #[error("the store holds {limit} genomes, and no more; collect those that are not in use")]
    Full {
        /// How many there may be.
        limit: usize,
    },
    /// No such genome is stored.
    #[error("no genome {0} is stored; hand in its bytes")]
    Unknown(Digest),
    /// What is stored is not what was stored. It was not handed out.
    #[error("{0}; hand in the genome's bytes again if the part is its component")]
    Damaged(Box<Finding>),
    /// Another layout has no genome by that name, or what it has is no genome.
    #[error("no genome can be read from the OCI layout {}: {reason}", .layout.display())]
    Foreign {
        /// The folder.
        layout: PathBuf,
        /// What was found instead, and what would be taken.
        reason: String,
    },
    /// The system refused. It may do so no longer the next time.
    #[error("{} cannot be {doing}: {source}", .path.display())]
    Failed {
        /// The file or folder.
        path: PathBuf,
        /// What was being done with it, as "read" or "written".
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A database beside the genomes cannot be used, or refused.
    #[error("{} {reason}", .path.display())]
    Database {
        /// Its file.
        path: PathBuf,
        /// What is the matter, and what to do.
        reason: String,
    },
}

/// What the store answers.
pub type GenomeStoreResult<T> = Result<T, GenomeStoreError>;

impl From<GenomeStoreError> for FabricError {
    fn from(error: GenomeStoreError) -> Self {
        match error {
            GenomeStoreError::Unknown(genome) => FabricError::GenomeNotFound(genome),
            error => FabricError::GenomeStore { code: error.code(), reason: error.to_string() },
        }
    }
}

impl GenomeStoreError {
    /// A stable word for logs, metrics and programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Folder { .. } => "genome-store-unusable",
            Self::TooLarge { .. } => "genome-too-large",
            Self::TooMuchTold { .. } => "genome-description-too-large",
            Self::Full { .. } => "genome-store-full",
            Self::Unknown(_) => "genome-unknown",
            Self::Damaged(_) => "genome-damaged",
            Self::Foreign { .. } => "oci-layout-unusable",
            Self::Failed { .. } => "genome-store-failed",
            Self::Database { .. } => "genome-database-failed",
        }
    }

    /// For `map_err`: this was being done with that path.
    pub(super) fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Failed { path: path.to_path_buf(), doing, source }
    }
}
