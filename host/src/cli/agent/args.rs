//! The arguments of `chimera agent …` as they are typed.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::args::GrantArgs;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum AgentCommand {
    /// Make the crate of a new agent
    New(NewArgs),
    /// Build a crate into a component and print its path
    Build(BuildArgs),
    /// Say what a component is, imports, needs and can do
    Inspect(InspectArgs),
    /// Say whether a component meets the contract, and if not, where
    Check(CheckArgs),
}

impl AgentCommand {
    pub(in crate::cli) fn wants_json(&self) -> bool {
        match self {
            Self::New(args) => args.json,
            Self::Build(args) => args.json,
            Self::Inspect(args) => args.json,
            Self::Check(args) => args.json,
        }
    }
}

#[derive(Debug, Args)]
pub(in crate::cli) struct NewArgs {
    /// The folder to make; its last part names the crate
    pub(in crate::cli) folder: PathBuf,
    /// The SDK's folder; without it `guest-sdk` is looked for above the new
    /// folder, above this one and above the program
    #[arg(long, value_name = "FOLDER")]
    pub(in crate::cli) sdk: Option<PathBuf>,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct BuildArgs {
    /// The crate's folder
    #[arg(default_value = ".")]
    pub(in crate::cli) folder: PathBuf,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CheckArgs {
    /// A component, or a crate's folder, which is built first
    #[arg(value_name = "COMPONENT|FOLDER")]
    pub(in crate::cli) agent: PathBuf,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct InspectArgs {
    /// A component, or a crate's folder, which is built first
    #[arg(value_name = "COMPONENT|FOLDER")]
    pub(in crate::cli) agent: PathBuf,
    #[command(flatten)]
    pub(in crate::cli) grants: GrantArgs,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(in crate::cli) json: bool,
}
