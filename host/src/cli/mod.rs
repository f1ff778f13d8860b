//! The command line: parse, run, map to an exit code.
//!
//! Everything it does goes through the library; only here are flags, the
//! environment and the terminal known.

mod agent;
mod args;
mod component;
mod exit;
mod output;
mod progress;
mod run;
mod settings;
mod task;

use std::process::ExitCode;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use self::args::{AgentCommand, Cli, Command};
use self::exit::Exit;
use self::output::Output;

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
    let config = settings::resolve(&cli.settings)?;
    output.start_logging(config.debug_mode);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let work = async {
        match cli.command {
            Command::Run(args) => run::run(config, args, output).await,
            Command::Agent { command } => match command {
                AgentCommand::New(args) => agent::new(&args, output),
                AgentCommand::Build(args) => agent::build(&args, output).await,
                AgentCommand::Inspect(args) => agent::inspect(config, args, output).await,
                AgentCommand::Check(args) => agent::check(config, args, output).await,
            },
            Command::CompileComponent => Ok(Exit::Success),
        }
    };
    let done = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            // A signal that came first counts, also when the work ended by it.
            biased;
            _ = tokio::signal::ctrl_c() => Ok(Exit::Interrupted),
            _ = terminate.recv() => Ok(Exit::Interrupted),
            done = work => done,
        }
    });
    // A guest may have left a thread waiting, for a pipe without a writer, say.
    runtime.shutdown_background();
    done
}
