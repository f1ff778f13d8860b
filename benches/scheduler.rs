//! What does a durable task cost, and how does the queue bear load?
//!
//! Eleven questions, each by itself or all of them:
//!
//! - `noop`: how many tasks that cost nothing does the scheduler take durably,
//!   run and settle durably in a second, until its clients have the results?
//!   Beside it, the rows of bare SQLite that one thread inserts, claims and
//!   finishes with as many commits as batches need;
//! - `component`: how many tasks does a fabric run on the agent `echo`, in
//!   resident instances and in one for each task, and how many round the queue?
//! - `clients`: does the throughput of many clients, each with one task at a
//!   time, fall as they become more?
//! - `idle`: how long does one task take through a queue that is idle otherwise,
//!   beside a sync of the disk, a commit of SQLite's and the run alone?
//! - `backlog`: how long does a store with a million tasks take to open, how
//!   much memory, and does a claim from it take longer than from a thousand?
//! - `shares`: does each class get its share while all of them wait?
//! - `broken`: what does a type that fails each task cost one that does not?
//! - `swaps`: does another genome take over without a task that is lost, run
//!   twice or held up?
//! - `beside`: does a benchmark hold up the tasks that run beside it?
//! - `alike`: how often is a genome condemned that is the same?
//! - `trials`: how many tasks does it take to find out a genome that is worse?
//!
//! `cargo bench --bench scheduler -- noop idle` asks those two, and `-- --test`
//! tries all of them out on a small scale. Tasks have 256 bytes. All is on a
//! real disk with every sync; settings are the host's own, but for the queue's
//! capacity and for retention, which forgets nothing here. What is compared
//! takes turns, and figures are medians of the rounds.
//!
//! `processor` is this process's processor time for each task, clients
//! included; `its writer` the part of the thread that writes to the store and
//! `busy` how busy that was; `others` is what everything else took of the
//! machine. Figures from a machine that has other work are worth little.

#[path = "scheduler/backlog.rs"]
mod backlog;
#[path = "scheduler/bare.rs"]
mod bare;
#[path = "scheduler/broken.rs"]
mod broken;
#[path = "scheduler/clients.rs"]
mod clients;
#[path = "scheduler/component.rs"]
mod component;
#[path = "scheduler/genomes.rs"]
mod genomes;
#[path = "scheduler/host.rs"]
mod host;
#[path = "scheduler/idle.rs"]
mod idle;
#[path = "scheduler/load.rs"]
mod load;
#[path = "scheduler/machine.rs"]
mod machine;
#[path = "scheduler/noop.rs"]
mod noop;
#[path = "scheduler/reopen.rs"]
mod reopen;
#[path = "scheduler/runner.rs"]
mod runner;
#[path = "scheduler/scene.rs"]
mod scene;
#[path = "scheduler/shares.rs"]
mod shares;
#[path = "scheduler/submitter.rs"]
mod submitter;
#[path = "scheduler/table.rs"]
mod table;

use std::path::Path;

use anyhow::{Result, ensure};

use self::scene::Scene;
use self::table::{Report, say};

type Ask = fn(&Scene, &mut Report) -> Result<()>;

const QUESTIONS: [(&str, Ask); 11] = [
    ("noop", noop::ask),
    ("component", component::ask),
    ("clients", clients::ask),
    ("idle", idle::ask),
    ("backlog", backlog::ask),
    ("shares", shares::ask),
    ("broken", broken::ask),
    ("swaps", genomes::swaps),
    ("beside", genomes::beside),
    ("alike", genomes::alike),
    ("trials", genomes::trials),
];

fn main() -> Result<()> {
    // Cargo says `--bench` by itself.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if let [first, folder] = arguments.as_slice()
        && first == reopen::CHILD
    {
        return reopen::measure(Path::new(folder));
    }
    let trial = arguments.iter().any(|argument| argument == "--test");
    let named: Vec<&String> = arguments.iter().filter(|a| *a != "--test").collect();
    for name in &named {
        let known = QUESTIONS.map(|(name, _)| name);
        ensure!(
            known.contains(&name.as_str()),
            "there is no question {name:?}; there are {known:?}"
        );
    }
    let asked = |name: &str| named.is_empty() || named.iter().any(|named| *named == name);
    let (scene, mut report) = (Scene::new(trial)?, Report::new(trial));
    let disk = machine::file_system(&scene::target())?;
    say(&format!("{} processors; files are in {disk}\n", machine::processors()))?;
    for (name, ask) in QUESTIONS.into_iter().filter(|(name, _)| asked(name)) {
        say(&format!("\n=== {name}; the machine's load is {}\n", machine::load()))?;
        ask(&scene, &mut report)?;
    }
    report.print()
}
