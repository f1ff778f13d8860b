//! Starts the tools of a language.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, ExitStatus, Output, Stdio};

use super::error::BuildError;
use super::stop::Stop;

/// Runs a tool to its end. What it says goes to standard error, and nothing to
/// standard output, which carries results.
///
/// # Errors
/// `missing` when there is no such program.
pub fn run(
    command: &mut Command,
    stop: &Stop,
    missing: impl FnOnce() -> BuildError,
) -> Result<ExitStatus, BuildError> {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let ended = stop.start(command).and_then(|(mut child, _running)| child.wait());
    ended.map_err(|reason| not_started(command, reason, missing))
}

/// Runs a tool to its end, and keeps what it says.
///
/// # Errors
/// `missing` when there is no such program.
pub fn output(
    command: &mut Command,
    stop: &Stop,
    missing: impl FnOnce() -> BuildError,
) -> Result<Output, BuildError> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let ended = stop.start(command).and_then(|(child, _running)| child.wait_with_output());
    ended.map_err(|reason| not_started(command, reason, missing))
}

/// Runs a tool to its end, which must be a good one.
///
/// # Errors
/// [`BuildError::DoesNotBuild`] when it says that the sources are wrong, and `missing`
/// when there is no such program.
pub fn build(
    command: &mut Command,
    folder: &Path,
    stop: &Stop,
    missing: impl FnOnce() -> BuildError,
) -> Result<(), BuildError> {
    if run(command, stop, missing)?.success() {
        return Ok(());
    }
    Err(BuildError::DoesNotBuild { folder: folder.to_path_buf(), tool: program(command) })
}

/// Whether a command starts and succeeds; its output is dropped.
pub fn works(command: &[OsString], arguments: &[&str], stop: &Stop) -> bool {
    let Some((program, first)) = command.split_first() else { return false };
    let mut command = Command::new(program);
    command.args(first).args(arguments).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let ended = stop.start(&mut command).and_then(|(mut child, _running)| child.wait());
    ended.is_ok_and(|status| status.success())
}

/// Why a program did not start.
pub(crate) fn not_started(
    command: &Command,
    reason: std::io::Error,
    missing: impl FnOnce() -> BuildError,
) -> BuildError {
    // A script that is there, and not what its first line names, is not missing.
    let named = Path::new(command.get_program());
    let is_there = named.components().count() > 1 && named.is_file();
    if reason.kind() == ErrorKind::NotFound && !is_there {
        return missing();
    }
    BuildError::CannotStart { program: program(command), reason }
}

fn program(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}
