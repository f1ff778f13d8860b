//! The contract's exports, implemented once for every agent.

use std::marker::PhantomData;

use crate::contract::chimera::agent::types as wit;
use crate::contract::exports::chimera::agent::lifecycle::Guest;
use crate::convert;
use crate::lifecycle::Resident;

/// Answers the host's calls from the slot of `A`.
pub struct Exported<A>(PhantomData<A>);

impl<A: Resident> Guest for Exported<A> {
    fn init(config: wit::Config) -> Result<(), wit::AgentError> {
        report_panics();
        A::with_slot(|slot| slot.init(convert::config(config))).map_err(convert::error)
    }

    /// The contract has no error here; an agent that is not in service can do nothing.
    fn capabilities() -> wit::Capabilities {
        convert::capabilities(A::with_slot(|slot| slot.capabilities()).unwrap_or_default())
    }

    fn execute_task(task: wit::Task) -> Result<String, wit::AgentError> {
        A::with_slot(|slot| slot.execute_task(convert::task(task))).map_err(convert::error)
    }

    fn health() -> wit::Health {
        convert::health(A::with_slot(|slot| slot.health()))
    }

    fn shutdown() -> Result<(), wit::AgentError> {
        A::with_slot(|slot| slot.shutdown()).map_err(convert::error)
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
