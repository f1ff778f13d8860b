//! Ends a build from outside, with all that its tools have started.

use std::io::{Error, ErrorKind};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use rustix::process::{Pid, Signal, kill_process_group};

use super::error::BuildError;

/// Ends a build from another thread.
///
/// A build's tools are in process groups of their own, so they do not get the
/// signals that a terminal sends to the program: the caller of the build stops
/// them with this. One is for one build. A tool that only answers a question,
/// such as `cargo metadata`, is not stopped by it.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    stage: Arc<Mutex<Stage>>,
    /// Tools stay in the caller's process group.
    is_never: bool,
}

#[derive(Debug, Default)]
enum Stage {
    #[default]
    Between,
    /// The group of the tool that runs.
    Tool(Pid),
    Stopped,
}

impl Stop {
    /// For a caller that stops no build, such as a build script: the tools get the
    /// signals that a terminal sends to the caller.
    pub(crate) fn never() -> Self {
        Self { is_never: true, ..Self::default() }
    }

    /// Asks the tool that runs to end, with all that it started, and lets no
    /// other begin. The build then ends with an error.
    pub fn now(&self) {
        if let Stage::Tool(group) = std::mem::replace(&mut *self.stage(), Stage::Stopped) {
            // All of it has ended, if this fails.
            let _ = kill_process_group(group, Signal::TERM);
        }
    }

    /// Starts a tool, which counts as running until the other half is dropped.
    pub(crate) fn start(&self, command: &mut Command) -> std::io::Result<(Child, Running<'_>)> {
        let mut stage = self.stage();
        if matches!(*stage, Stage::Stopped) {
            return Err(Error::new(ErrorKind::Interrupted, "the build was stopped"));
        }
        if self.is_never {
            return Ok((command.spawn()?, Running(self)));
        }
        let child = command.process_group(0).spawn()?;
        if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            *stage = Stage::Tool(group);
        }
        Ok((child, Running(self)))
    }

    /// The result of a build, which is `Stopped` where it failed after a stop.
    ///
    /// # Errors
    /// The build's own, or [`BuildError::Stopped`].
    pub fn or_stopped<T>(&self, built: Result<T, BuildError>) -> Result<T, BuildError> {
        match *self.stage() {
            Stage::Stopped => built.map_err(|_| BuildError::Stopped),
            Stage::Between | Stage::Tool(_) => built,
        }
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock()
    }
}

/// While one lives, its tool is stopped with the build.
pub(crate) struct Running<'a>(&'a Stop);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut stage = self.0.stage();
        if matches!(*stage, Stage::Tool(_)) {
            *stage = Stage::Between;
        }
    }
}
