//! The contract's exports, implemented once for every agent.

use std::marker::PhantomData;

use crate::contract::chimera::agent::types as wit;
use crate::contract::exports::chimera::agent::lifecycle::Guest;
use crate::contract::optional::exports::chimera::agent::state;
use crate::lifecycle::Resident;
use crate::{StatefulAgent, convert};

/// Answers the host's calls from the slot of `A`.
pub struct Exported<A>(PhantomData<A>);

impl<A: Resident> Guest for Exported<A> {
    fn init(config: wit::Config) -> Result<(), wit::AgentError> {
        report_panics();
        A::with_slot(|slot| slot.init(convert::config(config))).map_err(convert::error)
    }

    /// The contract has no error here; an agent that is not in service can do nothing.
    fn capabilities() -> wit::AgentCapabilities {
        convert::capabilities(A::with_slot(|slot| slot.capabilities()).unwrap_or_default())
    }

    fn execute_task(task: wit::Task) -> Result<String, wit::AgentError> {
        A::with_slot(|slot| slot.execute_task(convert::task(task))).map_err(convert::error)
    }

    fn health() -> wit::AgentHealth {
        convert::health(A::with_slot(|slot| slot.health()))
    }

    fn shutdown() -> Result<(), wit::AgentError> {
        A::with_slot(|slot| slot.shutdown()).map_err(convert::error)
    }
}

impl<A: Resident + StatefulAgent> state::Guest for Exported<A> {
    fn save() -> Result<Vec<u8>, wit::AgentError> {
        A::with_slot(|slot| slot.save()).map_err(convert::error)
    }

    fn restore(state: Vec<u8>) -> Result<(), wit::AgentError> {
        A::with_slot(|slot| slot.restore(&state)).map_err(convert::error)
    }
}

/// A panic ends the instance with a trap that has no words. Standard error may
/// not be granted, so the words go to the host's log first.
#[cfg(target_arch = "wasm32")]
fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        crate::telemetry::error(format_args!("the agent panicked: {panic}"));
    }));
}

/// A native process has its own hook.
#[cfg(not(target_arch = "wasm32"))]
fn report_panics() {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AgentError, Config, Task, TypedAgent};

    struct Doubler;

    impl TypedAgent for Doubler {
        type Output = i64;

        fn init(config: Config) -> Result<Self, AgentError> {
            config.parameter_or("ready", true)?;
            Ok(Self)
        }

        fn execute_task(&mut self, task: Task) -> Result<i64, AgentError> {
            Ok(task.payload::<i64>()? * 2)
        }
    }

    impl StatefulAgent for Doubler {
        fn save(&self) -> Result<Vec<u8>, AgentError> {
            Ok(vec![1])
        }

        fn restore(&mut self, state: &[u8]) -> Result<(), AgentError> {
            match state {
                [1] => Ok(()),
                _ => Err(AgentError::invalid_input("not understood")),
            }
        }
    }

    crate::wasm_agent!(Doubler, state);

    type Exports = Exported<Doubler>;

    fn quota() -> wit::ResourceQuota {
        wit::ResourceQuota {
            max_cpu_cores: 1.0,
            max_memory_mb: 64,
            max_execution_time_secs: 5,
            max_network_mbps: None,
        }
    }

    fn config(parameters: Vec<(String, String)>) -> wit::Config {
        wit::Config {
            agent_id: "id".into(),
            agent_type: "doubler".into(),
            quota: quota(),
            environment: Vec::new(),
            parameters,
        }
    }

    fn task(payload: &str) -> wit::Task {
        wit::Task {
            id: "id".into(),
            priority: wit::Priority::Normal,
            payload: payload.into(),
            created_at: 0,
            deadline: None,
            attempt: 1,
            quota: quota(),
            source_layer: "test".into(),
            agent_type: "doubler".into(),
            metadata: Vec::new(),
        }
    }

    #[test]
    fn the_exports_answer_for_the_agent() {
        assert!(matches!(Exports::health().status, wit::HealthStatus::Unhealthy));
        assert_eq!(Exports::capabilities().max_concurrent_tasks, 1);
        let wrong = vec![("ready".to_owned(), "1".to_owned())];
        assert!(matches!(Exports::init(config(wrong)), Err(wit::AgentError::InvalidInput(_))));
        Exports::init(config(Vec::new())).unwrap();
        assert_eq!(Exports::execute_task(task("21")).unwrap(), "42");
        assert!(matches!(
            Exports::execute_task(task("true")),
            Err(wit::AgentError::InvalidInput(_))
        ));
        assert!(matches!(Exports::health().status, wit::HealthStatus::Healthy));
        let state = <Exports as state::Guest>::save().unwrap();
        <Exports as state::Guest>::restore(state).unwrap();
        let refused = <Exports as state::Guest>::restore(Vec::new());
        assert!(matches!(refused, Err(wit::AgentError::InvalidInput(_))));
        Exports::shutdown().unwrap();
        assert!(matches!(Exports::shutdown(), Err(wit::AgentError::Failed(_))));
        assert!(matches!(<Exports as state::Guest>::save(), Err(wit::AgentError::Failed(_))));
    }
}
