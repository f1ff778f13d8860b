//! `chimera serve`: the host as a service.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use chimera_layer4_api::reload::{Reload, Reloaded};
use chimera_layer4_core::FabricConfig;
use chimera_layer4_core::config::AgentDeclaration;
use chimera_layer4_core::telemetry::EXECUTOR_LOG;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::args::flags::SettingsArgs;
use super::client::{self, AddressFile};
use super::exit::{Exit, despite_agents};
use super::output::Output;
use super::progress::Bar;
use super::settings::{self, Settings};
use super::warnings;
use chimera_layer4_fabric::{AppliedBy, Descriptors, Fabric, Outcome, traces};
use chimera_layer4_server::{ReloadDone, Reloads, Server, reloaded};

/// Serves until `interrupted`, and shuts down gracefully then.
pub(super) async fn run(
    settings: Settings,
    flags: SettingsArgs,
    output: &Output,
    interrupted: impl Future<Output = ()>,
) -> anyhow::Result<Exit> {
    // The signal is handled from here on; before, it would end the program.
    let mut hangup = signal(SignalKind::hangup())?;
    let fabric = Arc::new(Fabric::new(settings.config.clone())?);
    warnings::tell(&settings, fabric.data_folder());
    let Settings { config, agents, .. } = settings;
    for reason in traces::without_effect(&config) {
        tracing::warn!(reason, "a variable of OpenTelemetry's has no effect");
    }
    let Descriptors { limit, clients, agents: for_agents } = fabric.descriptors();
    output.note(&format!(
        "of {limit} file descriptors {clients} are for connections (`max_connections` is {}), \
         {for_agents} for agents",
        config.http.max_connections
    ));
    // First the address: where another host has it, nothing else is touched.
    let reloads = Reloads::default();
    let server = Server::bind(Arc::clone(&fabric), &config)?.with_reloads(reloads.clone());
    fabric.await_agents(agents.keys().cloned());
    // Those that the settings do not name come after these.
    fabric.await_agent_types();
    fabric.start().await?;
    let (address, ready) = (server.address(), server.not_ready());
    let url = format!("http://{address}");
    // The API answers from here on. Commands find it by this: once a probe hears
    // that the host is ready, so does every command.
    let _notice = AddressFile::put(fabric.data_folder(), &url)?;
    // Probes are answered and signals handled meanwhile: loading may take minutes.
    let work = async {
        load(&fabric, &agents, output).await?;
        ready.store(true, Ordering::Release);
        output.note(&format!("listening on {url}"));
        Ok(apply_reloads(&mut hangup, &reloads, &fabric, &config, &flags).await)
    };
    let failed: anyhow::Result<Infallible> = tokio::select! {
        served = server.run(interrupted) => {
            let but = if despite_agents(served)? { "" } else { ", but for agents whose own `shutdown` failed: the log names them" };
            output.note(&format!("ended in good order{but}"));
            return Ok(Exit::Success);
        }
        failed = work => failed,
    };
    // Why it could not go on is what counts; the log has the rest.
    drop(fabric.shutdown().await);
    failed.map(|never| match never {})
}

/// Reloads the settings file on SIGHUP and when a client asks for it.
async fn apply_reloads(
    hangup: &mut Signal,
    reloads: &Reloads,
    fabric: &Fabric,
    config: &FabricConfig,
    flags: &SettingsArgs,
) -> Infallible {
    loop {
        let hung_up = tokio::select! {
            Some(()) = hangup.recv() => true,
            () = reloads.wanted() => false,
        };
        let waiting = reloads.take();
        // One reload may have answered several clients already.
        if hung_up || !waiting.is_empty() {
            let done = reload(fabric, config, flags).await;
            for asked in waiting {
                // The client that asked may have gone.
                let _ = asked.send(done.clone());
            }
        }
    }
}

/// Loads the declared agents. A type that fails is down until a reload, and the
/// others are served.
///
/// # Errors
/// The settings declare types, all of them failed, and there is nothing else to serve; or
/// the agents folder that they name cannot be used.
async fn load(
    fabric: &Arc<Fabric>,
    agents: &BTreeMap<String, AgentDeclaration>,
    output: &Output,
) -> anyhow::Result<()> {
    let bar = Bar::new(*output, "loading agents");
    let applied = fabric.apply_agents(agents, |name| bar.say(name)).await;
    let others = fabric.load_agent_types(|name| bar.say(name)).await;
    drop(bar);
    if fabric.check_running().is_err() {
        // A signal came first: how the host ends is what counts, not what it did not start.
        return std::future::pending().await;
    }
    let others = others?;
    let (mut names, mut down) = (BTreeSet::new(), Vec::new());
    for one in applied {
        names.insert(one.name.clone());
        one.log(AppliedBy::Start);
        if let Outcome::Failed(error) = one.outcome {
            down.push((one.name, error));
        }
    }
    // A type that two places declare is one. The log has the reasons of these already.
    names.extend(others.into_iter().map(|one| one.name));
    let count = names.len();
    let are_down = fabric.agent_types_down();
    let up = names.iter().filter(|name| !are_down.contains_key(*name)).count();
    if up == 0
        && let Some((name, error)) = down.into_iter().next()
    {
        return Err(anyhow::Error::from(error).context(format!("agents.{name}")));
    }
    output.note(&match up {
        up if up == count => format!("{count} agent types are up"),
        up => format!(
            "{up} of {count} agent types are up; the log says why the others are not; `chimera \
             reload` tries them again, and a file of the agents folder that is refused is tried \
             when it changes"
        ),
    });
    Ok(())
}

/// Applies the file as it is now. A file that cannot be read changes nothing; an
/// agent type that fails stays as it was. Both are logged.
async fn reload(fabric: &Fabric, config: &FabricConfig, flags: &SettingsArgs) -> ReloadDone {
    fabric.check_running().map_err(|error| {
        let error = error.to_string();
        log_no_reload(&error);
        error
    })?;
    let settings = settings::resolve(flags).map_err(|error| {
        let error = format!("{error:#}");
        log_no_reload(&error);
        error
    })?;
    let agent_types = settings.agents.len();
    tracing::info!(
        target: EXECUTOR_LOG, code = "reload", agent_types, "the settings were read again"
    );
    let needs_restart = config.changed(&settings.config);
    if !needs_restart.is_empty() {
        let settings = needs_restart.join(", ");
        tracing::warn!(settings, "changed settings other than agents take effect at a restart");
    }
    let applied = fabric.apply_agents(&settings.agents, |_| {}).await;
    for one in &applied {
        one.log(AppliedBy::Reload);
    }
    let agents = applied.into_iter().map(reloaded).collect();
    let needs_restart = needs_restart.into_iter().map(str::to_owned).collect();
    Ok(Arc::new(Reload { agents, needs_restart }))
}

fn log_no_reload(error: &str) {
    tracing::error!(target: EXECUTOR_LOG, code = "reload-refused", error, "nothing was reloaded");
}

/// `chimera reload`: has the host of the data folder do so.
pub(super) async fn ask_for_reload(config: &FabricConfig, output: &Output) -> anyhow::Result<Exit> {
    let Reload { agents: done, needs_restart } = client::required(config).await?.reload().await?;
    let failed = done.iter().any(|one| one.error.is_some());
    if output.is_json() {
        output.value(&done)?;
    } else {
        for Reloaded { agent_type, outcome, error, note } in &done {
            let why = error.as_ref().or(note.as_ref());
            let why = why.map(|why| format!(": {why}")).unwrap_or_default();
            output.line(&format!("{agent_type} {outcome}{why}"))?;
        }
    }
    for setting in needs_restart {
        output.note(&format!("{setting} has changed, which takes effect at a restart"));
    }
    Ok(if failed { Exit::BadInput } else { Exit::Success })
}
