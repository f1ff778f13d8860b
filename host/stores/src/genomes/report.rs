//! What the store tells: of a genome, of a check, of a collection.

use std::fmt;
use std::path::PathBuf;

use chimera_layer4_core::Digest;
use chimera_layer4_core::scheduler::Timestamp;

/// What is kept with a genome's bytes. Storing the same bytes again does not
/// change it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Who made it.
    pub author: Option<String>,
    /// When it was made, or at least handed in.
    pub created: Timestamp,
    /// The genome that it was made from.
    pub parent: Option<Digest>,
    /// Where the bytes came from: a file, an OCI reference, the API.
    pub source: Option<String>,
    /// The interfaces that the component imports, as `wasi:io/streams@0.2.0`.
    pub imports: Vec<String>,
    /// The interfaces that it exports.
    pub exports: Vec<String>,
}

/// A genome that is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its name: the sha256 of the component.
    pub genome: Digest,
    /// The component's size.
    pub bytes: u64,
    /// The digest of its OCI manifest, by which OCI tools know it.
    pub manifest: Digest,
}

/// What a genome's files are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The component itself.
    Layer,
    /// The OCI config: what the component is.
    Config,
    /// The OCI manifest: which files belong together.
    Manifest,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Layer => "component",
            Self::Config => "config",
            Self::Manifest => "manifest",
        })
    }
}

/// One file that is not what was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The genome that it belongs to.
    pub genome: Digest,
    /// As what.
    pub part: Part,
    /// The digest that it should have.
    pub expected: Digest,
    /// The digest that it has; `None` when it is not there at all.
    pub found: Option<Digest>,
    /// Where it was put aside for the operator; `None` when it is missing, or
    /// was found by a reader, who changes nothing.
    pub kept_at: Option<PathBuf>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { genome, part, expected, found, kept_at } = self;
        match found {
            None => write!(f, "the {part} of the genome {genome} is missing (blob {expected})"),
            Some(found) if found == expected => {
                write!(f, "the {part} of the genome {genome} ({found}) is not what the index says")
            }
            Some(found) => {
                write!(f, "the {part} of the genome {genome} is damaged: {expected} became {found}")
            }
        }?;
        kept_at.as_ref().map_or(Ok(()), |path| write!(f, ", kept at {}", path.display()))
    }
}

/// What a check of the whole store found. Every file was hashed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Genomes that the index names.
    pub genomes: usize,
    /// Bytes that were hashed.
    pub bytes: u64,
    /// What was wrong with the index, which was then made anew from the blobs.
    pub index: Option<String>,
    /// Files that are damaged or missing. Of these, a genome whose component is
    /// named is stored no longer; another has its description made anew from
    /// what is left of it.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether all is as it was stored.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.index.is_none() && self.findings.is_empty()
    }
}

/// What a collection took away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Genomes that were stored before, in the order of their digests.
    pub removed: Vec<Digest>,
    /// The size of all files that went, leftovers of crashes included.
    pub freed_bytes: u64,
}

/// What was found as a store was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// What was wrong with the index, which was then made anew from the blobs.
    pub index: Option<String>,
    /// Files that a crash had left, which belong to no genome. They were
    /// removed, or put aside where the index could not be trusted.
    pub leftovers: usize,
}
