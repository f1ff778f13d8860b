//! Key-value from Rust, to the letter as `agents/LANGUAGES.md` has it.

use chimera_agent_sdk::prelude::*;

wit_bindgen::generate!({
    inline: r#"
        package my:agent;
        world uses { import wasi:keyvalue/store@0.2.0-draft2; }

        package wasi:keyvalue@0.2.0-draft2 {
            interface store {
                variant error { no-such-store, access-denied, other(string) }
                open: func(identifier: string) -> result<bucket, error>;
                resource bucket {
                    get: func(key: string) -> result<option<list<u8>>, error>;
                    set: func(key: string, value: list<u8>) -> result<_, error>;
                }
            }
        }
    "#,
    world: "my:agent/uses",
    generate_all,
});

use wasi::keyvalue::store;

struct Counts;

impl TypedAgent for Counts {
    type Output = u64;

    fn init(_config: Config) -> Result<Self, AgentError> {
        Ok(Self)
    }

    /// Counts how often a word came.
    fn execute_task(&mut self, task: Task) -> Result<u64, AgentError> {
        let word: String = task.payload()?;
        let bucket = store::open("counts").or_failed("opening the bucket")?;
        let kept = bucket.get(&word).or_failed("reading the count")?;
        let kept = kept.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes);
        let count = kept + 1;
        bucket.set(&word, &count.to_le_bytes()).or_failed("keeping the count")?;
        Ok(count)
    }
}

wasm_agent!(Counts);
