//! Sees to it that the wasm target is there.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{TARGET, missing};
use crate::toolchain::{BuildError, Step, Stop, tool};

/// Adds the target through rustup when the compiler used in `folder` lacks it.
pub(super) fn ensure(
    folder: &Path,
    stop: &Stop,
    progress: &mut dyn FnMut(Step),
) -> Result<(), BuildError> {
    if installed(folder)? {
        return Ok(());
    }
    progress(Step::Doing("adding the wasm target"));
    let mut command = Command::new("rustup");
    command.args(["target", "add", TARGET]).current_dir(folder);
    let missing = || BuildError::NoTarget("there is no rustup".into());
    let added = tool::output(&mut command, stop, missing)?;
    if added.status.success() {
        return Ok(());
    }
    Err(BuildError::NoTarget(String::from_utf8_lossy(&added.stderr).trim().to_owned()))
}

/// Asks the compiler rather than rustup: a compiler from elsewhere may have the
/// target too. The folder matters, since it may pin a toolchain.
fn installed(folder: &Path) -> Result<bool, BuildError> {
    let mut command = Command::new("rustc");
    command.args(["--print", "target-libdir", "--target", TARGET]).current_dir(folder);
    let output = command.stderr(Stdio::null()).output();
    let output =
        output.map_err(|reason| tool::not_started(&command, reason, || missing("rustc")))?;
    let libraries = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    Ok(output.status.success() && libraries.is_dir())
}
