//! The crate that `chimera agent new` writes.

use std::fs;
use std::path::{Path, PathBuf};

use super::BuildError;

/// Makes a crate for a new agent in `folder`, with the SDK at `sdk`.
///
/// # Errors
/// [`BuildError::Files`] when the folder is there already, when its name is
/// not one for a crate, or when `sdk` is not the SDK; nothing is written then.
pub fn create(folder: &Path, sdk: &Path) -> Result<Vec<PathBuf>, BuildError> {
    let wrong =
        |path: &Path, reason: &str| BuildError::Files { path: path.into(), reason: reason.into() };
    let name =
        folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if !is_crate_name(&name) {
        let reason =
            "the folder's last part names the crate: a letter, then letters, digits, `-` or `_`";
        return Err(wrong(folder, reason));
    }
    if folder.exists() {
        return Err(wrong(folder, "is there already; choose another name, or remove it"));
    }
    if !sdk.join("Cargo.toml").is_file() {
        return Err(wrong(
            sdk,
            "is not the SDK's folder; give the path of `guest-sdk` with `--sdk`",
        ));
    }
    let sdk = sdk.canonicalize().map_err(|error| wrong(sdk, &error.to_string()))?;
    let files = [
        ("Cargo.toml", manifest(&name, &sdk)),
        ("src/lib.rs", PROGRAM.replace("{name}", &name)),
        ("README.md", README.replace("{name}", &name)),
        (".gitignore", "/target\n".to_owned()),
    ];
    let mut written = Vec::new();
    for (path, text) in files {
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&path, text))
            .map_err(|error| wrong(&path, &error.to_string()))?;
        written.push(path);
    }
    Ok(written)
}

fn is_crate_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

fn manifest(name: &str, sdk: &Path) -> String {
    // A JSON string is a TOML basic string.
    let sdk = serde_json::Value::from(sdk.to_string_lossy());
    format!(
        r#"[package]
name = "{name}"
version = "0.1.0"
edition = "2024"

[lib]
crate-type = ["cdylib", "rlib"]

[dependencies]
chimera-agent-sdk = {{ path = {sdk} }}

# A component without names and debug information is a fiftieth of the size.
[profile.release]
lto = true
strip = true
codegen-units = 1

# The crate stands alone, also inside another workspace.
[workspace]
"#
    )
}

const PROGRAM: &str = include_str!("template/lib.rs.txt");

const README: &str = include_str!("template/README.md.txt");
