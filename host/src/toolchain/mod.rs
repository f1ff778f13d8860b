//! Builds an agent's crate into a component, with the author's own cargo.
//!
//! The wasm target is added through rustup when it is missing, so that a fresh
//! machine needs no preparation.

mod cargo;
mod target;
mod template;

use std::path::{Path, PathBuf};

pub use cargo::Step;
pub use template::create;

/// What an agent is compiled for: WASI 0.2, where the linker makes a component.
pub const TARGET: &str = "wasm32-wasip2";

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The folder is not a crate.
    #[error("{} is not a crate: it has no Cargo.toml; `chimera agent new` makes one", .0.display())]
    NotACrate(PathBuf),
    /// A program is missing or cannot be started.
    #[error("`{program}` cannot be started: {reason}; install Rust from https://rustup.rs")]
    NoProgram {
        /// Which program.
        program: &'static str,
        /// What the system said.
        reason: std::io::Error,
    },
    /// The wasm target is missing and could not be added.
    #[error(
        "the target {TARGET} is not installed and could not be added: {0}; run `rustup target add {TARGET}`"
    )]
    NoTarget(String),
    /// The crate does not compile; cargo has said why on standard error.
    #[error("{} does not build; the compiler's words are above", .0.display())]
    DoesNotBuild(PathBuf),
    /// The crate compiles to something else.
    #[error("{} builds, but not into a .wasm file; its Cargo.toml needs `[lib]` with `crate-type = [\"cdylib\"]`", .0.display())]
    NoComponent(PathBuf),
    /// A file or folder is in the way.
    #[error("{}: {reason}", .path.display())]
    Files {
        /// Which one.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// Builds the crate in `folder` in release mode and returns the component's path.
///
/// `progress` hears of each step; cargo's diagnostics go to standard error.
///
/// # Errors
/// [`BuildError`], each with what to do.
pub fn build(
    folder: &Path,
    target_dir: Option<&Path>,
    progress: &mut dyn FnMut(Step),
) -> Result<PathBuf, BuildError> {
    let manifest = folder.join("Cargo.toml");
    if !manifest.is_file() {
        return Err(BuildError::NotACrate(folder.to_path_buf()));
    }
    target::ensure(folder, progress)?;
    cargo::build(&manifest, target_dir, progress)
}
