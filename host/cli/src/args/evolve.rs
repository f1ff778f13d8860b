//! The arguments of `chimera evolve`.

use std::path::PathBuf;

use clap::Args;

use super::flags::JsonArg;

#[derive(Debug, Args)]
#[group(id = "source", required = true, multiple = false, args = ["candidates", "command"])]
pub(crate) struct EvolveArgs {
    /// The agent type that the tasks are for
    pub(crate) agent_type: String,
    /// What it begins with: a component, or a project's folder, which is built
    /// first. Without it, the genome in charge of the type in the data folder
    #[arg(long, value_name = "COMPONENT|FOLDER")]
    pub(crate) start: Option<PathBuf>,
    /// Candidates are the files of this folder, by name, each once
    #[arg(long, value_name = "FOLDER")]
    pub(crate) candidates: Option<PathBuf>,
    /// Candidates are made by this program, which is run without a shell: it
    /// reads one JSON document and prints the path of a component
    #[arg(long, value_name = "PROGRAM ARGUMENT", num_args = 1..)]
    pub(crate) command: Vec<String>,
    /// More arguments of the program, which may begin with a dash
    #[arg(last = true, value_name = "ARGUMENT", requires = "command")]
    pub(crate) arguments: Vec<String>,
    /// Seconds that the program has for one candidate
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    pub(crate) generator_timeout: f64,
    /// Tasks to judge by: a JSON object with a `payload` to a line, and with the
    /// `expected` output where it is known
    #[arg(long, value_name = "FILE")]
    pub(crate) tasks: PathBuf,
    /// Tasks that nothing is judged by, to show the best on at the end
    #[arg(long, value_name = "FILE")]
    pub(crate) held_out: Option<PathBuf>,
    /// How many generations; more than the last time goes on from there
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) generations: u32,
    /// Candidates in each
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub(crate) population: u32,
    /// Genomes that are kept as parents, where there is no --axis
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub(crate) elites: usize,
    /// Where an output says how good it is, as a JSON pointer; higher is better
    #[arg(long, value_name = "POINTER")]
    pub(crate) objective: Option<String>,
    /// Something to tell elites apart by, so that the fittest of every kind are
    /// kept; may be given several times
    #[arg(long, value_name = "NAME=POINTER:LOW..HIGH/CELLS")]
    pub(crate) axis: Vec<String>,
    /// How much a measure counts: success, agreement, latency, cpu, memory,
    /// size or objective
    #[arg(long, value_name = "MEASURE=WEIGHT", value_delimiter = ',')]
    pub(crate) weight: Vec<String>,
    /// What all chance follows from
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Processor time for all runs together
    #[arg(long, value_name = "SECONDS")]
    pub(crate) cpu_budget: Option<f64>,
    /// Limits of each candidate, as cpu=CORES, memory=MIB, time=SECONDS, network=MBPS
    #[arg(long, value_name = "KEY=VALUE", value_delimiter = ',')]
    pub(crate) quota: Vec<String>,
    /// Begin anew, and forget the evolution that is there of the agent type
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Hand the best over: to the host that serves the data folder, where its
    /// trial decides; without one it is stored
    #[arg(long)]
    pub(crate) rollout: bool,
    #[command(flatten)]
    pub(crate) json: JsonArg,
}

/// After the options in the help.
pub(crate) const HELP: &str = "\
The program reads, for each candidate:
  {\"protocol\": 1, \"agent_type\": \"…\", \"generation\": N, \"seed\": N, \"out\": FOLDER,
   \"parents\": [{\"digest\": \"sha256:…\", \"path\": FILE, \"fitness\": …, \"evidence\": …}]}

Interrupted or killed, the same command goes on where it was.

Example:
  chimera evolve packer --start packer.wasm --command target/release/examples/variant \\
    --tasks train.jsonl --held-out held-out.jsonl --objective /score --generations 30";
