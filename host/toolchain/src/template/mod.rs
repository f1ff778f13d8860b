//! The project that `chimera agent new` writes: the same small agent in each language.

mod files;

use std::fs;
use std::path::{Path, PathBuf};

use super::error::BuildError;
use super::language::Language;
use super::project::files as wrong;

/// What an agent in Rust depends on.
const SDK: &str = "chimera-agent-sdk";

/// A project that was written.
#[derive(Debug)]
pub struct Written {
    /// Its files.
    pub files: Vec<PathBuf>,
    /// The command that installs its tools into the project, where that is how
    /// its authors do it and `chimera agent build` does not.
    pub prepare: Option<&'static str>,
    /// The command that tests its logic.
    pub test: &'static str,
}

/// Writes the project of a new agent to `folder`, whose last part names it. One in
/// Rust depends on the SDK in the folder `sdk`, and without one on the SDK's version
/// that is this program's. The other languages need none.
///
/// # Errors
/// [`BuildError::Files`] when the folder is there already, when its name is
/// not one for a project, or when `sdk` is not the SDK; nothing is written then.
pub fn create(
    language: Language,
    folder: &Path,
    sdk: Option<&Path>,
) -> Result<Written, BuildError> {
    let name =
        folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if !is_name(&name) {
        let reason =
            "the folder's last part names the agent: a letter, then letters, digits, `-` or `_`";
        return Err(wrong(folder, reason));
    }
    if folder.exists() {
        return Err(wrong(folder, "is there already; choose another name, or remove it"));
    }
    let sdk = if language == Language::Rust { sdk_dependency(sdk)? } else { String::new() };
    if language == Language::Rust && name.replace('_', "-") == SDK {
        return Err(wrong(folder, "names the agent as the SDK that it depends on; choose another"));
    }
    let template = files::of(language);
    let mut files = Vec::new();
    for (path, text) in template.files {
        let path = folder.join(path);
        // npm and Go want names in lower case.
        let text = text.replace("{sdk}", &sdk).replace("{lower_name}", &name.to_lowercase());
        write_new(&path, &text.replace("{name}", &name))?;
        files.push(path);
    }
    Ok(Written { files, prepare: template.prepare, test: template.test })
}

/// What a manifest says of the SDK: where it is, or which version.
fn sdk_dependency(sdk: Option<&Path>) -> Result<String, BuildError> {
    let Some(sdk) = sdk else { return Ok(format!("\"{}\"", env!("CARGO_PKG_VERSION"))) };
    if !is_sdk(sdk) {
        return Err(wrong(
            sdk,
            "is not the SDK's folder; give the path of `guest-sdk` with `--sdk`",
        ));
    }
    let sdk = sdk.canonicalize().map_err(|error| wrong(sdk, error))?;
    // A JSON string is a TOML basic string.
    Ok(format!("{{ path = {} }}", serde_json::Value::from(sdk.to_string_lossy())))
}

/// Whether the folder is the SDK's, and not another one that is called so.
#[must_use]
pub fn is_sdk(folder: &Path) -> bool {
    let text = fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
    let manifest: toml::Table = toml::from_str(&text).unwrap_or_default();
    manifest.get("package").and_then(|package| package.get("name")?.as_str()) == Some(SDK)
}

fn write_new(path: &Path, text: &str) -> Result<(), BuildError> {
    let parent = path.parent().unwrap_or(path);
    fs::create_dir_all(parent)
        .and_then(|()| fs::write(path, text))
        .map_err(|error| wrong(path, error))
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}
