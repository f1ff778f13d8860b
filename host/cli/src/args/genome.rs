//! The arguments of `chimera genome` and `chimera rollout`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::flags::JsonArg;

#[derive(Debug, Subcommand)]
pub(crate) enum GenomeCommand {
    /// Check a component and store it; nothing takes over by that
    Push(PushArgs),
    /// The stored genomes
    List {
        #[command(flatten)]
        json: JsonArg,
    },
    /// All that is known of a genome
    Show(OneArgs),
    /// Which genomes an agent type had, as a tree
    History {
        /// The agent type
        agent_type: String,
        #[command(flatten)]
        json: JsonArg,
    },
    /// How a genome differs from another
    Diff {
        /// The one: its digest, or the start of it
        from: String,
        /// The other
        to: String,
        #[command(flatten)]
        json: JsonArg,
    },
    /// Run the same tasks on a genome and on the one in charge
    Bench(BenchArgs),
    /// Put a genome in charge of an agent type at once
    Promote(PromoteArgs),
    /// Put the previous genome back in charge
    Rollback {
        /// The agent type
        agent_type: String,
        #[command(flatten)]
        json: JsonArg,
    },
    /// Protect a genome from `genome gc`
    Pin(OneArgs),
    /// Let `genome gc` remove a pinned genome again
    Unpin(OneArgs),
    /// Hash every stored genome; what is damaged is put aside
    Verify {
        #[command(flatten)]
        json: JsonArg,
    },
    /// Remove genomes that are not in use; the record of them stays
    Gc(GcArgs),
}

#[derive(Debug, Args)]
pub(crate) struct PushArgs {
    /// A component, a project's folder, which is built first, or an OCI layout
    /// and, where it has several, the tag or the manifest's digest
    #[arg(value_name = "COMPONENT|FOLDER|oci:LAYOUT[:REFERENCE]")]
    pub(crate) component: PathBuf,
    /// The agent type that it is for: it is tried with that type's settings
    #[arg(long = "type", value_name = "NAME")]
    pub(crate) agent_type: Option<String>,
    /// Who made it
    #[arg(long, default_value = "")]
    pub(crate) author: String,
    /// The genome that it was made from
    #[arg(long, value_name = "GENOME")]
    pub(crate) parent: Option<String>,
    /// How many recorded tasks of the type it must pass
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) samples: usize,
    /// An interface that it may import although its parent does not
    #[arg(long, value_name = "INTERFACE", value_delimiter = ',')]
    pub(crate) allow: Vec<String>,
    #[command(flatten)]
    pub(crate) json: JsonArg,
}

#[derive(Debug, Args)]
pub(crate) struct OneArgs {
    /// The genome: its digest, or the start of it
    pub(crate) genome: String,
    #[command(flatten)]
    pub(crate) json: JsonArg,
}

#[derive(Debug, Args)]
pub(crate) struct PromoteArgs {
    /// The agent type
    pub(crate) agent_type: String,
    /// The genome: its digest, or the start of it
    pub(crate) genome: String,
    #[command(flatten)]
    pub(crate) json: JsonArg,
}

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// The agent type
    pub(crate) agent_type: String,
    /// The genome: its digest, or the start of it
    pub(crate) genome: String,
    /// Tasks, a JSON object with a `payload` to a line; without it, recorded ones
    #[arg(long, value_name = "FILE")]
    pub(crate) tasks: Option<PathBuf>,
    /// How much a measure counts: success, agreement, latency, cpu, memory or size
    #[arg(long, value_name = "MEASURE=WEIGHT", value_delimiter = ',')]
    pub(crate) weight: Vec<String>,
    #[command(flatten)]
    pub(crate) json: JsonArg,
}

#[derive(Debug, Args)]
pub(crate) struct GcArgs {
    /// Generations of ancestors that stay behind each genome in use [default: 10]
    #[arg(long, value_name = "N")]
    pub(crate) ancestors: Option<usize>,
    /// Days that a genome stays after the last thing that happened to it [default: 30]
    #[arg(long, value_name = "DAYS")]
    pub(crate) quiet_days: Option<u32>,
    #[command(flatten)]
    pub(crate) json: JsonArg,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RolloutCommand {
    /// Give a genome a share of an agent type's tasks, more by steps
    Start(StartArgs),
    /// Show rollouts
    Show {
        /// Only of this agent type
        agent_type: Option<String>,
        #[command(flatten)]
        json: JsonArg,
    },
    /// Put the candidate in charge now
    Promote {
        /// The agent type
        agent_type: String,
        #[command(flatten)]
        json: JsonArg,
    },
    /// End the trial and leave the champion in charge
    Abort {
        /// The agent type
        agent_type: String,
        #[command(flatten)]
        json: JsonArg,
    },
}

#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    /// The agent type
    pub(crate) agent_type: String,
    /// The genome: its digest, or the start of it
    pub(crate) genome: String,
    /// Shares of the tasks, rising [default: 0.05,0.25,0.5]
    #[arg(long, value_name = "SHARE", value_delimiter = ',')]
    pub(crate) steps: Vec<f64>,
    /// Runs at each step before the next [default: 100]
    #[arg(long, value_name = "N")]
    pub(crate) step_tasks: Option<u64>,
    /// Runs of the candidate after which the trial ends, decided or not [default: 10000]
    #[arg(long, value_name = "N")]
    pub(crate) most_tasks: Option<u64>,
    /// Put it in charge also if the trial ends undecided
    #[arg(long)]
    pub(crate) promote_when_unsure: bool,
    #[command(flatten)]
    pub(crate) json: JsonArg,
}

impl GenomeCommand {
    pub(crate) fn wants_json(&self) -> bool {
        match self {
            GenomeCommand::Push(args) => args.json.json,
            GenomeCommand::Show(args) | GenomeCommand::Pin(args) | GenomeCommand::Unpin(args) => {
                args.json.json
            }
            GenomeCommand::Bench(args) => args.json.json,
            GenomeCommand::Promote(args) => args.json.json,
            GenomeCommand::Gc(args) => args.json.json,
            GenomeCommand::List { json }
            | GenomeCommand::History { json, .. }
            | GenomeCommand::Diff { json, .. }
            | GenomeCommand::Rollback { json, .. }
            | GenomeCommand::Verify { json } => json.json,
        }
    }
}

impl RolloutCommand {
    pub(crate) fn wants_json(&self) -> bool {
        match self {
            RolloutCommand::Start(args) => args.json.json,
            RolloutCommand::Show { json, .. }
            | RolloutCommand::Promote { json, .. }
            | RolloutCommand::Abort { json, .. } => json.json,
        }
    }
}
