//! Settings from flags, the environment and the file.
//!
//! The only crate of a host that reads the environment. It knows no program: what a command
//! line gave is handed in.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use chimera_layer4_core::FabricError;
use chimera_layer4_core::config::{
    AgentDeclaration, FabricConfig, Layers, SETTINGS, Secret, declared, resolve,
};
use chimera_layer4_folders::read_regular;

/// Read from the folder that the program is started in.
const FILE: &str = "chimera.toml";
/// Far more than every setting with a page of comment.
const FILE_BYTES: u64 = 1 << 20;
const TOO_LARGE: &str = "it is larger than 1 MiB, the most that is read; make it smaller";

/// The settings, the agents that the file declares, and where each is from.
#[derive(Debug)]
pub struct Settings {
    /// The settings.
    pub config: FabricConfig,
    /// The tables `[agents.NAME]`.
    pub agents: BTreeMap<String, AgentDeclaration>,
    /// Where each is from.
    pub layers: Layers,
}

/// What a command line gave.
#[derive(Clone, Debug, Default)]
pub struct Given<'a> {
    /// The settings file; `None`: `chimera.toml` in the working directory, if it is there.
    pub file: Option<&'a Path>,
    /// Settings by their keys, as text. They go before the environment and the file.
    pub flags: Vec<(&'static str, String)>,
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file or a variable cannot be read: which, and why.
    #[error("{0}")]
    Unreadable(String),
    /// Values are not allowed: every complaint.
    #[error(transparent)]
    Wrong(FabricError),
}

/// Reads the settings: flags go before the environment, that before the file, and that
/// before the defaults.
///
/// # Errors
/// Every complaint of every setting and agent at once.
pub fn read(given: &Given<'_>) -> Result<Settings, SettingsError> {
    read_with(given, |_| {})
}

/// As [`read`], with settings that the program itself `puts`. They go before all others, and
/// the agents are judged by them.
///
/// # Errors
/// As [`read`].
pub fn read_with(
    given: &Given<'_>,
    puts: impl FnOnce(&mut FabricConfig),
) -> Result<Settings, SettingsError> {
    let mut layers = Layers::new();
    if let Some((path, text)) = read_file(given.file)? {
        layers = layers
            .with_file(&path, &text)
            .map_err(|error| SettingsError::Unreadable(error.to_string()))?;
    }
    layers = layers.with_environment(environment()?);
    for (key, text) in &given.flags {
        layers = layers.with_flag(key, text.clone(), flag_of(key));
    }
    let resolved = resolve(&layers).map(|mut config| {
        puts(&mut config);
        config
    });
    // The agents' complaints come with the rest, against the defaults if need be.
    let known = resolved.as_ref().cloned().unwrap_or_default();
    let agents = declared(&layers, &known.default_resource_quota, known.max_agents);
    let (mut config, agents) = match (resolved, agents) {
        (Ok(config), Ok(agents)) => (config, agents),
        (config, agents) => {
            let complaints = [config.err(), agents.err()].into_iter().flatten().flatten();
            return Err(SettingsError::Wrong(FabricError::Configuration(complaints.collect())));
        }
    };
    config.telemetry.otel_variables = otel_variables();
    Ok(Settings { config, agents, layers })
}

fn read_file(named: Option<&Path>) -> Result<Option<(String, String)>, SettingsError> {
    let path = named.unwrap_or(Path::new(FILE));
    let read = || {
        let bytes = read_regular(path, FILE_BYTES)?;
        if bytes.len() as u64 > FILE_BYTES {
            return Err(std::io::Error::other(TOO_LARGE));
        }
        String::from_utf8(bytes).map_err(|_| std::io::Error::other("it is not UTF-8 text"))
    };
    match read() {
        Ok(text) => Ok(Some((path.display().to_string(), text))),
        Err(error) if named.is_none() && error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => {
            Err(SettingsError::Unreadable(format!("the settings file {}: {error}", path.display())))
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn environment() -> Result<Vec<(String, String)>, SettingsError> {
    let disabled = std::env::var_os("OTEL_SDK_DISABLED");
    let is_disabled = disabled.is_some_and(|value| {
        value.to_str().is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
    });
    let ours = std::env::vars_os().filter(|(name, value)| {
        let name = name.to_string_lossy();
        // An empty variable that other programs define too counts as not set.
        // OpenTelemetry's have no effect, and so no wrong value, where its SDK is
        // disabled.
        let is_idle = value.is_empty() || (is_disabled && name.starts_with("OTEL_"));
        name.starts_with("LAYER4_") || (is_setting(&name) && !is_idle)
    });
    ours.map(|(name, value)| match (name.into_string(), value.into_string()) {
        (Ok(name), Ok(value)) => Ok((name, value)),
        (name, _) => Err(SettingsError::Unreadable(format!("the variable {name:?} is not UTF-8"))),
    })
    .collect()
}

/// OpenTelemetry's variables. Their values may give access, as headers do.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn otel_variables() -> Vec<(String, Secret)> {
    let text = |(name, value): (OsString, OsString)| {
        Some((name.into_string().ok()?, Secret::new(value.into_string().ok()?)))
    };
    let ours = |(name, _): &(String, Secret)| name.starts_with("OTEL_");
    let mut variables: Vec<_> = std::env::vars_os().filter_map(text).filter(ours).collect();
    variables.sort_by(|(one, _), (other, _)| one.cmp(other));
    variables
}

fn flag_of(key: &'static str) -> &'static str {
    SETTINGS.iter().find(|setting| setting.key == key).and_then(|one| one.flag).unwrap_or(key)
}

fn is_setting(name: &str) -> bool {
    SETTINGS.iter().any(|setting| setting.variable == name)
}

/// Where the desktop's rules put a program's data. `None`: neither `XDG_DATA_HOME` nor
/// `HOME` says it, and a fabric makes a folder that goes with it.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn default_data_dir() -> Option<PathBuf> {
    let folder = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let data = folder("XDG_DATA_HOME").filter(|path| path.is_absolute());
    data.or_else(|| Some(folder("HOME")?.join(".local/share"))).map(|data| data.join("chimera"))
}
