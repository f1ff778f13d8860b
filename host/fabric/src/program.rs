//! Decides what compiles components: a program that is started as a child, or this process.

use std::path::{Path, PathBuf};
use std::sync::{Once, OnceLock};

use chimera_layer4_core::{FabricError, FabricResult};
use chimera_layer4_runtime::genome::compile::{CompileProgram, CompileWith};
use chimera_layer4_runtime::genome::worker;

/// The hidden subcommand of `chimera` that is the compiling child.
pub const COMPILE_COMMAND: &str = "compile-component";

/// The argument by which a program that embeds the library is the compiling child.
const EMBEDDED: &str = "chimera-layer4-compile-component";

const NAME: &str = "chimera";

/// This program, if it can be started as the compiling child.
static OURSELVES: OnceLock<Option<PathBuf>> = OnceLock::new();

/// Lets this program compile components in a child process of its own: call it first in
/// `main`. In the child it compiles what the parent sends and ends the process; otherwise it
/// returns at once, and a fabric that finds no program `chimera` starts this one.
///
/// The child has limits on its processor time and memory. In a program that does not call
/// this, and that has no `chimera` beside it, components are compiled in the process itself,
/// without those limits.
pub fn compile_if_asked() {
    if std::env::args_os().nth(1).is_some_and(|argument| argument == EMBEDDED) {
        let answered = worker::serve().is_ok();
        std::process::exit(if answered { 0 } else { 1 });
    }
    OURSELVES.get_or_init(|| std::env::current_exe().ok());
}

/// The configured program, `chimera` beside this one, this one, or this process.
pub(crate) fn find(configured: Option<&Path>) -> FabricResult<CompileWith> {
    let found = match configured {
        Some(path) if path.is_file() => Some((path.to_path_buf(), COMPILE_COMMAND)),
        Some(path) => return Err(missing(path)),
        None => beside_us().map(|path| (path, COMPILE_COMMAND)).or_else(ourselves),
    };
    let Some((program, argument)) = found else {
        warn_once();
        return Ok(CompileWith::ThisProcess);
    };
    Ok(CompileWith::Program(CompileProgram { program, arguments: vec![argument.to_owned()] }))
}

fn ourselves() -> Option<(PathBuf, &'static str)> {
    Some((OURSELVES.get()?.clone()?, EMBEDDED))
}

fn warn_once() {
    static WARNED: Once = Once::new();
    WARNED.call_once(|| {
        tracing::warn!(
            "components are compiled in this process, and nothing limits the compiler's memory and \
             processor time: there is no program `chimera` beside this one. Call `compile_if_asked` \
             first in `main`, or set `compile_program`"
        );
    });
}

/// Only a program of this very name: another would run its own work, and start
/// a child for it in turn.
fn beside_us() -> Option<PathBuf> {
    let us = std::env::current_exe().ok()?;
    let folder = us.parent()?;
    // Tests and examples run from a folder below the one that holds programs.
    let folders = [Some(folder), folder.parent()];
    folders.into_iter().flatten().map(|folder| folder.join(NAME)).find(|path| path.is_file())
}

fn missing(path: &Path) -> FabricError {
    FabricError::Configuration(vec![format!(
        "compile_program {} is no file; components are compiled by it in a process of its own. \
         Set `compile_program` to its path, as `cargo build --release -p chimera` made it, or leave it out",
        path.display()
    )])
}
