//! The project that `chimera agent new` writes: the same small agent in each language.

mod files;

use std::fs;
use std::path::{Path, PathBuf};

use chimera_layer4_build::BuildError;

use super::form::Form;
use super::language::Language;
use super::project::files as wrong;

/// A project that is to be made.
#[derive(Clone, Copy, Debug)]
pub struct New<'a> {
    /// The language to write the agent in.
    pub language: Language,
    /// The agent's form, which only Rust has.
    pub form: Form,
    /// The folder to make, whose last part names the agent.
    pub folder: &'a Path,
    /// The SDK's folder, for an agent in Rust.
    pub sdk: Option<&'a Path>,
}

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

/// Writes the project of a new agent. One in Rust depends on the SDK, or on the library
/// beside it, by its path, and without one on the version that is this program's. The
/// other languages need none.
///
/// # Errors
/// [`BuildError::Files`] when the folder is there already, when its name is
/// not one for a project, or when `sdk` is not the SDK; nothing is written then.
pub fn create(new: New<'_>) -> Result<Written, BuildError> {
    let New { language, form, folder, sdk } = new;
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
    let rust = language == Language::Rust;
    let dependency = if rust { dependency(form, sdk)? } else { String::new() };
    if rust && name.replace('_', "-") == form.package() {
        return Err(wrong(folder, "names the agent as the SDK that it depends on; choose another"));
    }
    let template = files::of(language, form);
    let mut files = Vec::new();
    for (path, text) in template.files {
        let path = folder.join(path);
        // npm and Go want names in lower case.
        let text = text.replace("{sdk}", &dependency).replace("{lower_name}", &name.to_lowercase());
        write_new(&path, &text.replace("{name}", &name))?;
        files.push(path);
    }
    Ok(Written { files, prepare: template.prepare, test: template.test })
}

/// What a manifest says of the package that an agent of this form depends on: where it is,
/// or which version. Of the library an agent takes its own side alone.
fn dependency(form: Form, sdk: Option<&Path>) -> Result<String, BuildError> {
    let version = env!("CARGO_PKG_VERSION");
    let source = match (form, sdk) {
        (Form::Typed, None) => return Ok(format!("\"{version}\"")),
        (Form::Plain, None) => format!("version = \"{version}\""),
        (_, Some(sdk)) => {
            let folder = package_folder(form, sdk)?;
            // A JSON string is a TOML basic string.
            format!("path = {}", serde_json::Value::from(folder.to_string_lossy()))
        }
    };
    Ok(match form {
        Form::Typed => format!("{{ {source} }}"),
        Form::Plain => format!("{{ {source}, default-features = false }}"),
    })
}

/// The folder of that package in the checkout that `sdk` is of.
fn package_folder(form: Form, sdk: &Path) -> Result<PathBuf, BuildError> {
    if !is_sdk(sdk) {
        return Err(wrong(
            sdk,
            "is not the SDK's folder; give the path of `guest-sdk` with `--sdk`",
        ));
    }
    let sdk = sdk.canonicalize().map_err(|error| wrong(sdk, error))?;
    let folder = match form {
        Form::Typed => return Ok(sdk),
        Form::Plain => sdk.with_file_name(form.folder()),
    };
    if !is_package(&folder, form.package()) {
        let reason = format!(
            "is not the folder of {}, which a checkout has beside `guest-sdk`; give the `guest-sdk` \
             of a checkout with `--sdk`",
            form.package()
        );
        return Err(wrong(&folder, reason));
    }
    Ok(folder)
}

/// Whether the folder is the SDK's, and not another one that is called so.
#[must_use]
pub fn is_sdk(folder: &Path) -> bool {
    is_package(folder, Form::Typed.package())
}

fn is_package(folder: &Path, name: &str) -> bool {
    let text = fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
    let manifest: toml::Table = toml::from_str(&text).unwrap_or_default();
    manifest.get("package").and_then(|package| package.get("name")?.as_str()) == Some(name)
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
