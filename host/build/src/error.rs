//! Why there is no component, in words that an author can act on.

use std::path::PathBuf;

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The folder has no sources in a language that is known.
    #[error(
        "{} is not an agent's project: it has no Cargo.toml, go.mod, pyproject.toml or package.json, \
         and no C in src/; `chimera agent new` makes one", .0.display()
    )]
    NotAProject(PathBuf),
    /// A tool that builds this language is not there.
    #[error("{tool} is missing, and agents in {language} are built with it; install it: {install}")]
    MissingTool {
        /// What is missing.
        tool: String,
        /// The language, as an author calls it.
        language: &'static str,
        /// The one command that installs it, or where to get it.
        install: String,
    },
    /// A program is there and cannot be started.
    #[error("`{program}` cannot be started: {reason}; see that it can be executed")]
    CannotStart {
        /// Which program.
        program: String,
        /// What the system said.
        reason: std::io::Error,
    },
    /// A compilation target is missing and could not be added.
    #[error(
        "the target {target} is not installed and could not be added: {reason}; \
         run `rustup target add {target}`"
    )]
    NoTarget {
        /// Which one.
        target: String,
        /// What rustup said.
        reason: String,
    },
    /// The sources do not build; the tool has said why on standard error.
    #[error(
        "{} does not build; what {tool} says about it is above: correct that, and build again",
        .folder.display()
    )]
    DoesNotBuild {
        /// The project.
        folder: PathBuf,
        /// Who refused it.
        tool: String,
    },
    /// The caller stopped it.
    #[error("the build was stopped; what was there before is as it was")]
    Stopped,
    /// The crate compiles to something else.
    #[error("{} builds, but not into a .wasm file; its Cargo.toml needs `[lib]` with `crate-type = [\"cdylib\"]`", .0.display())]
    NoComponent(PathBuf),
    /// What the compiler made cannot become a component.
    #[error("{} compiles, but {reason}; {advice}", .folder.display())]
    NotComponentized {
        /// The project.
        folder: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// What to do.
        advice: &'static str,
    },
    /// A file or folder is in the way, or says something that it may not.
    #[error("{}: {reason}", .path.display())]
    Files {
        /// Which one.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}
