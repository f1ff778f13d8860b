//! The arguments as they are typed.

use std::path::PathBuf;

use chimera_layer4_core::scheduler::{DeadReason, TaskState};
use chimera_layer4_core::{Priority, TaskId};
use clap::{Args, Parser, Subcommand};

pub(crate) mod agent;
pub(crate) mod evolve;
pub(crate) mod flags;
pub(crate) mod genome;

use self::agent::AgentCommand;
use self::evolve::EvolveArgs;
use self::flags::{GrantArgs, JsonArg, SettingsArgs};
use self::genome::{GenomeCommand, RolloutCommand};
use crate::exit;

/// Runs AI agents that are untrusted WebAssembly components, inside enforced quotas.
#[derive(Debug, Parser)]
#[command(name = "chimera", version, about, after_help = exit::HELP, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run one task on an agent and print the result and what it cost
    #[command(after_help = RUN_HELP)]
    Run(RunArgs),
    /// Make, build and look at agents
    Agent {
        #[command(subcommand)]
        command: AgentCommand,
    },
    /// Run the host as a service: its HTTP API, its metrics, the agents of the settings file
    #[command(after_help = SERVE_HELP)]
    Serve,
    /// Have the host of the data folder apply its settings file as it is now
    Reload {
        #[command(flatten)]
        json: JsonArg,
    },
    /// A live view of the host that serves the data folder
    Top(TopArgs),
    /// Look at the settings
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Run what waits in the queue, and what --tasks adds, until nothing is left
    #[command(after_help = WORK_HELP)]
    Work(WorkArgs),
    /// The queue of a data folder, through the host that serves it where there is one
    Task {
        #[command(subcommand)]
        command: TaskCommand,
    },
    /// Tasks that ended without a result: look at them, run them again, forget them
    DeadLetters {
        #[command(subcommand)]
        command: DeadLettersCommand,
    },
    /// Versions of agents: what is stored, what became of it, what is in charge
    Genome {
        #[command(subcommand)]
        command: GenomeCommand,
    },
    /// What agents keep by key in a data folder, through the host that serves it where there is one
    #[command(name = "keyvalue")]
    KeyValue {
        #[command(subcommand)]
        command: KeyValueCommand,
    },
    /// A version on trial in the host that serves the data folder
    Rollout {
        #[command(subcommand)]
        command: RolloutCommand,
    },
    /// Make an agent better: candidates are tried on tasks, the fittest have offspring
    #[command(after_help = evolve::HELP)]
    Evolve(Box<EvolveArgs>),
    /// The contract between a host and its agents, as WIT
    Wit(WitArgs),
    /// The compiling child of a host
    #[command(name = chimera_layer4_fabric::COMPILE_COMMAND, hide = true)]
    CompileComponent,
}

const RUN_HELP: &str = "\
Examples:
  chimera run agent.wasm --task '{\"text\": \"hello\"}'
  chimera run my-agent/ --task @rows.json --quota memory=64,time=10
  cat task.json | chimera run agent.wasm --task - --json";

const WORK_HELP: &str = "\
Each line of --tasks is a JSON object:
  {\"payload\": …, \"type\": \"…\", \"priority\": \"high\", \"id\": UUID, \"key\": \"…\",
   \"deadline\": SECONDS, \"delay\": SECONDS, \"attempts\": N, \"metadata\": {\"…\": \"…\"}}
Only the payload is needed, and the type where there are several agents.

Examples:
  chimera work --agent echo.wasm --tasks tasks.jsonl > results.jsonl
  chimera work --agent parser=my-agent/ --agent echo.wasm --keep-running";

const SERVE_HELP: &str = "\
Agents are declared in the settings file:
  [agents.echo]
  component = \"echo.wasm\"
  instances = 2
  quota = { max_memory_mb = 64 }

SIGHUP applies a changed file without dropping a task; SIGTERM lets tasks that
run finish, and ends.";

#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    /// Print one view and end
    #[arg(long)]
    pub(crate) once: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say whether the settings are good, and everything that is wrong
    Check {
        #[command(flatten)]
        json: JsonArg,
    },
    /// Print each setting and where it comes from
    Show {
        #[command(flatten)]
        json: JsonArg,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum TaskCommand {
    /// Put a task in the queue and print its id
    Submit(SubmitArgs),
    /// All that is known of a task
    Show {
        /// The task
        id: TaskId,
        #[command(flatten)]
        json: JsonArg,
    },
    /// What the agent logged and printed at the end of each attempt that failed
    Logs {
        /// The task
        id: TaskId,
        #[command(flatten)]
        json: JsonArg,
    },
    /// List tasks: of one state in the order of their time, of all in the order of submission
    List(ListArgs),
    /// Cancel tasks
    Cancel {
        /// The tasks
        #[arg(required = true)]
        ids: Vec<TaskId>,
        #[command(flatten)]
        json: JsonArg,
    },
    /// Forget tasks that have ended
    Purge {
        /// The tasks
        #[arg(required = true)]
        ids: Vec<TaskId>,
        #[command(flatten)]
        json: JsonArg,
    },
    /// Count what waits and what has ended
    Stats {
        #[command(flatten)]
        json: JsonArg,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeadLettersCommand {
    /// Dead letters, oldest first
    List(DeadListArgs),
    /// Input, every attempt's error and the result of one
    Show {
        /// The task
        id: TaskId,
        #[command(flatten)]
        json: JsonArg,
    },
    /// Put them back in the queue, with all their attempts
    Requeue(PickArgs),
    /// Delete them; this cannot be undone
    Purge(PurgeArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyValueCommand {
    /// The agent types that keep anything, and how many bytes
    List {
        #[command(flatten)]
        json: JsonArg,
    },
    /// Remove all that an agent type keeps; this cannot be undone
    Clear {
        /// The agent type
        #[arg(value_name = "TYPE")]
        agent_type: String,
        #[command(flatten)]
        json: JsonArg,
    },
}

#[derive(Debug, Args)]
pub(crate) struct WitArgs {
    /// Write the package's files into this folder, for tools that read one
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
    /// Print what changed from version to version instead
    #[arg(long, conflicts_with = "out")]
    pub(crate) changes: bool,
    #[command(flatten)]
    pub(crate) json: JsonArg,
}

#[derive(Debug, Args)]
pub(crate) struct SubmitArgs {
    /// The agent type that it is for
    #[arg(long = "type", value_name = "NAME")]
    pub(crate) agent_type: String,
    /// The payload: JSON, @FILE or - for standard input
    #[arg(long, value_name = "JSON|@FILE|-", default_value = "null")]
    pub(crate) task: String,
    /// critical, high, normal, low or background
    #[arg(long, value_name = "CLASS", default_value = "normal", value_parser = priority)]
    pub(crate) priority: Priority,
    /// An idempotency key: a second task with the same key is the same task
    #[arg(long, value_name = "NAME")]
    pub(crate) key: Option<String>,
    /// Deadline in seconds from now: the task ends by then
    #[arg(long, value_name = "SECONDS")]
    pub(crate) deadline: Option<u64>,
    /// Seconds until the first run may begin
    #[arg(long, value_name = "SECONDS")]
    pub(crate) delay: Option<u64>,
    /// Runs that may be begun [default: 3]
    #[arg(long, value_name = "N")]
    pub(crate) attempts: Option<u32>,
    /// A label for people who look at the task, which the agent sees too; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) metadata: Vec<String>,
    /// Its id; by default the program makes one
    #[arg(long, value_name = "UUID")]
    pub(crate) id: Option<TaskId>,
    /// Limits, as cpu=CORES, memory=MIB, time=SECONDS, network=MBPS; the rest keep their defaults
    #[arg(long, value_name = "KEY=VALUE", value_delimiter = ',')]
    pub(crate) quota: Vec<String>,
    /// Wait until the host that serves the folder has run it, and print its output
    #[arg(long)]
    pub(crate) wait: bool,
    #[command(flatten)]
    pub(crate) json: JsonArg,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// waiting, delayed, claimed, running, succeeded, dead, cancelled or all
    #[arg(long, value_name = "STATE", default_value = "waiting", value_parser = state)]
    pub(crate) state: Listed,
    /// Those that failed for good, the latest first: `--state dead --newest`
    #[arg(long, conflicts_with = "state")]
    pub(crate) failed: bool,
    #[command(flatten)]
    pub(crate) page: PageArgs,
    #[command(flatten)]
    pub(crate) json: JsonArg,
}

/// What `--state` names: one state, or all of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listed(pub(crate) Option<TaskState>);

/// Which tasks of a list, and in which order.
#[derive(Debug, Args)]
pub(crate) struct PageArgs {
    /// Only of this agent type
    #[arg(long = "type", value_name = "NAME")]
    pub(crate) agent_type: Option<String>,
    /// Only of this class: critical, high, normal, low or background
    #[arg(long, value_name = "CLASS", value_parser = priority)]
    pub(crate) priority: Option<Priority>,
    /// Only dead letters of this reason: invalid-input, failed, over-quota,
    /// attempts-exhausted, expired, host-crash, host-fault or unreadable
    #[arg(long, value_name = "REASON", value_parser = reason)]
    pub(crate) reason: Option<DeadReason>,
    /// The latest first
    #[arg(long)]
    pub(crate) newest: bool,
    /// At the most so many
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: usize,
    /// Go on after this task, the last of the page before
    #[arg(long, value_name = "UUID")]
    pub(crate) after: Option<TaskId>,
}

#[derive(Debug, Args)]
pub(crate) struct DeadListArgs {
    #[command(flatten)]
    pub(crate) page: PageArgs,
    #[command(flatten)]
    pub(crate) json: JsonArg,
}

#[derive(Debug, Args)]
pub(crate) struct PickArgs {
    /// The tasks
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub(crate) ids: Vec<TaskId>,
    /// Every dead letter
    #[arg(long)]
    pub(crate) all: bool,
    /// With --all: only of this agent type
    #[arg(long = "type", value_name = "NAME", requires = "all")]
    pub(crate) agent_type: Option<String>,
    /// With --all: only of this reason, as in `dead-letters list`
    #[arg(long, value_name = "REASON", requires = "all", value_parser = reason)]
    pub(crate) reason: Option<DeadReason>,
    #[command(flatten)]
    pub(crate) json: JsonArg,
}

#[derive(Debug, Args)]
pub(crate) struct PurgeArgs {
    #[command(flatten)]
    pub(crate) pick: PickArgs,
    /// With --all: do not ask first
    #[arg(long, requires = "all")]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WorkArgs {
    /// An agent for the tasks of a type, which without a name is the file's;
    /// may be given several times
    #[arg(long, value_name = "[TYPE=]COMPONENT|FOLDER", required = true)]
    pub(crate) agent: Vec<String>,
    /// Submit the tasks in this file, one to a line; - for standard input
    #[arg(long, value_name = "FILE|-")]
    pub(crate) tasks: Option<PathBuf>,
    /// Go on when nothing is left, until SIGTERM or SIGINT
    #[arg(long)]
    pub(crate) keep_running: bool,
    /// Limits of each agent, as cpu=CORES, memory=MIB, time=SECONDS, network=MBPS
    #[arg(long, value_name = "KEY=VALUE", value_delimiter = ',')]
    pub(crate) quota: Vec<String>,
    #[command(flatten)]
    pub(crate) grants: GrantArgs,
    /// Print events as JSON, one to a line: submitted, refused, ended
    #[arg(long)]
    pub(crate) json: bool,
}

/// A word that serde knows too.
fn word<T: serde::de::DeserializeOwned>(typed: &str, known: &str) -> Result<T, String> {
    serde_json::from_value(typed.into()).map_err(|_| format!("allowed is {known}"))
}

fn priority(typed: &str) -> Result<Priority, String> {
    word(typed, "critical, high, normal, low or background")
}

fn reason(typed: &str) -> Result<DeadReason, String> {
    word(typed, &DeadReason::ALL.map(|reason| reason.to_string()).join(", "))
}

fn state(typed: &str) -> Result<Listed, String> {
    if typed == "all" {
        return Ok(Listed(None));
    }
    let known = "waiting, delayed, claimed, running, succeeded, dead, cancelled or all";
    word(typed, known).map(|state| Listed(Some(state)))
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The agent: a component, or a project's folder, which is built first
    #[arg(value_name = "COMPONENT|FOLDER")]
    pub(crate) agent: PathBuf,
    /// The task's payload: JSON, @FILE or - for standard input. A file of
    /// another kind, such as CSV, is handed over as one JSON string
    #[arg(long, value_name = "JSON|@FILE|-", default_value = "null")]
    pub(crate) task: String,
    /// Limits, as cpu=CORES, memory=MIB, time=SECONDS, network=MBPS; the rest keep their defaults
    #[arg(long, value_name = "KEY=VALUE", value_delimiter = ',')]
    pub(crate) quota: Vec<String>,
    #[command(flatten)]
    pub(crate) grants: GrantArgs,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
    /// Run the task this often on the same agent and print the spread
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) repeat: u32,
    /// Give each task an instance of its own
    #[arg(long)]
    pub(crate) fresh: bool,
}

impl Command {
    pub(crate) fn wants_json(&self) -> bool {
        match self {
            Command::Run(args) => args.json,
            Command::Agent { command } => command.wants_json(),
            Command::Work(args) => args.json,
            Command::Task { command } => match command {
                TaskCommand::Submit(args) => args.json.json,
                TaskCommand::List(args) => args.json.json,
                TaskCommand::Show { json, .. }
                | TaskCommand::Logs { json, .. }
                | TaskCommand::Cancel { json, .. }
                | TaskCommand::Purge { json, .. }
                | TaskCommand::Stats { json } => json.json,
            },
            Command::DeadLetters { command } => match command {
                DeadLettersCommand::List(args) => args.json.json,
                DeadLettersCommand::Show { json, .. } => json.json,
                DeadLettersCommand::Requeue(args) => args.json.json,
                DeadLettersCommand::Purge(args) => args.pick.json.json,
            },
            Command::Config { command } => match command {
                ConfigCommand::Check { json } | ConfigCommand::Show { json } => json.json,
            },
            Command::KeyValue { command } => match command {
                KeyValueCommand::List { json } | KeyValueCommand::Clear { json, .. } => json.json,
            },
            Command::Reload { json } => json.json,
            Command::Genome { command } => command.wants_json(),
            Command::Rollout { command } => command.wants_json(),
            Command::Evolve(args) => args.json.json,
            Command::Wit(args) => args.json.json,
            Command::Serve | Command::Top(_) | Command::CompileComponent => false,
        }
    }
}
