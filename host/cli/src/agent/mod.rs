//! `chimera agent …`: make, build, check, look at and deploy agents.

mod build;
mod check;
mod conformance;
mod deploy;
pub(super) mod dev;
mod inspect;
mod new;
mod refine;

use chimera_layer4_core::FabricConfig;

use super::args::agent::AgentCommand;
use super::exit::Exit;
use super::output::Output;

pub(super) async fn run(
    config: FabricConfig,
    command: AgentCommand,
    output: &Output,
) -> anyhow::Result<Exit> {
    match command {
        AgentCommand::New(args) => new::new(&args, output),
        AgentCommand::Build(args) => build::build(&args, output).await,
        AgentCommand::Inspect(args) => inspect::inspect(config, args, output).await,
        // It handles signals itself, and is run before this.
        AgentCommand::Dev(_) => Ok(Exit::Success),
        AgentCommand::Check(args) => check::check(config, *args, output).await,
        AgentCommand::Deploy(args) => deploy::deploy(&config, args, output).await,
        AgentCommand::Retire(args) => deploy::retire(&config, &args, output).await,
        AgentCommand::Refine(args) => refine::refine(&config, args, output).await,
        AgentCommand::Refinement(args) => refine::show(&config, &args, output).await,
        AgentCommand::Unrefine(args) => refine::undo(&config, args, output).await,
    }
}

fn size(bytes: u64) -> String {
    if bytes < 1 << 20 {
        format!("{:.1} KiB", bytes as f64 / 1024.0)
    } else {
        format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
    }
}
