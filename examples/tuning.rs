//! Tuning: the same tasks with other shares of a processor and other numbers of agents, what
//! compiled code saves, and the room of the queue: where the effect of each is read.
//!
//! `cargo run -p chimera-examples --bin tuning`

#![allow(clippy::print_stdout, reason = "it is what the program is for")]

use std::time::{Duration, Instant};

use chimera_layer4::*;

chimera_layer4::include_agents!();

/// Tasks of one measurement.
const TASKS: usize = 8;

fn main() -> Layer4Result<()> {
    compile_if_asked();
    start()
}

#[tokio::main]
async fn start() -> Layer4Result<()> {
    // What the nine settings leave open is set by the name of its group.
    let builder = Layer4Fabric::builder(config()).without_port();
    let builder = builder.settings(|all| all.queue.drain_timeout_secs = 5);
    let report = run(&builder.build().await?).await?;
    let [first, later] = [report.first_spawn, report.later_spawn].map(|time| time.as_millis());
    println!("spawn of an agent: {first} ms with the compilation, {later} ms without");
    println!("{TASKS} tasks, by the share of a processor and the number of agents:");
    for Measured { name, wall, cpu_seconds, paused_seconds, ended_per_second } in report.measured {
        println!(
            "  {name:<24} {:>5} ms, {:.0} ms of processor, paused {:.0} ms, {ended_per_second:.1} a second",
            wall.as_millis(),
            cpu_seconds * 1000.0,
            paused_seconds * 1000.0,
        );
    }
    println!("the queue took {} tasks, of which {} waited, and", report.taken, report.waiting);
    println!("refused the next: {}", report.refused);
    Ok(())
}

/// What happened.
pub(crate) struct Report {
    pub(crate) first_spawn: Duration,
    pub(crate) later_spawn: Duration,
    pub(crate) measured: Vec<Measured>,
    /// Tasks that the queue took, and those of them that waited when it was full.
    pub(crate) taken: usize,
    pub(crate) waiting: u64,
    pub(crate) refused: Layer4Error,
}

/// What [`TASKS`] took.
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    pub(crate) wall: Duration,
    pub(crate) cpu_seconds: f64,
    /// What agents waited for their share of a processor, all together.
    pub(crate) paused_seconds: f64,
    /// As the scheduler has it, over the last ten seconds.
    pub(crate) ended_per_second: f64,
}

fn cores(max_cpu_cores: f64) -> ResourceQuota {
    ResourceQuota {
        max_cpu_cores,
        max_memory_mb: 32,
        max_execution_time_secs: 60,
        max_network_mbps: None,
    }
}

pub(crate) fn config() -> Layer4Config {
    Layer4Config {
        max_agents: 50,
        default_resource_quota: cores(0.5),
        task_queue_capacity: TASKS,
        kpi_reporting_interval_secs: 1,
        heartbeat_interval_secs: 5,
        ..Layer4Config::default()
    }
}

pub(crate) async fn run(layer4: &Layer4Fabric) -> Layer4Result<Report> {
    layer4.start().await?;

    // The second agent of a component has code that was compiled for the first.
    let first_spawn = spawn(layer4, 1.0).await?;
    let mut measured = vec![measure("one core", layer4).await?];
    // Layer 8's entry: the agent is not restarted.
    let target = AllocationTarget::AgentType("primes".to_owned());
    let allocation = ResourceAllocation { target, resource_quota: cores(0.25) };
    layer4.update_resource_allocation(allocation).await?;
    measured.push(measure("a quarter of a core", layer4).await?);
    let later_spawn = spawn(layer4, 0.25).await?;
    for _ in 0..2 {
        spawn(layer4, 0.25).await?;
    }
    measured.push(measure("four agents of a quarter", layer4).await?);

    // A client that sends faster than agents work is refused with a time to come back.
    let mut taken = 0;
    let refused = loop {
        match layer4.submit(task()).await {
            Ok(_) => taken += 1,
            Err(refused) => break refused,
        }
    };
    let stats = layer4.get_scheduler_stats().await?;
    let waiting = stats.waiting_by_priority.iter().map(|(_, waiting)| waiting).sum();
    layer4.shutdown().await?;
    Ok(Report { first_spawn, later_spawn, measured, taken, waiting, refused })
}

async fn spawn(layer4: &Layer4Fabric, max_cpu_cores: f64) -> Layer4Result<Duration> {
    let begun = Instant::now();
    let config = utils::agent_config("primes", cores(max_cpu_cores));
    layer4.spawn_agent(Primes::component(), config).await?;
    Ok(begun.elapsed())
}

/// Some hundred milliseconds of a processor.
fn task() -> Task {
    utils::task_for("primes", 500_000)
}

async fn measure(name: &'static str, layer4: &Layer4Fabric) -> Layer4Result<Measured> {
    let paused = async || -> Layer4Result<f64> {
        let agents = layer4.get_active_agents().await?;
        Ok(agents.iter().map(|agent| agent.paused_seconds).sum())
    };
    let (before, begun) = (paused().await?, Instant::now());
    let mut ids = Vec::new();
    for _ in 0..TASKS {
        ids.push(layer4.submit(task()).await?);
    }
    let mut cpu_seconds = 0.0;
    for id in ids {
        let result = layer4.fabric().tasks().wait(id).await?;
        cpu_seconds += result.resource_usage.cpu_seconds;
    }
    let wall = begun.elapsed();
    let stats = layer4.get_scheduler_stats().await?;
    let ended_per_second = stats.types.iter().map(|of_type| of_type.ended_per_second).sum();
    let paused_seconds = paused().await? - before;
    Ok(Measured { name, wall, cpu_seconds, paused_seconds, ended_per_second })
}
