//! Counts the prime numbers below a number, by division: work for a processor.

use chimera_agent_sdk::prelude::*;

/// Has nothing to remember.
pub struct Primes;

fn is_prime(number: u64) -> bool {
    number > 1
        && (2..).take_while(|part| part * part <= number).all(|part| !number.is_multiple_of(part))
}

impl TypedAgent for Primes {
    type Output = usize;

    fn init(_config: Config) -> Result<Self, AgentError> {
        Ok(Primes)
    }

    fn execute_task(&mut self, task: Task) -> Result<usize, AgentError> {
        let below: u64 = task.payload()?;
        Ok((0..below).filter(|number| is_prime(*number)).count())
    }
}

wasm_agent!(Primes);
