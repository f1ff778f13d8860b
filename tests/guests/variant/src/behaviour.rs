//! What the numbers mean. They are read when a task comes.

use std::hint::black_box;

use chimera_agent_sdk::prelude::*;

/// The marker and what follows it. `tests/genomes/variants.rs` writes there.
#[repr(C)]
struct Table {
    marker: [u8; 16],
    /// Told in each output.
    version: u32,
    /// Rounds of work in each task.
    rounds: u32,
    /// Of a thousand tasks, those that fail.
    failing: u32,
    /// Of a thousand outputs, those that are wrong.
    wrong: u32,
    /// KiB that each task leaves behind.
    leaking: u32,
    /// Whether it does not start, says that it is ill, or is well.
    state: u32,
}

static TABLE: Table = Table {
    marker: *b"variant/numbers/",
    version: 0,
    rounds: 0,
    failing: 0,
    wrong: 0,
    leaking: 0,
    state: 0,
};

struct Variant {
    tasks: u32,
    left: Vec<Vec<u8>>,
}

impl TypedAgent for Variant {
    type Output = Value;

    fn init(_config: Config) -> Result<Self, AgentError> {
        let table = black_box(&TABLE);
        if !table.marker.starts_with(b"variant") || table.state == 1 {
            return Err(AgentError::failed("it is not to start"));
        }
        Ok(Self { tasks: 0, left: Vec::new() })
    }

    fn execute_task(&mut self, task: Task) -> Result<Value, AgentError> {
        let table = black_box(&TABLE);
        let number: u64 = task.payload()?;
        if number == u64::MAX {
            return Err(AgentError::unavailable("as the task says"));
        }
        self.tasks += 1;
        // Scattered, and not by the task's number: the same task may go well again.
        let lot = self.tasks.wrapping_mul(2_654_435_761) >> 8;
        for round in 0..table.rounds {
            black_box(black_box(round).wrapping_mul(3));
        }
        if table.leaking > 0 {
            self.left.push(vec![1; table.leaking as usize * 1024]);
        }
        if lot % 1000 < table.failing {
            return Err(AgentError::failed("as its bytes say"));
        }
        let wrong = u64::from(lot / 1000 % 1000 < table.wrong);
        Ok(json!({ "version": table.version, "double": number * 2 + wrong }))
    }

    fn health_check(&self) -> Health {
        match black_box(&TABLE).state {
            2 => {
                Health { status: HealthStatus::Unhealthy, message: Some("as its bytes say".into()) }
            }
            _ => Health { status: HealthStatus::Healthy, message: None },
        }
    }
}

wasm_agent!(Variant);
