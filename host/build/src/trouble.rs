//! Why a build script ends without its agents, in words for the program's author.

use std::path::PathBuf;

use super::error::BuildError;

/// Why a build script ends without its agents.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error(
        "the variable {variable} is not set, which cargo sets for a build script: build agents in \
         `main` of a build.rs"
    )]
    NoScript { variable: &'static str },
    #[error(
        "this build script writes its agents a second time, which would remove those before: name \
         them all in one `Agents::new()`, then call `write()` once"
    )]
    Again,
    #[error("`named({name:?})` stands before the first `agent(…)`: write it behind the agent's")]
    NameBeforeAgent { name: String },
    #[error(
        "{name:?} cannot be the type of the agent {}: allowed are names like CustomAgent, of ASCII \
         letters, digits and `_`, with a capital first; give one with `named(…)`",
        .folder.display()
    )]
    Name { name: String, folder: PathBuf },
    #[error(
        "the agents {} and {} would both be the type {name}: give one another name with `named(…)`",
        .one.display(), .other.display()
    )]
    SameName { name: String, one: PathBuf, other: PathBuf },
    #[error(
        "{} is not an agent's crate: there is no Cargo.toml in it; give the folder of one, from the \
         folder of the program's own Cargo.toml", .0.display()
    )]
    NotACrate(PathBuf),
    #[error(
        "the agent crate {} does not build: what rustc and cargo say about it is in the output of \
         this build script; correct that, and build again", .0.display()
    )]
    DoesNotBuild(PathBuf),
    #[error("the agent crate {}: {reason}", .folder.display())]
    Build { folder: PathBuf, reason: BuildError },
    #[error(
        "cargo builds the agent crate {}, but `cargo metadata` says nothing of it: see what that \
         command prints in this folder", .0.display()
    )]
    Unknown(PathBuf),
    #[error(
        "the agent crate {} builds, but its component does not meet the contract {contract}: {}; \
         correct that, and build again", .folder.display(), .differences.join("; ")
    )]
    Contract { folder: PathBuf, contract: String, differences: Vec<String> },
    #[error("{}: {reason}; see that it can be read and written", .path.display())]
    File { path: PathBuf, reason: std::io::Error },
}
