//! From what was typed to a component's bytes.

use std::path::Path;

use super::exit::BadInput;
use super::output::Output;
use super::progress;
use crate::toolchain;

/// A component and what to call it.
pub(super) struct Component {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

/// Reads a component, or builds a crate and reads what came of it.
pub(super) fn read(path: &Path, output: &Output) -> anyhow::Result<Component> {
    if path.is_dir() {
        let built = build(path, output)?;
        return read_file(&built);
    }
    read_file(path)
}

/// Builds a crate with a progress bar.
pub(super) fn build(folder: &Path, output: &Output) -> anyhow::Result<std::path::PathBuf> {
    let bar = progress::Bar::new(output, &format!("building {}", folder.display()));
    Ok(toolchain::build(folder, None, &mut |step| bar.step(&step))?)
}

fn read_file(path: &Path) -> anyhow::Result<Component> {
    let bytes = std::fs::read(path).map_err(|error| {
        BadInput(format!(
            "{}: {error}; give a component, or the folder of an agent's crate",
            path.display()
        ))
    })?;
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    Ok(Component { name: name.unwrap_or_else(|| "agent".into()), bytes })
}
