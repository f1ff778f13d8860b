//! The contract in the words of C and Go, written by the crates behind
//! `wit-bindgen`, so that an author need not install it.

use std::path::Path;

use chimera_layer4_build::BuildError;
use wit_bindgen_core::wit_parser::Resolve;
use wit_bindgen_core::{Files, WorldGenerator};

use super::project::{Project, files, write};
use super::world::World;

/// Writes `agent.h`, `agent.c`, and an object file with the component's type.
pub(super) fn write_c(project: &Project, world: World, into: &Path) -> Result<(), BuildError> {
    // So that names are the same in each world.
    let rename_world = Some(World::Agent.name().to_owned());
    let opts = wit_bindgen_c::Opts { rename_world, ..Default::default() };
    generate(project, world, opts.build(), into)
}

/// Writes the packages that `module`'s own ones import: into its folder, as Go
/// finds a package by its place.
pub(super) fn write_go(project: &Project, world: World, module: &str) -> Result<(), BuildError> {
    let opts = wit_bindgen_go::Opts {
        // Its formatter is a program that may not be installed, and the files are not edited.
        format: wit_bindgen_go::Format::False,
        pkg_name: Some(format!("{module}/build/bindings")),
        export_pkg_name: Some(module.to_owned()),
        ..Default::default()
    };
    generate(project, world, opts.build(), &project.folder.join("build/bindings"))
}

fn generate(
    project: &Project,
    world: World,
    mut generator: Box<dyn WorldGenerator>,
    into: &Path,
) -> Result<(), BuildError> {
    let wit = project.write_contract()?;
    let mut made = Files::default();
    let mut resolve = Resolve::default();
    let generated = resolve.push_path(&wit).and_then(|(package, _)| {
        let world = resolve.select_world(&[package], Some(world.name()))?;
        generator.generate(&mut resolve, world, &mut made)
    });
    generated.map_err(|error| files(into, format!("the bindings: {error:#}")))?;
    made.iter().try_for_each(|(name, content)| write(&into.join(name), content))
}
