//! `chimera serve`: the host as a service.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use chimera_layer4_core::config::AgentDeclaration;
use chimera_layer4_core::{Layer4Config, Layer4Error, Layer4Result};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::args::SettingsArgs;
use super::client::{Client, Notice};
use super::exit::{BadInput, Exit};
use super::output::Output;
use super::progress::Bar;
use super::settings::{self, Settings};
use crate::Layer4Fabric;
use crate::fabric::{Applied, Outcome};
use crate::http::{Asked, Reloaded, Server, WAITING};

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
    let (reloads, mut wanted) = mpsc::channel(WAITING);
    let server = Server::bind(Arc::clone(&fabric), &config)?.with_reloads(reloads);
    fabric.start().await?;
    let (address, ready) = (server.address(), server.not_ready());
    let url = format!("http://{address}");
    // The API answers from here on. Commands find it by this: once a probe hears
    // that the host is ready, so does every command.
    let _notice = Notice::put(&config, &url)?;
    // Probes are answered and signals heard meanwhile: loading may take minutes.
    let work = async {
        load(&fabric, &agents, output).await?;
        ready.store(true, Ordering::Release);
        output.note(&format!("listening on {url}"));
        loop {
            tokio::select! {
                Some(()) = hangup.recv() => drop(reload(&fabric, &config, &flags).await),
                Some(asked) = wanted.recv() => {
                    let asked: Asked = asked;
                    // Whoever asked may have gone.
                    let _ = asked.send(reload(&fabric, &config, &flags).await);
                }
                else => std::future::pending().await,
            }
        }
    };
    let failed: anyhow::Result<Infallible> = tokio::select! {
        served = server.run(interrupted) => {
            served?;
            output.note("ended in good order");
            return Ok(Exit::Success);
        }
        failed = work => failed,
    };
    fabric.shutdown().await?;
    failed.map(|never| match never {})
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
async fn reload(
    fabric: &Layer4Fabric,
    config: &Layer4Config,
    flags: &SettingsArgs,
) -> Layer4Result<Vec<Applied>> {
    let settings = settings::resolve(flags).map_err(|error| {
        tracing::error!(error = format!("{error:#}"), "nothing was reloaded");
        Layer4Error::InvalidRequest(vec![format!("{error:#}")])
    })?;
    if settings.config != *config {
        tracing::warn!("settings other than agents have changed; they take effect at a restart");
    }
    let applied = fabric.apply_agents(&settings.agents, |_| {}).await;
    for Applied { name, outcome } in &applied {
        match outcome {
            Outcome::Failed(error) => tracing::error!(agent_type = name, %error, "not reloaded"),
            done => tracing::info!(agent_type = name, done = done.word(), "reloaded"),
        }
    }
    Ok(applied)
}

/// `chimera reload`: has the host of the data folder do so.
pub(super) async fn ask_for_reload(config: &Layer4Config, output: &Output) -> anyhow::Result<Exit> {
    let Some(client) = Client::of(config).await else {
        return Err(
            BadInput("no host serves this data folder; start `chimera serve`".into()).into()
        );
    };
    let done: Vec<Reloaded> = client.ask("POST", "/v1/reload", None).await?;
    let failed = done.iter().any(|one| one.error.is_some());
    if output.is_json() {
        output.value(&done)?;
    } else {
        for Reloaded { agent_type, outcome, error } in &done {
            let why = error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
            output.line(&format!("{agent_type} {outcome}{why}"))?;
        }
    }
    Ok(if failed { Exit::BadInput } else { Exit::Success })
}
