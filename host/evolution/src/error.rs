//! Why an evolution did not begin or go on.

use std::path::PathBuf;

use chimera_layer4_core::FabricError;

/// What went wrong, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum EvolutionError {
    /// Options are out of range; every complaint is listed.
    #[error("{}", .0.join("; "))]
    Options(Vec<String>),
    /// Another process has the folder.
    #[error("{} is in use: another process evolves this agent type; wait for it, or give another folder", .0.display())]
    Busy(PathBuf),
    /// The state on disk belongs to an evolution with other options.
    #[error(
        "{} is of an evolution with other options: {}; give the same to go on with it, or begin anew (`--fresh`), which forgets it",
        .path.display(), .differences.join("; ")
    )]
    Differs {
        /// The file of the state.
        path: PathBuf,
        /// Each option that differs, with its value then and now.
        differences: Vec<String>,
    },
    /// The state on disk cannot be used or written.
    #[error("{}: {reason}", .path.display())]
    State {
        /// Which file.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The start does not do the tasks.
    #[error("the start cannot be improved: {0}")]
    Start(String),
    /// The generator made no component, several times in a row.
    #[error(
        "the generator failed {times} times in a row, the last time because {last}; mend it and give the same command to go on"
    )]
    Generator {
        /// How many times.
        times: u32,
        /// Why it failed the last time.
        last: String,
    },
    /// The host failed.
    #[error(transparent)]
    Fabric(#[from] FabricError),
}

impl EvolutionError {
    /// Makes an error of what the system says about a file.
    pub(super) fn of(path: &std::path::Path) -> impl Fn(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |error| EvolutionError::State { path: path.clone(), reason: error.to_string() }
    }
}
