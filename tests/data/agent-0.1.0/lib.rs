//! The source of `agent.wasm`, for reading: nothing builds it any more. It uses
//! every function of chimera:agent@0.1.0 and every case of its errors, and no SDK.

mod contract {
    wit_bindgen::generate!({ path: "../contract-0.1.0", world: "stateful-agent" });
}

use std::cell::RefCell;

use contract::chimera::agent::telemetry::{self, Label, Level};
use contract::chimera::agent::types::{
    AgentCapabilities, AgentError, AgentHealth, Config, HealthStatus, Task, Unavailable,
};
use contract::exports::chimera::agent::{lifecycle, state};

#[derive(Default)]
struct Memory {
    agent_type: String,
    step: u32,
    count: u32,
}

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::default();
}

struct Witness;

impl lifecycle::Guest for Witness {
    fn init(config: Config) -> Result<(), AgentError> {
        let step = config.parameters.iter().find(|(name, _)| name == "step");
        let step = step.map_or(Ok(1), |(_, json)| json.parse());
        let step = step.map_err(|_| AgentError::InvalidInput("`step` is no number".into()))?;
        MEMORY.set(Memory { agent_type: config.agent_type, step, count: 0 });
        Ok(())
    }

    fn capabilities() -> AgentCapabilities {
        AgentCapabilities {
            supported_task_types: vec!["add".into()],
            max_concurrent_tasks: 1,
            wanted_quota: None,
            required_env_vars: Vec::new(),
            features: vec!["witness".into()],
        }
    }

    fn execute_task(task: Task) -> Result<String, AgentError> {
        match task.payload.trim_matches('"') {
            "add" => Ok(format!(r#"{{"count":{}}}"#, add())),
            "tell" => Ok(tell(&task)),
            "unavailable" => Err(AgentError::Unavailable(Unavailable {
                message: "as asked".into(),
                retry_after_ms: Some(1),
            })),
            "failed" => Err(AgentError::Failed("as asked".into())),
            other => Err(AgentError::InvalidInput(format!("no task is called {other}"))),
        }
    }

    fn health() -> AgentHealth {
        let count = MEMORY.with_borrow(|memory| memory.count);
        AgentHealth { status: HealthStatus::Degraded, message: Some(format!("counted to {count}")) }
    }

    fn shutdown() -> Result<(), AgentError> {
        MEMORY.take();
        Ok(())
    }
}

fn add() -> u32 {
    let span = telemetry::start_tracking("add");
    span.set_attribute(&Label { name: "by".into(), value: "witness".into() });
    telemetry::progress(0.5, Some("half way"));
    let label = Label { name: "kind".into(), value: "witness".into() };
    telemetry::record_metric("added", 1.0, &[label]);
    telemetry::log(Level::Info, "added");
    MEMORY.with_borrow_mut(|memory| {
        memory.count += memory.step;
        memory.count
    })
}

fn tell(task: &Task) -> String {
    let agent_type = MEMORY.with_borrow(|memory| memory.agent_type.clone());
    let priority = task.priority as u8;
    let metadata: Vec<String> =
        task.metadata.iter().map(|(name, value)| format!(r#""{name}":"{value}""#)).collect();
    format!(
        r#"{{"agent_type":"{agent_type}","target":"{}","priority":{priority},"attempt":{},"memory":{},"metadata":{{{}}}}}"#,
        task.agent_type,
        task.attempt,
        task.quota.max_memory_mb,
        metadata.join(",")
    )
}

impl state::Guest for Witness {
    fn save() -> Result<Vec<u8>, AgentError> {
        Ok(MEMORY.with_borrow(|memory| memory.count.to_le_bytes().to_vec()))
    }

    fn restore(state: Vec<u8>) -> Result<(), AgentError> {
        let count = state.try_into().map_err(|_| AgentError::InvalidInput("four bytes".into()))?;
        MEMORY.with_borrow_mut(|memory| memory.count = u32::from_le_bytes(count));
        Ok(())
    }
}

contract::export!(Witness with_types_in contract);
