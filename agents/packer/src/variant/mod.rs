//! Makes a variant of a component: the generator that `chimera evolve` calls.
//!
//! It runs beside the host, never in the agent. One request in, one new file
//! out: other numbers behind the marker in a copy of a parent's bytes. The same
//! request makes the same file, so an evolution that is resumed after a crash
//! goes on as it would have.

pub mod component;
pub mod file;
pub mod mutation;
pub mod request;

use std::path::PathBuf;

use request::{Parent, Request};

use crate::random::SplitMix64;
use crate::tuning::Tuning;

/// Why there is no variant.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VariantError {
    /// The request is not of this protocol.
    #[error("request does not fit: {0}")]
    Request(String),
    /// A parent cannot be read or is not a component of this agent.
    #[error("parent {}: {reason}", .path.display())]
    Parent {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The variant cannot be written.
    #[error("variant {}: {reason}", .path.display())]
    Write {
        /// Where it should have gone.
        path: PathBuf,
        /// What is in the way.
        reason: std::io::Error,
    },
}

/// Makes one variant and returns its path.
///
/// # Errors
/// [`VariantError`], which names the place in the request or the file.
pub fn make(request: &Request) -> Result<PathBuf, VariantError> {
    let parents = request.parents.iter().map(tuning_of).collect::<Result<Vec<_>, _>>()?;
    let mut random = SplitMix64::new(request.seed ^ request.generation.rotate_left(32));
    let base = random.below(parents.len() as u64) as usize;
    let (Some(parent), Some(tuning)) = (request.parents.get(base), parents.get(base)) else {
        return Err(VariantError::Request("at `parents`: give one at least".to_owned()));
    };
    let child = mutation::child(tuning, &parents, &mut random);
    let mut bytes = read(parent)?;
    component::write(&mut bytes, &child).map_err(|reason| unfit(parent, reason))?;
    let name = file::name(request.generation, &child);
    file::create(&request.out, &name, &bytes)
}

fn tuning_of(parent: &Parent) -> Result<Tuning, VariantError> {
    let tuning = component::read(&read(parent)?).map_err(|reason| unfit(parent, reason))?;
    tuning.checked().map_err(|reason| unfit(parent, reason))
}

fn read(parent: &Parent) -> Result<Vec<u8>, VariantError> {
    std::fs::read(&parent.path).map_err(|reason| unfit(parent, reason))
}

fn unfit(parent: &Parent, reason: impl std::fmt::Display) -> VariantError {
    VariantError::Parent { path: parent.path.clone(), reason: reason.to_string() }
}
