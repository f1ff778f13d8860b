//! Builds an agent's project into a component, with the author's own tools.
//!
//! Each language keeps its own way of working: its compiler, its package
//! manager, its test runner. What no author should need is done here: the
//! bindings are written, and a component is made of what the compiler leaves.
//! Nothing is installed outside of the project but Rust's wasm target; a tool
//! that is missing is named, with the command that installs it.

mod bindings;
mod c;
mod form;
mod go;
mod js;
mod language;
mod project;
mod python;
mod template;
mod world;

use std::path::{Path, PathBuf};

use chimera_layer4_build::rust;
pub use chimera_layer4_build::{BuildError, Step, Stop};
pub use form::Form;
pub use language::Language;
use project::Project;
pub use template::{New, Written, create, is_sdk};

/// Builds the project in `folder` and returns the component's path.
///
/// Products go to `target_dir`, or else to where the language's authors look
/// for them: cargo's target folder for Rust, `build/` in the project for the
/// others. What is up to date is not built again. `progress` is called for each
/// step; what the tools say goes to standard error. `stop` ends it from elsewhere.
///
/// # Errors
/// [`BuildError`], each with what to do.
pub fn build(
    folder: &Path,
    target_dir: Option<&Path>,
    stop: &Stop,
    progress: &mut dyn FnMut(Step),
) -> Result<PathBuf, BuildError> {
    let language =
        Language::of(folder).ok_or_else(|| BuildError::NotAProject(folder.to_path_buf()))?;
    stop.or_stopped(build_in(language, folder, target_dir, stop, progress))
}

/// Folders that a build of the project reads besides its own: the crates that
/// one in Rust depends on by a path. `None` where they cannot be found out,
/// such as for an invalid manifest.
pub fn outside(folder: &Path) -> Option<Vec<PathBuf>> {
    match Language::of(folder)? {
        Language::Rust => rust::outside(folder),
        Language::Python | Language::JavaScript | Language::C | Language::Go => Some(Vec::new()),
    }
}

/// Adds a compilation target, such as `wasm32-wasip1`, to the Rust toolchain that
/// is used in `folder`, unless it is there. [`build`] does so with the one that it
/// needs. Several at once, also of other processes, take turns.
///
/// # Errors
/// [`BuildError`], each with what to do.
pub fn add_target(
    folder: &Path,
    target: &str,
    stop: &Stop,
    progress: &mut dyn FnMut(Step),
) -> Result<(), BuildError> {
    stop.or_stopped(rust::add_target(folder, target, stop, progress))
}

fn build_in(
    language: Language,
    folder: &Path,
    target_dir: Option<&Path>,
    stop: &Stop,
    progress: &mut dyn FnMut(Step),
) -> Result<PathBuf, BuildError> {
    let make = match language {
        Language::Rust => return rust::build(folder, target_dir, stop, progress),
        Language::Python => python::build,
        Language::JavaScript => js::build,
        Language::C => c::build,
        Language::Go => go::build,
    };
    let project = Project::open(folder, target_dir, stop)?;
    if project.is_built() {
        return Ok(project.component());
    }
    let workplace = project.workplace()?;
    let made = workplace.path().join("component.wasm");
    make(&project, &made, progress)?;
    project.keep(&made)
}
