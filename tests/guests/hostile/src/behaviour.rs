//! The behaviours themselves; only a guest can show them.

use std::hint::black_box;
use std::time::{Duration, Instant};

use chimera_agent_sdk::prelude::*;

use crate::hoards::Kept;

/// Behaves as the parameters `in_init` and `in_shutdown` and each task say.
struct Hostile {
    /// Tasks at once, by the parameter `at_once`.
    instances: u32,
    in_shutdown: String,
    health: HealthStatus,
    mute: bool,
    /// The memory quota that `init` was told.
    told: u64,
    hoard: Vec<Vec<u8>>,
    kept: Kept,
}

/// What to do, and how much of it.
#[derive(Deserialize)]
#[serde(crate = "serde")]
struct Order {
    #[serde(rename = "do")]
    what: String,
    #[serde(default)]
    amount: u64,
    /// Whether to tell through a file that the task has started.
    #[serde(default)]
    signal: bool,
    /// What to do after that, in any of the words of [`misbehave`].
    #[serde(default)]
    then: String,
}

impl TypedAgent for Hostile {
    type Output = Value;

    fn init(config: Config) -> Result<Self, AgentError> {
        let word =
            |name| config.optional_parameter::<String>(name).ok().flatten().unwrap_or_default();
        misbehave(&word("in_init"));
        Ok(Self {
            instances: config.parameter_or("at_once", 1)?,
            in_shutdown: word("in_shutdown"),
            health: HealthStatus::Healthy,
            mute: false,
            told: config.resource_quota.max_memory_mb,
            hoard: Vec::new(),
            kept: Kept::default(),
        })
    }

    fn get_capabilities(&self) -> Capabilities {
        Capabilities::new().with_max_concurrent_tasks(self.instances)
    }

    fn execute_task(&mut self, task: Task) -> Result<Value, AgentError> {
        let order: Order = task.payload()?;
        if order.signal {
            std::fs::write("/data/started", "").or_failed("telling that the task has started")?;
        }
        if order.what == "fill" {
            self.kept.hoard("hoard-timers", order.amount);
            return fill(&order.then).or_failed("telling that all is full");
        }
        if let Some(hoarded) = self.kept.hoard(&order.what, order.amount) {
            return hoarded.map_err(AgentError::failed);
        }
        match order.what.as_str() {
            "hoard" => hoard(&mut self.hoard),
            "keep" => self.hoard.push(vec![1; (order.amount << 20) as usize]),
            "return-giant" => return Ok(Value::from("x".repeat((order.amount << 20) as usize))),
            "log-flood" => {
                (0..order.amount).for_each(|_| Telemetry.log(Level::Info, "y".repeat(1000)))
            }
            "metric-flood" => {
                (0..order.amount).for_each(|n| Telemetry.record_metric("flood", n as f64))
            }
            "span-flood" => {
                let _spans: Vec<_> =
                    (0..order.amount).map(|_| Telemetry.start_tracking("flood")).collect();
            }
            "print-flood" => (0..order.amount).for_each(|_| println!("{}", "z".repeat(1000))),
            "empty-writes" => empty_writes(order.amount),
            "burn-ms" => burn(Duration::from_millis(order.amount)),
            "sleep-ms" => std::thread::sleep(Duration::from_millis(order.amount)),
            "exit" => std::process::exit(i32::try_from(order.amount).unwrap_or(1)),
            "fall-mute" => self.mute = true,
            "fall-ill" => self.health = HealthStatus::Unhealthy,
            "fail" => return Err(AgentError::failed("as asked")),
            "unavailable" => return Err(AgentError::unavailable("not now")),
            "read" => {
                return Ok(json!(
                    std::fs::read_to_string("/data/secret").map_err(|e| e.to_string())
                ));
            }
            "list" => {
                return Ok(json!(
                    std::fs::read_dir("/").map(Iterator::count).map_err(|e| e.to_string())
                ));
            }
            "environment" => return Ok(json!(environment())),
            "quota" => return Ok(json!([self.told, task.resource_quota.max_memory_mb])),
            "connect" => return Ok(json!(connect())),
            "trace" => {
                let outer = Telemetry.start_tracking("outer");
                outer.set_attribute("rows", 3);
                let _inner = Telemetry.start_tracking("inner");
                Telemetry.log(Level::Info, "inside");
                return Ok(json!(task.metadata));
            }
            other => misbehave(other),
        }
        misbehave(&order.then);
        Ok(json!("done"))
    }

    fn health_check(&self) -> Health {
        if self.mute {
            spin();
        }
        Health { status: self.health, message: Some("as asked".into()) }
    }

    fn shutdown(&mut self) -> Result<(), AgentError> {
        misbehave(&self.in_shutdown);
        Ok(())
    }
}

wasm_agent!(Hostile);

/// What may happen in any of the calls.
fn misbehave(what: &str) {
    match what {
        "spin" => spin(),
        "recurse" => drop(black_box(recurse(0))),
        "trap" => panic!("as asked"),
        "sleep" => std::thread::sleep(Duration::from_secs(3600)),
        "dawdle" => dawdle(),
        _ => {}
    }
}

/// Uses the stack and says as much as the host keeps of words, tells through a file
/// that it has, and ends when another file says so. Its own stack is no part of
/// what other orders have.
#[inline(never)]
fn fill(name: &str) -> std::io::Result<Value> {
    black_box(deep(6000));
    black_box([1_u8; 800 * 1024]);
    let large = "v".repeat(256);
    let spans: Vec<_> = (0..32).map(|_| Telemetry.start_tracking(&large)).collect();
    for span in &spans {
        (0..8).for_each(|n| span.set_attribute(&format!("attribute_{n}"), &large));
    }
    for n in 0..256_u32 {
        let labels = [("label", large.as_str())];
        Telemetry.record_metric_with("flood", f64::from(n), &labels);
        Telemetry.log(Level::Info, "y".repeat(4000));
        println!("{}", "z".repeat(4000));
    }
    std::fs::write(format!("/data/full-{name}"), "")?;
    while !std::path::Path::new("/data/go").exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(json!(spans.len()))
}

/// Calls that lie on the host's own stack, and take little of the guest's.
fn deep(calls: u64) -> u64 {
    if calls == 0 { 0 } else { black_box(deep(calls - 1)).wrapping_add(calls) }
}

fn spin() {
    let mut n: u64 = 0;
    loop {
        n = black_box(n.wrapping_add(1));
    }
}

fn burn(time: Duration) {
    let started = Instant::now();
    while started.elapsed() < time {
        black_box((0..10_000_u64).fold(0, |sum, n| black_box(sum ^ n)));
    }
}

/// Tells through a file that it has started, and ends when another file says so.
fn dawdle() {
    if std::fs::write("/data/started", "").is_err() {
        return;
    }
    while !std::path::Path::new("/data/go").exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[expect(unconditional_recursion, reason = "the point")]
fn recurse(depth: u64) -> u64 {
    black_box([depth; 16]).iter().sum::<u64>() + recurse(black_box(depth + 1))
}

fn hoard(into: &mut Vec<Vec<u8>>) {
    loop {
        into.push(vec![1; 1 << 20]);
    }
}

/// Writes of nothing, each of which an unbounded host would remember.
fn empty_writes(count: u64) {
    let stdout = wasip2::cli::stdout::get_stdout();
    for _ in 0..count {
        if stdout.check_write().is_err() || stdout.write(&[]).is_err() {
            return;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "shows what an agent sees of the environment")]
fn environment() -> Vec<(String, String)> {
    std::env::vars().collect()
}

fn connect() -> Result<String, String> {
    std::net::TcpStream::connect("127.0.0.1:22")
        .map(|_| "connected".into())
        .map_err(|e| e.to_string())
}
