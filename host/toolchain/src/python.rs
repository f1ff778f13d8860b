//! Agents in Python: the module `app` in `src/`, by componentize-py.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use chimera_layer4_build::{BuildError, Step, tool};
use serde::Deserialize;

use super::project::{Project, files};
use super::world::World;

pub(super) fn build(
    project: &Project,
    into: &Path,
    progress: &mut dyn FnMut(Step),
) -> Result<(), BuildError> {
    let world = world(&project.folder)?;
    let wit = project.write_contract()?;
    let componentize = |arguments: &[&str]| {
        let mut command = Command::new(program(&project.folder));
        command.arg("-d").arg(&wit).args(["-w", world.name()]).args(arguments);
        // A traceback of the author's own code tells more without the tool's below it.
        command.current_dir(&project.folder).env("RUST_BACKTRACE", "0");
        let venv = project.folder.join(".venv");
        if venv.is_dir() {
            // The packages in it come along.
            command.env("VIRTUAL_ENV", venv);
        }
        command
    };
    let run = |command: &mut Command| {
        tool::build(command, &project.folder, &project.stop, || missing(&project.folder))
    };
    progress(Step::Doing("writing the contract's types"));
    // It writes to a new folder only.
    let types = into.with_extension("types");
    run(componentize(&["bindings"]).arg(&types))?;
    replace(&types, &project.out.join("bindings"))?;
    progress(Step::Doing("running the module and keeping what it is then"));
    run(componentize(&["componentize", "-p", "src", "app", "-o"]).arg(into))
}

/// Of two builds at once either's do.
fn replace(made: &Path, old: &Path) -> Result<(), BuildError> {
    let _ = fs::remove_dir_all(old);
    match fs::rename(made, old) {
        Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => Ok(()),
        renamed => renamed.map_err(|error| files(old, error)),
    }
}

/// What is read of pyproject.toml.
#[derive(Deserialize)]
struct PyProject {
    #[serde(default)]
    tool: Tools,
}

#[derive(Default, Deserialize)]
struct Tools {
    #[serde(default)]
    chimera: Options,
}

/// What its `[tool.chimera]` holds.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    #[serde(default)]
    world: World,
}

fn world(folder: &Path) -> Result<World, BuildError> {
    let path = folder.join("pyproject.toml");
    let text = fs::read_to_string(&path).map_err(|error| files(&path, error))?;
    let project: PyProject = toml::from_str(&text).map_err(|error| files(&path, error))?;
    Ok(project.tool.chimera.world)
}

/// The project's own environment first, as a Python author expects.
fn program(folder: &Path) -> OsString {
    let own = folder.join(".venv/bin/componentize-py");
    if own.is_file() { own.into_os_string() } else { "componentize-py".into() }
}

fn missing(folder: &Path) -> BuildError {
    let venv = folder.join(".venv");
    let venv = venv.display();
    BuildError::MissingTool {
        tool: "`componentize-py`".into(),
        language: "Python",
        install: format!(
            "`python3 -m venv {venv} && {venv}/bin/pip install componentize-py==0.25.1`"
        ),
    }
}
