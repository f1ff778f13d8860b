//! The contract in the words of C and Go, written by the crates behind
//! `wit-bindgen`, so that an author need not install it.

use std::path::Path;

use wit_bindgen_core::wit_parser::Resolve;
use wit_bindgen_core::{Files, WorldGenerator};

use super::BuildError;
use super::project::{Project, files, write};

/// The world of an agent.
pub(super) const WORLD: &str = "agent";

/// Writes `agent.h`, `agent.c`, and an object file with the component's type.
pub(super) fn write_c(project: &Project, into: &Path) -> Result<(), BuildError> {
    generate(project, wit_bindgen_c::Opts::default().build(), into)
}

/// Writes the packages that `module`'s own ones import: into its folder, as Go
/// finds a package by its place.
pub(super) fn write_go(project: &Project, module: &str) -> Result<(), BuildError> {
    let opts = wit_bindgen_go::Opts {
        // Its formatter is a program that may not be there, and nobody edits them.
        format: wit_bindgen_go::Format::False,
        pkg_name: Some(format!("{module}/build/bindings")),
        export_pkg_name: Some(module.to_owned()),
        ..Default::default()
    };
    generate(project, opts.build(), &project.folder.join("build/bindings"))
}

fn generate(
    project: &Project,
    mut generator: Box<dyn WorldGenerator>,
    into: &Path,
) -> Result<(), BuildError> {
    let wit = project.write_contract()?;
    let mut made = Files::default();
    let mut resolve = Resolve::default();
    let generated = resolve.push_path(&wit).and_then(|(package, _)| {
        let world = resolve.select_world(&[package], Some(WORLD))?;
        generator.generate(&mut resolve, world, &mut made)
    });
    generated.map_err(|error| files(into, format!("the bindings: {error:#}")))?;
    made.iter().try_for_each(|(name, content)| write(&into.join(name), content))
}
