//! Recovery: a file goes that an agent needs. One task is tried until the file is back, one
//! ends as a dead letter and is put back in the queue, and the agent, which is unhealthy and
//! does not start, is restarted.
//!
//! `cargo run -p chimera-examples --bin recovery`

#![allow(clippy::print_stdout, reason = "it is what the program is for")]

use std::fs;
use std::path::Path;

use chimera_layer4::fabric::{self, FolderGrant, Submission, SubmitOptions};
use chimera_layer4::*;

chimera_layer4::include_agents!();

fn main() -> Layer4Result<()> {
    compile_if_asked();
    start()
}

#[tokio::main]
async fn start() -> Layer4Result<()> {
    // A host by itself: it reads no settings, and opens no port.
    let builder = Layer4Fabric::builder(Layer4Config::default()).without_port();
    let layer4 = builder.build().await?;
    let folder = std::env::temp_dir().join(format!("recovery-{}", std::process::id()));
    fs::create_dir(&folder)?;
    let report = run(&layer4, &folder).await;
    fs::remove_dir_all(&folder)?;
    let report = report?;
    println!("a task ended as a dead letter after {} attempts", report.attempts);
    println!("its agent was {:?}: {}", report.ill.status, report.ill.message.unwrap_or_default());
    println!("after a restart it is {:?}", report.well.status);
    println!("the dead letter, put back in the queue, gave {}", report.requeued.output);
    println!("a task that had attempts left gave {}", report.patient.output);
    Ok(())
}

/// What happened.
pub(crate) struct Report {
    /// Of the task that became a dead letter.
    pub(crate) attempts: u32,
    pub(crate) ill: AgentHealth,
    pub(crate) well: AgentHealth,
    pub(crate) requeued: fabric::ExecutionResult,
    pub(crate) patient: fabric::ExecutionResult,
}

/// With an empty folder.
pub(crate) async fn run(layer4: &Layer4Fabric, folder: &Path) -> Layer4Result<Report> {
    layer4.start().await?;
    let (agents, tasks) = (layer4.fabric().agents(), layer4.fabric().tasks());
    let words = folder.join("words.txt");
    fs::write(&words, "chimera\nlayer\n")?;

    // The agent reads this folder, which it sees as `/data`, and nothing else.
    let quota = fabric::ResourceQuota::default();
    let mut config = fabric::utils::agent_config("dictionary", quota);
    let access = fabric::FolderAccess::ReadOnly;
    let grant = FolderGrant { host: folder.into(), guest: "/data".to_owned(), access };
    config.grants.folders.push(grant);
    let agent = agents.spawn(&Dictionary::component(), config).await?;

    // The file goes. A task without it fails, and the agent says that another attempt may
    // do: one task may have ten attempts, which come ever later, the other two.
    fs::remove_file(&words)?;
    let patient = tasks.submit(look_up("layer", 10)).await?;
    let hasty = tasks.submit(look_up("chimera", 2)).await?;
    tasks.wait(hasty).await?;
    let attempts = tasks.get(hasty).await?.attempts;

    // The heartbeat would find an unhealthy agent by itself, and restart it. Here it is asked
    // now, and does not start without its file.
    let mut ill = agents.check(agent).await?.health;
    // While it runs a task, a check says what the last one found.
    while ill.status != HealthStatus::Unhealthy {
        ill = agents.check(agent).await?.health;
    }

    // The file is back: restart what is unhealthy, and give dead letters all their attempts.
    fs::write(&words, "chimera\nlayer\n")?;
    for agent in layer4.get_active_agents().await? {
        if agent.health.status == HealthStatus::Unhealthy {
            layer4.restart_agent(agent.id).await?;
        }
    }
    let well = agents.check(agent).await?.health;
    tasks.requeue(vec![hasty]).await?;
    let requeued = tasks.wait(hasty).await?;
    let patient = tasks.wait(patient).await?;

    layer4.shutdown().await?;
    Ok(Report { attempts, ill, well, requeued, patient })
}

/// A task that may be begun so often.
fn look_up(word: &str, max_attempts: u32) -> Submission {
    let options = SubmitOptions { max_attempts: Some(max_attempts), ..SubmitOptions::default() };
    Submission { task: utils::task_for("dictionary", word).into(), options }
}
