//! Finds the program that compiles components.

use std::path::{Path, PathBuf};

use chimera_layer4_core::{FabricError, FabricResult};
use chimera_layer4_runtime::genome::compile::CompileProgram;

/// The hidden subcommand of `chimera` that is the compiling child.
pub const COMPILE_COMMAND: &str = "compile-component";

const NAME: &str = "chimera";

/// The configured program, or `chimera` beside this one.
pub(crate) fn find(configured: Option<&Path>) -> FabricResult<CompileProgram> {
    let program = match configured {
        Some(path) if path.is_file() => path.to_path_buf(),
        Some(path) => {
            return Err(missing(&format!("compile_program {} is no file", path.display())));
        }
        None => {
            beside_us().ok_or_else(|| missing("the program `chimera` is not beside this one"))?
        }
    };
    Ok(CompileProgram { program, arguments: vec![COMPILE_COMMAND.to_owned()] })
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

fn missing(what: &str) -> FabricError {
    FabricError::Configuration(vec![format!(
        "{what}; components are compiled by it in a process of its own. \
         Set `compile_program` to its path, as `cargo build --release -p chimera` made it"
    )])
}
