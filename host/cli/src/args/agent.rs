//! The arguments of `chimera agent …` as they are typed.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};

use super::flags::GrantArgs;
use super::priority;
use chimera_layer4_core::Priority;
use chimera_layer4_toolchain::{Form, Language};

#[derive(Debug, Subcommand)]
pub(crate) enum AgentCommand {
    /// Make the project of a new agent
    New(NewArgs),
    /// Build a project into a component and print its path
    Build(BuildArgs),
    /// Build, check and run an agent again whenever its sources change
    #[command(after_help = DEV_HELP)]
    Dev(DevArgs),
    /// Say what a component is, imports, needs and can do
    Inspect(InspectArgs),
    /// Say whether a component meets the contract, and if not, where
    #[command(after_help = CHECK_HELP, mut_group("GrantArgs", |grants| grants.requires("run")))]
    Check(Box<CheckArgs>),
    /// Have the host that serves the data folder serve an agent type
    #[command(after_help = DEPLOY_HELP)]
    Deploy(DeployArgs),
    /// End an agent type that was deployed
    Retire(RetireArgs),
    /// Change what becomes of tasks that are submitted to an agent type from now on
    #[command(after_help = REFINE_HELP)]
    Refine(RefineArgs),
    /// Show the refinement of an agent type, and what was recorded of it
    Refinement(RefinementArgs),
    /// Take the refinement of an agent type back, to what counted before it
    Unrefine(UnrefineArgs),
}

impl AgentCommand {
    pub(crate) fn wants_json(&self) -> bool {
        match self {
            Self::New(args) => args.json,
            Self::Build(args) => args.json,
            Self::Dev(args) => args.json,
            Self::Inspect(args) => args.json,
            Self::Check(args) => args.json,
            Self::Deploy(args) => args.json,
            Self::Retire(args) => args.json,
            Self::Refine(args) => args.json,
            Self::Refinement(args) => args.json,
            Self::Unrefine(args) => args.json,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// The folder to make; its last part names the agent
    pub(crate) folder: PathBuf,
    /// The language to write it in
    #[arg(long, value_name = "LANGUAGE", default_value = Language::Rust.name(), value_parser = language())]
    pub(crate) lang: Language,
    /// For Rust, `typed` (the SDK's trait, for typed payloads and state) or `plain` (the
    /// specification's five methods, with JSON values) [default: typed]
    #[arg(long, value_name = "FORM", value_parser = form())]
    pub(crate) form: Option<Form>,
    /// For Rust, the SDK's folder; without it `guest-sdk` is looked for above
    /// the new folder, above this one and above the program, and where there is
    /// none the project names the SDK's version
    #[arg(long, value_name = "FOLDER")]
    pub(crate) sdk: Option<PathBuf>,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// The project's folder
    #[arg(default_value = ".")]
    pub(crate) folder: PathBuf,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

const CHECK_HELP: &str = "\
With --run the component is driven through the contract, and each thing that it
asks for is a line: pass, warn, fail or not seen, with the reason. A fail
gives the exit code 4; not seen is what no task led to.

Each line of --tasks is a JSON object, of which only the payload is needed:
  {\"payload\": …, \"type\": \"…\", \"metadata\": {\"…\": \"…\"}, \"expect\": \"invalid-input\"}
`type` is the declared task type that it is an example of; `expect` is result,
invalid-input, unavailable or failed.

Examples:
  chimera agent check --run my-agent/ --task '{\"text\": \"hello\"}'
  chimera agent check --run agent.wasm --tasks tasks.jsonl --bad-param limit=-1";

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// A component, or a project's folder, which is built first
    #[arg(value_name = "COMPONENT|FOLDER")]
    pub(crate) agent: PathBuf,
    /// Run it, too: tasks of every shape, calls in the wrong order, 10,000 tasks in a row
    #[arg(long)]
    pub(crate) run: bool,
    /// A payload that is to give a result; may be given several times. Without
    /// any, some common ones are tried
    #[arg(long, value_name = "JSON|@FILE", requires = "run")]
    pub(crate) task: Vec<String>,
    /// Tasks, one to a line
    #[arg(long, value_name = "FILE", requires = "run")]
    pub(crate) tasks: Option<PathBuf>,
    /// A parameter that `init` is to refuse
    #[arg(long, value_name = "NAME=VALUE", requires = "run")]
    pub(crate) bad_param: Vec<String>,
    /// Limits, as cpu=CORES, memory=MIB, time=SECONDS; the time is for each
    /// call, and 10 unless it is given
    #[arg(long, value_name = "KEY=VALUE", value_delimiter = ',', requires = "run")]
    pub(crate) quota: Vec<String>,
    #[command(flatten)]
    pub(crate) grants: GrantArgs,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

const DEV_HELP: &str = "\
A change that does not build, is no agent or does not start is reported with
the reason, and the last good version keeps running. State is carried over if
the agent exports it. With --type the new version replaces the agents of the
host that serves the data folder, otherwise an agent on a host of this command's
own. Ctrl-C ends the command.

Examples:
  chimera agent dev . --task '{\"text\": \"hello\"}'
  chimera agent dev . --task @rows.json --param limit=10 --dir data::/data
  chimera agent dev . --type parser";

#[derive(Debug, Args)]
pub(crate) struct DevArgs {
    /// The agent's folder
    #[arg(default_value = ".")]
    pub(crate) folder: PathBuf,
    /// Run this task on each new version: JSON or @FILE, which is read each time
    #[arg(long, value_name = "JSON|@FILE")]
    pub(crate) task: Option<String>,
    /// Swap into the agents of this type, in the host that serves the data folder
    #[arg(long = "type", value_name = "NAME", conflicts_with_all = ["quota", "GrantArgs"])]
    pub(crate) agent_type: Option<String>,
    /// With --type: an interface that it may import although the one in charge does not
    #[arg(long, value_name = "INTERFACE", value_delimiter = ',', requires = "agent_type")]
    pub(crate) allow: Vec<String>,
    /// Limits, as cpu=CORES, memory=MIB, time=SECONDS; the rest keep their defaults
    #[arg(long, value_name = "KEY=VALUE", value_delimiter = ',')]
    pub(crate) quota: Vec<String>,
    #[command(flatten)]
    pub(crate) grants: GrantArgs,
    /// Print events as JSON, one to a line: watching, changed, built, started,
    /// swapped, unchanged, ran, failed
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// A component, or a project's folder, which is built first
    #[arg(value_name = "COMPONENT|FOLDER")]
    pub(crate) agent: PathBuf,
    #[command(flatten)]
    pub(crate) grants: GrantArgs,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

const DEPLOY_HELP: &str = "\
The host keeps the type in its data folder and serves it after a restart, too.
Where the type was deployed before, its agents are replaced, and tasks that run
finish in the old ones. A folder is granted only on a host with an `api_token`.

Examples:
  chimera agent deploy parser parser/ --param limit=10
  chimera agent deploy parser parser.wasm --instances 2 --quota memory=64";

#[derive(Debug, Args)]
pub(crate) struct DeployArgs {
    /// The name that tasks target
    pub(crate) name: String,
    /// A component, or a project's folder, which is built first
    #[arg(value_name = "COMPONENT|FOLDER")]
    pub(crate) agent: PathBuf,
    /// Agents that run beside each other; with 0 the first task starts one
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    pub(crate) instances: u32,
    /// Limits, as cpu=CORES, memory=MIB, time=SECONDS; the rest keep their defaults
    #[arg(long, value_name = "KEY=VALUE", value_delimiter = ',')]
    pub(crate) quota: Vec<String>,
    /// Give each task an instance of its own
    #[arg(long)]
    pub(crate) fresh: bool,
    #[command(flatten)]
    pub(crate) grants: GrantArgs,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RetireArgs {
    /// The agent type's name
    pub(crate) name: String,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

const REFINE_HELP: &str = "\
It counts for tasks that are submitted from then on, in place of the refinement
before it, and after a restart of the host, too. What no flag names stays as the
submitter gave it. For --param the agents of the type are replaced, and tasks
that run finish in the old ones.

Examples:
  chimera agent refine parser --priority high --reason 'p95 is over 2 s'
  chimera agent refine parser --route-to parser-lite --author kpi-loop
  chimera agent refine parser --quota time=20,memory=256 --param limit=10";

#[derive(Debug, Args)]
pub(crate) struct RefineArgs {
    /// The agent type's name
    pub(crate) name: String,
    /// Send tasks to another agent type, or to a task type that agents support
    #[arg(long, value_name = "NAME")]
    pub(crate) route_to: Option<String>,
    /// The class of each task: critical, high, normal, low or background
    #[arg(long, value_name = "CLASS", value_parser = priority)]
    pub(crate) priority: Option<Priority>,
    /// The limits of each task, as cpu=CORES, memory=MIB, time=SECONDS, network=MBPS
    #[arg(long, value_name = "KEY=VALUE", value_delimiter = ',')]
    pub(crate) quota: Vec<String>,
    /// A parameter of the type's agents; a value that is not JSON is taken as text
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) param: Vec<String>,
    #[command(flatten)]
    pub(crate) by: RefinedByArgs,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RefinedByArgs {
    /// Who decides, for the record
    #[arg(long, value_name = "NAME", default_value = "")]
    pub(crate) author: String,
    /// The layer that it belongs to, for the record
    #[arg(long, value_name = "NAME", default_value = "")]
    pub(crate) source_layer: String,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) reason: String,
}

#[derive(Debug, Args)]
pub(crate) struct RefinementArgs {
    /// The agent type's name
    pub(crate) name: String,
    /// Entries of the record, newest first
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    pub(crate) limit: usize,
    /// Only entries that are older than this one
    #[arg(long, value_name = "NUMBER")]
    pub(crate) before: Option<u64>,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct UnrefineArgs {
    /// The agent type's name
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) by: RefinedByArgs,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

fn form() -> impl TypedValueParser<Value = Form> {
    PossibleValuesParser::new(Form::ALL.map(Form::name)).try_map(|name| name.parse::<Form>())
}

fn language() -> impl TypedValueParser<Value = Language> {
    let names = PossibleValuesParser::new(Language::ALL.map(Language::name));
    names.try_map(|name| name.parse::<Language>())
}
