//! Adds a compilation target to the Rust toolchain when it is missing.
//!
//! rustup rewrites the toolchain's list of components at each change, so two of
//! them at once fail or lose an entry. Every caller on this machine therefore
//! holds a lock on the toolchain's folder while rustup runs.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::missing;
use crate::error::BuildError;
use crate::step::Step;
use crate::stop::Stop;
use crate::tool;

/// Adds `target` through rustup when the compiler used in `folder` lacks it.
pub(super) fn ensure(
    folder: &Path,
    target: &str,
    stop: &Stop,
    progress: &mut dyn FnMut(Step),
) -> Result<(), BuildError> {
    if installed(folder, target)? {
        return Ok(());
    }
    let _lock = lock(folder)?;
    // The process that held the lock may have added it.
    if installed(folder, target)? {
        return Ok(());
    }
    progress(Step::Doing("adding the wasm target"));
    let failed = |reason: String| BuildError::NoTarget { target: target.to_owned(), reason };
    let mut command = Command::new("rustup");
    command.args(["target", "add", target]).current_dir(folder);
    let added = tool::output(&mut command, stop, || failed("there is no rustup".into()))?;
    if added.status.success() {
        return Ok(());
    }
    Err(failed(String::from_utf8_lossy(&added.stderr).trim().to_owned()))
}

/// Locks the toolchain until the file is dropped. A folder that cannot be
/// opened or locked, such as one that `rustc` made up, is left to rustup, which
/// says what is wrong with it.
fn lock(folder: &Path) -> Result<Option<File>, BuildError> {
    let Some(sysroot) = ask_rustc(folder, &["--print", "sysroot"])? else { return Ok(None) };
    let locked = File::open(sysroot).and_then(|file| file.lock().map(|()| file));
    Ok(locked.ok())
}

/// Asks the compiler rather than rustup: a compiler from elsewhere may have the
/// target too.
fn installed(folder: &Path, target: &str) -> Result<bool, BuildError> {
    let libraries = ask_rustc(folder, &["--print", "target-libdir", "--target", target])?;
    Ok(libraries.is_some_and(|folder| folder.is_dir()))
}

/// A path that the compiler prints. The folder matters, since it may pin a
/// toolchain.
fn ask_rustc(folder: &Path, question: &[&str]) -> Result<Option<PathBuf>, BuildError> {
    let mut command = Command::new("rustc");
    command.args(question).current_dir(folder);
    let output = command.stderr(Stdio::null()).output();
    let output =
        output.map_err(|reason| tool::not_started(&command, reason, || missing("rustc")))?;
    let printed = String::from_utf8_lossy(&output.stdout);
    Ok(output.status.success().then(|| PathBuf::from(printed.trim())))
}
