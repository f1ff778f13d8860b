//! The life of one agent: before `init`, in service, shut down.
//!
//! The host promises an order of calls; an agent must not trap when the promise
//! is broken. Each call out of order is an error in words.

use std::cell::{RefCell, RefMut};

use crate::{AgentError, Capabilities, Config, Health, StatefulAgent, Task, TypedAgent, payload};

/// An agent type that has a place to live; implemented by `wasm_agent!`.
pub trait Resident: TypedAgent {
    /// Hands out the one slot of this instance.
    fn with_slot<R>(f: impl FnOnce(&Slot<Self>) -> R) -> R;
}

/// Where the agent of an instance lives.
pub struct Slot<A>(RefCell<Stage<A>>);

enum Stage<A> {
    BeforeInit,
    InService(A),
    ShutDown,
}

impl<A: TypedAgent> Slot<A> {
    /// A slot whose agent has not been built yet.
    pub const fn empty() -> Self {
        Self(RefCell::new(Stage::BeforeInit))
    }

    pub(crate) fn init(&self, config: Config) -> Result<(), AgentError> {
        let mut stage = self.borrow()?;
        match *stage {
            Stage::BeforeInit => {
                *stage = Stage::InService(A::init(config)?);
                Ok(())
            }
            Stage::InService(_) => Err(AgentError::failed(
                "init was called a second time: it is called once in the life of an instance",
            )),
            Stage::ShutDown => Err(was_shut_down()),
        }
    }

    pub(crate) fn execute_task(&self, task: Task) -> Result<String, AgentError> {
        let output = self.with_agent(|agent| agent.execute_task(task))??;
        payload::encode(&output)
    }

    pub(crate) fn capabilities(&self) -> Result<Capabilities, AgentError> {
        self.with_agent(|agent| agent.get_capabilities())
    }

    pub(crate) fn health(&self) -> Health {
        self.with_agent(|agent| agent.health_check())
            .unwrap_or_else(|error| Health::unhealthy(error.message()))
    }

    /// The agent is dropped whether or not it ended well.
    pub(crate) fn shutdown(&self) -> Result<(), AgentError> {
        let ended = self.with_agent(|agent| agent.shutdown())?;
        *self.borrow()? = Stage::ShutDown;
        ended
    }

    fn with_agent<R>(&self, f: impl FnOnce(&mut A) -> R) -> Result<R, AgentError> {
        match &mut *self.borrow()? {
            Stage::InService(agent) => Ok(f(agent)),
            Stage::BeforeInit => {
                Err(AgentError::failed("the agent was called before init: call init first"))
            }
            Stage::ShutDown => Err(was_shut_down()),
        }
    }

    fn borrow(&self) -> Result<RefMut<'_, Stage<A>>, AgentError> {
        self.0.try_borrow_mut().map_err(|_| {
            AgentError::failed("the agent was called while it was in another call: one at a time")
        })
    }
}

impl<A: StatefulAgent> Slot<A> {
    pub(crate) fn save(&self) -> Result<Vec<u8>, AgentError> {
        self.with_agent(|agent| agent.save())?
    }

    pub(crate) fn restore(&self, state: &[u8]) -> Result<(), AgentError> {
        self.with_agent(|agent| agent.restore(state))?
    }
}

fn was_shut_down() -> AgentError {
    AgentError::failed("the agent was called after shutdown: start a new instance")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HealthStatus;
    use crate::testing;

    #[derive(Debug)]
    struct Adder {
        sum: i64,
    }

    impl TypedAgent for Adder {
        type Output = i64;

        fn init(config: Config) -> Result<Self, AgentError> {
            Ok(Adder { sum: config.parameter_or("start", 0)? })
        }

        fn execute_task(&mut self, task: Task) -> Result<i64, AgentError> {
            self.sum += task.payload::<i64>()?;
            Ok(self.sum)
        }
    }

    #[test]
    fn a_life_in_order() {
        let slot = Slot::<Adder>::empty();
        slot.init(testing::config()).unwrap();
        assert_eq!(slot.capabilities(), Ok(Capabilities::new()));
        assert_eq!(slot.execute_task(testing::task(&2)), Ok("2".into()));
        assert_eq!(slot.execute_task(testing::task(&3)), Ok("5".into()));
        assert_eq!(slot.health(), Health::healthy());
        assert_eq!(slot.shutdown(), Ok(()));
    }

    #[test]
    fn a_call_before_init_is_an_error() {
        let slot = Slot::<Adder>::empty();
        let error = slot.execute_task(testing::task(&2)).unwrap_err();
        assert!(error.message().contains("before init"), "{error}");
        assert!(slot.capabilities().is_err());
        assert!(slot.shutdown().is_err());
        assert_eq!(slot.health().status, HealthStatus::Unhealthy);
    }

    #[test]
    fn a_second_init_is_an_error_and_keeps_the_first_agent() {
        let slot = Slot::<Adder>::empty();
        slot.init(testing::config()).unwrap();
        slot.execute_task(testing::task(&2)).unwrap();
        let error = slot.init(testing::config()).unwrap_err();
        assert!(error.message().contains("a second time"), "{error}");
        assert_eq!(slot.execute_task(testing::task(&2)), Ok("4".into()));
    }

    #[test]
    fn a_call_after_shutdown_is_an_error() {
        let slot = Slot::<Adder>::empty();
        slot.init(testing::config()).unwrap();
        slot.shutdown().unwrap();
        for error in [
            slot.execute_task(testing::task(&2)).unwrap_err(),
            slot.init(testing::config()).unwrap_err(),
            slot.shutdown().unwrap_err(),
        ] {
            assert!(error.message().contains("after shutdown"), "{error}");
        }
    }

    #[test]
    fn a_call_inside_a_call_is_an_error() {
        let slot = Slot::<Adder>::empty();
        slot.init(testing::config()).unwrap();
        let inner = slot.with_agent(|_| slot.execute_task(testing::task(&2)));
        assert!(inner.unwrap().unwrap_err().message().contains("one at a time"));
    }
}
