//! The arguments as they are typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::exit;

/// Runs AI agents that are untrusted WebAssembly components, inside enforced quotas.
#[derive(Debug, Parser)]
#[command(name = "chimera", version, about, after_help = exit::HELP, max_term_width = 100)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) settings: SettingsArgs,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Settings of the host. Each has a variable and a line in `chimera.toml`; a flag wins.
#[derive(Debug, Default, Args)]
pub(super) struct SettingsArgs {
    /// Settings file; without it `chimera.toml` in this folder, if it is there
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Folder for compiled code [default: ~/.local/share/chimera]
    #[arg(long, global = true, value_name = "FOLDER")]
    pub(super) data_dir: Option<PathBuf>,
    /// Detailed logging on standard error
    #[arg(long, global = true)]
    pub(super) debug: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run one task on an agent and print the result and what it cost
    #[command(after_help = RUN_HELP)]
    Run(RunArgs),
    /// Make, build and look at agents
    Agent {
        #[command(subcommand)]
        command: AgentCommand,
    },
    /// The compiling child of a host
    #[command(name = crate::fabric::COMPILE_COMMAND, hide = true)]
    CompileComponent,
}

const RUN_HELP: &str = "\
Examples:
  chimera run agent.wasm --task '{\"text\": \"hello\"}'
  chimera run my-agent/ --task @rows.json --quota memory=64,time=10
  cat task.json | chimera run agent.wasm --task - --json";

#[derive(Debug, Subcommand)]
pub(super) enum AgentCommand {
    /// Make the crate of a new agent
    New(NewArgs),
    /// Build a crate into a component and print its path
    Build(BuildArgs),
    /// Say what a component is, imports, needs and can do
    Inspect(InspectArgs),
    /// Say whether a component meets the contract, and if not, where
    Check(CheckArgs),
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// The agent: a component, or a crate's folder, which is built first
    #[arg(value_name = "COMPONENT|FOLDER")]
    pub(super) agent: PathBuf,
    /// The task's payload: JSON, @FILE or - for standard input. A file of
    /// another kind, such as CSV, is handed over as one JSON string
    #[arg(long, value_name = "JSON|@FILE|-", default_value = "null")]
    pub(super) task: String,
    /// Limits, as cpu=CORES, memory=MIB, time=SECONDS; the rest keep their defaults
    #[arg(long, value_name = "KEY=VALUE", value_delimiter = ',')]
    pub(super) quota: Vec<String>,
    #[command(flatten)]
    pub(super) grants: GrantArgs,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(super) json: bool,
    /// Run the task this often on the same agent and print the spread
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) repeat: u32,
    /// Give each task an instance of its own
    #[arg(long)]
    pub(super) fresh: bool,
}

#[derive(Debug, Default, Args)]
pub(super) struct GrantArgs {
    /// Grant an environment variable
    #[arg(long, value_name = "NAME=VALUE")]
    pub(super) env: Vec<String>,
    /// Set a parameter of the agent; a value that is not JSON is taken as text
    #[arg(long, value_name = "NAME=VALUE")]
    pub(super) param: Vec<String>,
    /// Grant a folder, to read; with ::rw at the end also to write
    #[arg(long, value_name = "HOST::GUEST")]
    pub(super) dir: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct NewArgs {
    /// The folder to make; its last part names the crate
    pub(super) folder: PathBuf,
    /// The SDK's folder; without it `guest-sdk` is looked for above the new
    /// folder, above this one and above the program
    #[arg(long, value_name = "FOLDER")]
    pub(super) sdk: Option<PathBuf>,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct BuildArgs {
    /// The crate's folder
    #[arg(default_value = ".")]
    pub(super) folder: PathBuf,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// A component, or a crate's folder, which is built first
    #[arg(value_name = "COMPONENT|FOLDER")]
    pub(super) agent: PathBuf,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// A component, or a crate's folder, which is built first
    #[arg(value_name = "COMPONENT|FOLDER")]
    pub(super) agent: PathBuf,
    #[command(flatten)]
    pub(super) grants: GrantArgs,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(super) json: bool,
}

impl Command {
    pub(super) fn wants_json(&self) -> bool {
        match self {
            Command::Run(args) => args.json,
            Command::Agent { command } => match command {
                AgentCommand::New(args) => args.json,
                AgentCommand::Build(args) => args.json,
                AgentCommand::Inspect(args) => args.json,
                AgentCommand::Check(args) => args.json,
            },
            Command::CompileComponent => false,
        }
    }
}
