//! Agents in C: every `.c` file in `src/`, compiled and linked in one go.
//!
//! The compiler's flags are in the project's `compile_flags.txt`, which editors
//! with clangd read too, so that both see the same headers.

mod compiler;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use chimera_layer4_build::{BuildError, Step, tool};
use chimera_layer4_contract::componentize;

use super::bindings;
use super::project::{Project, files};
use super::world::World;

/// A reactor is called and has no `main`. A trap says by the names of functions
/// where it was; zig leaves them out unless it writes DWARF, too, which is taken
/// out afterwards. The stack is a quarter of a mebibyte: zig's default
/// of 16 MiB would be counted against the agent's quota.
const FLAGS: [&str; 4] = ["-mexec-model=reactor", "-Oz", "-g", "-Wl,-z,stack-size=262144"];

/// A function that the bindings call in the world with state.
const STATE: &[u8] = b"exports_chimera_agent_state_save";

pub(super) fn build(
    project: &Project,
    into: &Path,
    progress: &mut dyn FnMut(Step),
) -> Result<(), BuildError> {
    progress(Step::Doing("looking for a compiler"));
    let compiler = compiler::find(project)?;
    progress(Step::Doing("writing bindings"));
    let generated = project.out.join("bindings");
    bindings::write_c(project, world(project), &generated)?;
    progress(Step::Doing("compiling"));
    let core = into.with_extension("core");
    compile(project, &compiler, &generated, &core)?;
    progress(Step::Doing("making a component"));
    let module = fs::read(&core).map_err(|error| files(&core, error))?;
    let module = componentize::without_debug_info(&module);
    let component =
        componentize::componentize(&module).map_err(|error| BuildError::NotComponentized {
            folder: project.folder.clone(),
            reason: error.to_string(),
            advice: "call nothing from outside but what `build/bindings/agent.h` declares",
        })?;
    fs::write(into, component).map_err(|error| files(into, error))
}

fn world(project: &Project) -> World {
    let has_state = |path: &PathBuf| {
        let text = fs::read(path).unwrap_or_default();
        let mut places = text.windows(STATE.len()).enumerate().filter(|(_, word)| *word == STATE);
        let behind = |place: usize| text.get(place + STATE.len()..).unwrap_or_default();
        // As a call or a definition has it, and few comments do.
        places.any(|(place, _)| behind(place).trim_ascii_start().starts_with(b"("))
    };
    World::with(project.sources("c").iter().any(has_state))
}

fn compile(
    project: &Project,
    compiler: &[OsString],
    generated: &Path,
    core: &Path,
) -> Result<(), BuildError> {
    let (program, first) = compiler.split_first().ok_or_else(compiler::missing)?;
    let mut command = Command::new(program);
    command.current_dir(&project.folder).args(first).args(FLAGS);
    command.args(own_flags(&project.folder)?).arg("-I").arg(generated);
    command.args(project.sources("c")).arg(generated.join("agent.c"));
    command.arg(generated.join("agent_component_type.o")).arg("-o").arg(core);
    tool::build(&mut command, &project.folder, &project.stop, compiler::missing)
}

/// One flag a line.
fn own_flags(folder: &Path) -> Result<Vec<String>, BuildError> {
    let path = folder.join("compile_flags.txt");
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(&path).map_err(|error| files(&path, error))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    Ok(lines.map(str::to_owned).collect())
}
