//! How a [`Layer4Fabric`] is made: from settings that are read, or from those that are given
//! and from nothing else.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use chimera_layer4_core::config::AgentDeclaration;
use chimera_layer4_fabric::Fabric;
use chimera_layer4_settings::{self as settings, Given, Settings, SettingsError};

use super::fabric::FabricConfig;
#[cfg(feature = "http")]
use super::port::Port;
use super::start::Start;
use super::{Layer4Config, Layer4Error, Layer4Fabric, Layer4Result};

/// The folder of agents in the working directory.
const AGENTS: &str = "agents";

impl Layer4Fabric {
    /// Builds the fabric; nothing runs yet.
    ///
    /// What the nine settings of `config` leave open is read from `LAYER4_…` variables and
    /// from `chimera.toml` in the working directory, if it is there: the data folder, the
    /// agent types, and the rest of `docs/src/settings.md`. Where they name neither a data
    /// folder nor a folder of agents, `agents` in the working directory is that, if it is
    /// there. The nine are those of `config`,
    /// whatever the variables say.
    ///
    /// # Errors
    /// `Configuration` with every complaint at once, or where another user could change the
    /// data folder; `WasmRuntime` when the engine cannot be made.
    pub async fn new(config: Layer4Config) -> Layer4Result<Self> {
        let puts = |all: &mut FabricConfig| {
            config.put_into(all);
            all.local_agents_dir = Some(AGENTS.into());
        };
        let read = move || settings::read_with(&Given::default(), puts);
        let read = tokio::task::spawn_blocking(read).await;
        let read = read.map_err(|error| Layer4Error::Internal(error.to_string()))?;
        let Settings { config, agents, .. } = read.map_err(|error| match error {
            SettingsError::Unreadable(message) => Layer4Error::Configuration(message),
            SettingsError::Wrong(error) => error.into(),
        })?;
        Layer4FabricBuilder::of(config, agents).build().await
    }

    /// Builds a fabric from these settings and from others that are given by name. It reads
    /// no variable and no file.
    #[must_use]
    pub fn builder(config: Layer4Config) -> Layer4FabricBuilder {
        Layer4FabricBuilder::new(config)
    }
}

/// Builds a [`Layer4Fabric`] from settings that are given: it reads no variable and no file.
pub struct Layer4FabricBuilder {
    config: FabricConfig,
    agents: BTreeMap<String, AgentDeclaration>,
    opens_port: bool,
}

impl Layer4FabricBuilder {
    pub(crate) fn new(config: Layer4Config) -> Self {
        Self::of(config.into(), BTreeMap::new())
    }

    pub(crate) fn of(config: FabricConfig, agents: BTreeMap<String, AgentDeclaration>) -> Self {
        Self { config, agents, opens_port: true }
    }

    /// [`Layer4Fabric::start`] opens no port. For several fabrics in one process, and for
    /// a program that serves the API itself.
    #[must_use]
    pub fn without_port(self) -> Self {
        Self { opens_port: false, ..self }
    }

    /// Where compiled code and tasks are kept. Without it, compiled code is in a folder that
    /// goes with the fabric, and tasks are in memory.
    #[must_use]
    pub fn data_dir(self, folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        self.settings(|config| config.data_dir = Some(folder))
    }

    /// Changes any setting, by its group: `settings(|all| all.queue.drain_timeout_secs = 5)`.
    #[must_use]
    pub fn settings(mut self, change: impl FnOnce(&mut FabricConfig)) -> Self {
        change(&mut self.config);
        self
    }

    /// Agent types that [`Layer4Fabric::start`] starts, as `[agents.NAME]` of a settings file
    /// declares them.
    #[must_use]
    pub fn agents(self, agents: BTreeMap<String, AgentDeclaration>) -> Self {
        Self { agents, ..self }
    }

    /// Builds the fabric; nothing runs yet.
    ///
    /// # Errors
    /// `Configuration` with every complaint at once, or where another user could change the
    /// data folder; `WasmRuntime` when the engine cannot be made.
    pub async fn build(self) -> Layer4Result<Layer4Fabric> {
        let Self { config, agents, opens_port } = self;
        #[cfg(feature = "logging")]
        if config.debug_mode {
            super::logging::install();
        }
        #[cfg(feature = "http")]
        let port = if opens_port { Port::of(config.clone()) } else { Port::shut() };
        #[cfg(not(feature = "http"))]
        let _ = opens_port;
        // Folders are opened and authorities are read.
        let fabric = tokio::task::spawn_blocking(|| Fabric::new(config)).await;
        let fabric = fabric.map_err(|error| Layer4Error::Internal(error.to_string()))??;
        let fabric = Arc::new(fabric);
        let start = Start::of(
            Arc::clone(&fabric),
            agents,
            #[cfg(feature = "http")]
            port,
        );
        Ok(Layer4Fabric { fabric, start: Arc::new(start) })
    }
}
