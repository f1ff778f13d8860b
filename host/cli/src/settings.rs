//! The settings of a run: what the flags, the environment and the file come to, and what the
//! program itself decides.

use std::path::PathBuf;
use std::sync::OnceLock;

pub(super) use chimera_layer4_settings::Settings;
use chimera_layer4_settings::{Given, SettingsError, default_data_dir, read};

use super::args::flags::SettingsArgs;
use super::exit::BadInput;

pub(super) fn resolve(flags: &SettingsArgs) -> anyhow::Result<Settings> {
    let typed = [
        ("data_dir", flags.data_dir.as_ref().map(|folder| folder.display().to_string())),
        ("debug_mode", flags.debug.then(|| true.to_string())),
        ("metrics_port", flags.port.map(|port| port.to_string())),
    ];
    let typed = typed.into_iter().filter_map(|(key, text)| Some((key, text?)));
    let given = Given { file: flags.config.as_deref(), flags: typed.collect() };
    let mut settings = read(&given).map_err(|error| match error {
        SettingsError::Unreadable(message) => anyhow::Error::new(BadInput(message)),
        SettingsError::Wrong(error) => error.into(),
    })?;
    let config = &mut settings.config;
    config.data_dir = config.data_dir.take().or_else(default_data_dir);
    // This is the program that compiles.
    let program = &mut config.components.compile_program;
    *program = program.take().or_else(this_program);
    Ok(settings)
}

/// Where it was at the start: a file that is replaced while the program runs is
/// no change of the settings.
fn this_program() -> Option<PathBuf> {
    static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
    PROGRAM.get_or_init(|| std::env::current_exe().ok()).clone()
}
