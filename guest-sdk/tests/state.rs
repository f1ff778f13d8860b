//! An agent that carries its state, driven through the test host.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use chimera_agent_sdk::prelude::*;
use chimera_agent_sdk::testing::TestHost;

/// The layout that this version writes, and the only one that it reads.
const VERSION: u8 = 1;

struct Counter {
    count: u32,
}

impl TypedAgent for Counter {
    type Output = u32;

    fn init(_config: Config) -> Result<Self, AgentError> {
        Ok(Self { count: 0 })
    }

    fn execute_task(&mut self, task: Task) -> Result<u32, AgentError> {
        self.count += task.payload::<u32>()?;
        Ok(self.count)
    }
}

impl StatefulAgent for Counter {
    fn save(&self) -> Result<Vec<u8>, AgentError> {
        Ok([&[VERSION], self.count.to_le_bytes().as_slice()].concat())
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), AgentError> {
        chimera_agent_sdk::telemetry::info("going on");
        match state {
            [VERSION, count @ ..] => {
                let count = count.try_into().or_invalid_input("reading the count")?;
                self.count = u32::from_le_bytes(count);
                Ok(())
            }
            _ => Err(AgentError::invalid_input("the state is of a version that is not known")),
        }
    }
}

wasm_agent!(Counter, state);

fn started() -> TestHost<Counter> {
    TestHost::start().unwrap()
}

#[test]
fn a_successor_goes_on_where_the_other_stopped() {
    let mut old = started();
    old.execute(&5).unwrap();
    let state = old.save().unwrap();
    let mut new = started();
    new.restore(&state).unwrap();
    assert_eq!(new.recording().logs[0].message, "going on");
    assert_eq!(new.execute(&1).unwrap(), json!(6));
    assert_eq!(old.execute(&2).unwrap(), json!(7), "saving changes nothing");
}

#[test]
fn what_is_not_understood_is_refused_and_changes_nothing() {
    let mut host = started();
    host.execute(&5).unwrap();
    for state in [&[][..], &[VERSION], &[2, 0, 0, 0, 0]] {
        let refused = host.restore(state).unwrap_err();
        assert!(matches!(refused, AgentError::InvalidInput(_)), "{refused}");
    }
    assert_eq!(host.execute(&1).unwrap(), json!(6));
}

#[test]
fn an_agent_that_was_shut_down_has_no_state() {
    let mut host = started();
    host.shutdown().unwrap();
    assert!(host.save().unwrap_err().message().contains("after shutdown"));
    assert!(host.restore(&[VERSION, 0, 0, 0, 0]).is_err());
}
