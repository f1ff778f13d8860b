//! The command line: parse, run, map to an exit code.
//!
//! Everything it does goes through the library; only here are flags, the
//! environment and the terminal known.

mod agent;
mod args;
mod backend;
mod client;
mod component;
mod config;
mod evolve;
mod exit;
mod follow;
mod genome;
mod input;
mod keyvalue;
mod lines;
mod output;
mod progress;
mod queue;
mod run;
mod serve;
mod settings;
mod task;
mod top;
mod warnings;
mod weights;
mod wit;
mod work;

use std::io;
use std::pin::Pin;
use std::process::ExitCode;

use chimera_layer4_core::FabricConfig;
use chimera_layer4_core::config::TaskStoreKind;
use clap::Parser;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use self::args::agent::AgentCommand;
use self::args::flags::SettingsArgs;
use self::args::{Cli, Command};
use self::exit::Exit;
use self::output::Output;
use self::output::logging::{self, Log};
use self::settings::Settings;

/// Runs the program on the process's own arguments.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // clap prints help on standard output and mistakes on standard error.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Success.into() };
        }
    };
    let output = Output::new(cli.command.wants_json());
    match dispatch(cli, &output) {
        Ok(exit) => exit.into(),
        Err(error) => {
            output.error(&error);
            Exit::of(&error).into()
        }
    }
}

fn dispatch(cli: Cli, output: &Output) -> anyhow::Result<Exit> {
    if let Command::CompileComponent = cli.command {
        chimera_layer4_runtime::genome::worker::serve()?;
        return Ok(Exit::Success);
    }
    if let Command::Wit(args) = &cli.command {
        return wit::run(args, output);
    }
    let settings = settings::resolve(&cli.settings)?;
    chimera_layer4_fabric::raise_limit();
    let log = if matches!(cli.command, Command::Serve) { Log::Service } else { Log::OneShot };
    let _logging = logging::start(&settings.config, log)?;
    tracing::debug!(
        file = settings.layers.file(),
        data_dir = settings.config.data_dir.as_ref().map(|folder| folder.display().to_string()),
        agents = settings.agents.len(),
        "the settings are read"
    );
    if let Command::Config { command } = &cli.command {
        return config::run(&settings, command, output);
    }
    let runtime = runtime(settings.config.worker_threads)?;
    let done = runtime.block_on(until_signalled(cli.command, settings, cli.settings, output));
    // A guest may have left a thread waiting, for a pipe without a writer, say.
    runtime.shutdown_background();
    done
}

/// What agents and the API run on; `worker_threads` 0 is one thread for each processor.
fn runtime(worker_threads: usize) -> io::Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if worker_threads > 0 {
        builder.worker_threads(worker_threads);
    }
    builder.enable_all().build()
}

/// Runs a command to its end, or until a signal ends it.
async fn until_signalled(
    command: Command,
    settings: Settings,
    flags: SettingsArgs,
    output: &Output,
) -> anyhow::Result<Exit> {
    let mut config = settings.config.clone();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut interrupted = async || {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    // These commands shut down gracefully on the first signal.
    let (first, signalled) = tokio::sync::oneshot::channel();
    let signalled = async { drop(signalled.await) };
    let command = match command {
        Command::Work(args) => {
            let work = Box::pin(work::run(config, args, output, signalled));
            return until_signalled_twice(work, first, interrupted).await;
        }
        Command::Agent { command: AgentCommand::Dev(args) } => {
            config.queue.task_store = TaskStoreKind::Memory;
            let dev = Box::pin(agent::dev::run(config, args, output, signalled));
            return until_signalled_twice(dev, first, interrupted).await;
        }
        Command::Serve => {
            let serve = Box::pin(serve::run(settings, flags, output, signalled));
            return until_signalled_twice(serve, first, interrupted).await;
        }
        command => command,
    };
    // One-shot runs keep nothing, so that several may go on at once.
    let kept = matches!(
        command,
        Command::Task { .. }
            | Command::DeadLetters { .. }
            | Command::Genome { .. }
            | Command::KeyValue { .. }
            | Command::Evolve(_)
    );
    if !kept {
        config.queue.task_store = TaskStoreKind::Memory;
    }
    tokio::select! {
        // A signal that came first counts, also when the work ended by it.
        biased;
        () = interrupted() => Ok(Exit::Interrupted),
        done = one_shot(config, command, output) => done,
    }
}

/// Has `work` shut down on the first signal. A second signal ends it at once.
async fn until_signalled_twice(
    mut work: Pin<Box<dyn Future<Output = anyhow::Result<Exit>> + '_>>,
    first: tokio::sync::oneshot::Sender<()>,
    mut interrupted: impl AsyncFnMut(),
) -> anyhow::Result<Exit> {
    tokio::select! {
        biased;
        () = interrupted() => drop(first.send(())),
        done = &mut work => return done,
    }
    tokio::select! {
        biased;
        () = interrupted() => Ok(Exit::Interrupted),
        done = work => done,
    }
}

async fn one_shot(config: FabricConfig, command: Command, output: &Output) -> anyhow::Result<Exit> {
    match command {
        Command::Run(args) => run::run(config, args, output).await,
        Command::Agent { command } => agent::run(config, command, output).await,
        Command::Task { command } => queue::task(config, command, output).await,
        Command::DeadLetters { command } => queue::dead_letters(config, command, output).await,
        Command::Top(args) => top::run(&config, &args, output).await,
        Command::Genome { command } => genome::run(config, command, output).await,
        Command::Rollout { command } => genome::rollout::run(&config, command, output).await,
        Command::Evolve(args) => evolve::run(config, *args, output).await,
        Command::KeyValue { command } => keyvalue::run(config, command, output).await,
        Command::Reload { .. } => serve::ask_for_reload(&config, output).await,
        // They are run before this.
        Command::Work(_)
        | Command::Serve
        | Command::Config { .. }
        | Command::Wit(_)
        | Command::CompileComponent => Ok(Exit::Success),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_says_how_many_threads_work() {
        assert_eq!(runtime(3).unwrap().metrics().num_workers(), 3);
        let processors = std::thread::available_parallelism().unwrap().get();
        assert_eq!(runtime(0).unwrap().metrics().num_workers(), processors);
    }
}
