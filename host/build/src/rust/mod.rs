//! Agents in Rust: a crate, built by cargo.
//!
//! The wasm target is added through rustup when it is missing, so that a fresh
//! machine needs no preparation.

mod cargo;
mod target;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

pub(crate) use self::cargo::Crate;
use super::error::BuildError;
use super::step::Step;
use super::stop::Stop;

/// What an agent is compiled for: WASI 0.2, where the linker makes a component.
const TARGET: &str = "wasm32-wasip2";

/// Builds the crate in `folder` and returns the component's path. Products go to
/// `target_dir`, or else to cargo's own target folder.
///
/// # Errors
/// [`BuildError`], each with what to do.
pub fn build(
    folder: &Path,
    target_dir: Option<&Path>,
    stop: &Stop,
    progress: &mut dyn FnMut(Step),
) -> Result<PathBuf, BuildError> {
    build_without(&[], folder, target_dir, stop, progress)
}

/// As [`build`]. Cargo does not get the variables that `without` names.
pub(crate) fn build_without(
    without: &[OsString],
    folder: &Path,
    target_dir: Option<&Path>,
    stop: &Stop,
    progress: &mut dyn FnMut(Step),
) -> Result<PathBuf, BuildError> {
    add_target(folder, TARGET, stop, progress)?;
    cargo::build(&folder.join("Cargo.toml"), target_dir, without, stop, progress)
}

/// What cargo says of the crate in `folder`.
pub(crate) fn look(folder: &Path) -> Option<Crate> {
    cargo::look(&folder.join("Cargo.toml"))
}

/// Sees to it that the toolchain used in `folder` compiles for `target`.
///
/// # Errors
/// [`BuildError`], each with what to do.
pub fn add_target(
    folder: &Path,
    target: &str,
    stop: &Stop,
    progress: &mut dyn FnMut(Step),
) -> Result<(), BuildError> {
    target::ensure(folder, target, stop, progress)
}

/// The folders on this disk that the crate is built from, outside its own. `None` where
/// they cannot be found out, such as for an invalid manifest.
#[must_use]
pub fn outside(folder: &Path) -> Option<Vec<PathBuf>> {
    let own = folder.canonicalize().ok()?;
    let mut all = look(folder)?.folders;
    all.retain(|other| !other.starts_with(&own));
    Some(all)
}

fn missing(program: &str) -> BuildError {
    BuildError::MissingTool {
        tool: format!("`{program}`"),
        language: "Rust",
        install: "take Rust from https://rustup.rs".into(),
    }
}
