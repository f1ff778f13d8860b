//! Running an agent in an ordinary `#[test]`, without a host and without wasm.
//!
//! ```
//! use chimera_agent_sdk::prelude::*;
//! use chimera_agent_sdk::testing::TestHost;
//!
//! struct Greeter {
//!     greeting: String,
//! }
//!
//! impl TypedAgent for Greeter {
//!     type Output = String;
//!
//!     fn init(config: Config) -> Result<Self, AgentError> {
//!         Ok(Greeter { greeting: config.parameter_or("greeting", "Hello".to_owned())? })
//!     }
//!
//!     fn execute_task(&mut self, task: Task) -> Result<String, AgentError> {
//!         let name: String = task.payload()?;
//!         chimera_agent_sdk::telemetry::record_metric("greetings", 1.0);
//!         Ok(format!("{}, {name}!", self.greeting))
//!     }
//! }
//!
//! let mut host = TestHost::<Greeter>::builder().parameter("greeting", &"Salut").start()?;
//! assert_eq!(host.execute(&"Ada")?, "Salut, Ada!");
//! assert_eq!(host.recording().metric_values("greetings"), [1.0]);
//! # Ok::<(), AgentError>(())
//! ```
//!
//! The agent goes through the same life as in a component, from JSON text to
//! JSON text. What a test host does not do is enforce quotas or deny WASI:
//! that is the real host's part.

mod host;
mod recording;

use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use serde::Serialize;

use crate::telemetry::sink;
use crate::{Config, Priority, ResourceQuota, Task};

pub use host::{TestHost, TestHostBuilder};
pub use recording::{LogLine, Metric, Progress, Recording, SpanRecord};

/// A configuration without environment and parameters, for agent type `test`.
pub fn config() -> Config {
    Config {
        agent_id: "test-agent".to_owned(),
        agent_type: "test".to_owned(),
        resource_quota: ResourceQuota::default(),
        environment: BTreeMap::new(),
        parameters: BTreeMap::new(),
    }
}

/// A first attempt at a task of normal priority with this payload.
///
/// # Panics
/// When the payload cannot be written as JSON.
pub fn task<T: Serialize + ?Sized>(payload: &T) -> Task {
    task_from_json(json_text(payload))
}

/// The same from JSON text, which need not be well formed.
pub fn task_from_json(payload: impl Into<String>) -> Task {
    Task {
        id: "00000000-0000-0000-0000-000000000001".to_owned(),
        priority: Priority::Normal,
        created_at: UNIX_EPOCH,
        deadline: None,
        attempt: 1,
        resource_quota: ResourceQuota::default(),
        source_layer: "test".to_owned(),
        agent_type: "test".to_owned(),
        metadata: BTreeMap::new(),
        payload: payload.into(),
    }
}

/// Runs a piece of agent code and returns what it told its operator.
pub fn record<R>(f: impl FnOnce() -> R) -> (R, Recording) {
    let mut recording = Recording::default();
    let result = sink::record_into(&mut recording, f);
    (result, recording)
}

#[expect(clippy::expect_used, reason = "a test that hands over no JSON is to be mended")]
fn json_text<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("a test's value can be written as JSON")
}
