//! The counter, and what the numbers mean. They are read when a call comes.

use std::hint::black_box;
use std::time::{Duration, Instant};

use chimera_agent_sdk::prelude::*;

/// The marker and what follows it. `tests/state.rs` writes there.
#[repr(C)]
struct Table {
    marker: [u8; 16],
    /// Told in each output.
    version: u32,
    /// The layout of the state that it writes, and the only one that it reads.
    layout: u32,
    /// Instances that it would like.
    instances: u32,
    /// What goes wrong: see `Counter`.
    trouble: u32,
}

static TABLE: Table =
    Table { marker: *b"stateful/number/", version: 0, layout: 0, instances: 0, trouble: 0 };

/// More than one call may hand over.
const TOO_MUCH: usize = 5 << 20;

struct Counter {
    count: u32,
}

#[derive(Deserialize)]
#[serde(crate = "serde")]
struct Order {
    add: u32,
    #[serde(default)]
    busy_ms: u64,
}

impl TypedAgent for Counter {
    type Output = Value;

    fn init(_config: Config) -> Result<Self, AgentError> {
        if !black_box(&TABLE).marker.starts_with(b"stateful") {
            return Err(AgentError::failed("the marker is not there"));
        }
        Ok(Self { count: 0 })
    }

    fn execute_task(&mut self, task: Task) -> Result<Value, AgentError> {
        let order: Order = task.payload()?;
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(order.busy_ms) {
            black_box(());
        }
        self.count += order.add;
        Ok(json!({ "version": black_box(&TABLE).version, "count": self.count }))
    }

    fn get_capabilities(&self) -> Capabilities {
        Capabilities::new().with_max_concurrent_tasks(black_box(&TABLE).instances)
    }
}

impl StatefulAgent for Counter {
    fn save(&self) -> Result<Vec<u8>, AgentError> {
        let table = black_box(&TABLE);
        match table.trouble {
            1 => return Err(AgentError::failed("it does not save")),
            2 => panic!("it traps in save"),
            3 => loop {
                black_box(());
            },
            4 => return Ok(vec![1; TOO_MUCH]),
            _ => {}
        }
        Ok([table.layout, self.count].iter().flat_map(|number| number.to_le_bytes()).collect())
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), AgentError> {
        let table = black_box(&TABLE);
        if table.trouble == 5 {
            panic!("it traps in restore");
        }
        let (layout, count) = state.split_first_chunk().or_invalid()?;
        if u32::from_le_bytes(*layout) != table.layout {
            return Err(AgentError::invalid_input("the layout of the state is not known"));
        }
        let count = u32::from_le_bytes(*count.first_chunk().or_invalid()?);
        if table.trouble == 6 && count > 100 {
            return Err(AgentError::invalid_input("it counts to 100"));
        }
        self.count = count;
        Ok(())
    }
}

/// What is too short for a state.
trait OrInvalid<T> {
    fn or_invalid(self) -> Result<T, AgentError>;
}

impl<T> OrInvalid<T> for Option<T> {
    fn or_invalid(self) -> Result<T, AgentError> {
        self.ok_or_else(|| AgentError::invalid_input("the state is too short"))
    }
}

wasm_agent!(Counter, state);
