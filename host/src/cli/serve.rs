//! `chimera serve`: the host as a service.

use std::collections::BTreeMap;
use std::sync::Arc;

use chimera_layer4_core::Layer4Config;
use chimera_layer4_core::config::AgentDeclaration;
use tokio::signal::unix::{SignalKind, signal};

use super::args::SettingsArgs;
use super::client::Notice;
use super::exit::Exit;
use super::output::Output;
use super::progress::Bar;
use super::settings::{self, Settings};
use crate::Layer4Fabric;
use crate::fabric::{Applied, Outcome};
use crate::http::Server;

/// Serves until `interrupted`, and ends in good order then.
pub(super) async fn run(
    settings: Settings,
    flags: SettingsArgs,
    output: &Output,
    interrupted: impl Future<Output = ()>,
) -> anyhow::Result<Exit> {
    let Settings { config, agents, .. } = settings;
    // Heard from here on; before, it would end the program.
    let mut hangup = signal(SignalKind::hangup())?;
    let fabric = Arc::new(Layer4Fabric::new(config.clone())?);
    // First the address: where another host has it, nothing else is touched.
    let server = Server::bind(Arc::clone(&fabric), &config)?;
    fabric.start().await?;
    let address = server.address();
    if let Err(error) = load(&fabric, &agents, output).await {
        fabric.shutdown().await?;
        return Err(error);
    }
    let url = format!("http://{address}");
    let notice = Notice::put(&config, &url)?;
    output.note(&format!("listening on {url}"));
    let reload = async {
        while hangup.recv().await.is_some() {
            reload(&fabric, &config, &flags).await;
        }
    };
    tokio::select! {
        served = server.run(interrupted) => served?,
        () = reload => {}
    }
    drop(notice);
    output.note("ended in good order");
    Ok(Exit::Success)
}

/// Loads the declared agents; one that fails ends the start.
async fn load(
    fabric: &Layer4Fabric,
    agents: &BTreeMap<String, AgentDeclaration>,
    output: &Output,
) -> anyhow::Result<()> {
    let bar = Bar::new(*output, "loading agents");
    let applied = fabric.apply_agents(agents, |name| bar.say(name)).await;
    drop(bar);
    let count = applied.len();
    for Applied { name, outcome } in applied {
        if let Outcome::Failed(error) = outcome {
            return Err(anyhow::Error::from(error).context(format!("agents.{name}")));
        }
    }
    output.note(&format!("{count} agent types are up"));
    Ok(())
}

/// Applies the file as it is now. What is wrong with it is logged, and changes
/// nothing.
async fn reload(fabric: &Layer4Fabric, config: &Layer4Config, flags: &SettingsArgs) {
    let settings = match settings::resolve(flags) {
        Ok(settings) => settings,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "nothing was reloaded");
            return;
        }
    };
    if settings.config != *config {
        tracing::warn!("settings other than agents have changed; they take effect at a restart");
    }
    for Applied { name, outcome } in fabric.apply_agents(&settings.agents, |_| {}).await {
        match outcome {
            Outcome::Failed(error) => tracing::error!(agent_type = name, %error, "not reloaded"),
            done => tracing::info!(agent_type = name, ?done, "reloaded"),
        }
    }
}
