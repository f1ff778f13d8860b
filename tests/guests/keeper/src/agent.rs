//! Calls the drafts of the standard that a host links, as its task says, and
//! tells what came of it.

use chimera_agent_sdk::prelude::*;

use crate::bindings::wasi::config::store as config;
use crate::bindings::wasi::keyvalue0_2_0_draft2::store::{Bucket, open};
use crate::bindings::wasi::logging::logging;
use crate::{first, otel, second};

/// Keeps the buckets that one task opens until another task closes them.
struct Keeper {
    open: Vec<Bucket>,
}

#[derive(Deserialize)]
#[serde(crate = "serde", rename_all = "kebab-case")]
enum Order {
    /// Of `wasi:keyvalue@0.2.0-draft`: the bucket, and what to do there.
    First(String, Operation),
    /// Of `wasi:keyvalue@0.2.0-draft2`.
    Second(String, Operation),
    /// Opens so many buckets and keeps them.
    Open(usize),
    LetGo,
    Config(String),
    ConfigAll,
    /// Context and message.
    Log(String, String),
    /// A span with two in it, by `wasi:otel`.
    OtelTrace,
    OtelMeasure,
    OtelLog(String),
    /// Begins so many spans and ends none.
    OtelBegin(u64),
    OtelEndFirst,
}

#[derive(Deserialize)]
#[serde(crate = "serde", rename_all = "kebab-case")]
pub(crate) enum Operation {
    Get(String),
    Exists(String),
    Set(String, String),
    /// A value of so many bytes.
    Fill(String, usize),
    Delete(String),
    List(Option<String>),
    Increment(String, i64),
    GetMany(Vec<String>),
    SetMany(Vec<(String, String)>),
    DeleteMany(Vec<String>),
    /// Reads a key, writes it through another handle, then tries twice to swap the value in.
    Race(String, String),
}

impl TypedAgent for Keeper {
    type Output = Value;

    fn init(_config: Config) -> Result<Self, AgentError> {
        Ok(Self { open: Vec::new() })
    }

    fn execute_task(&mut self, task: Task) -> Result<Value, AgentError> {
        Ok(match task.payload()? {
            Order::First(bucket, what) => told(first::call(&bucket, what)),
            Order::Second(bucket, what) => told(second::call(&bucket, what)),
            Order::Open(count) => {
                let opened = (0..count).map(|_| open("kept")).collect::<Result<Vec<_>, _>>();
                told(opened.map(|opened| {
                    self.open.extend(opened);
                    json!(self.open.len())
                }))
            }
            Order::LetGo => {
                self.open = Vec::new();
                Value::Null
            }
            Order::Config(key) => told(config::get(&key).map(|value| json!(value))),
            Order::ConfigAll => told(config::get_all().map(|all| json!(all))),
            Order::Log(context, message) => {
                logging::log(logging::Level::Critical, &context, &message);
                Value::Null
            }
            Order::OtelTrace => otel::trace(),
            Order::OtelMeasure => told(otel::measure().map(|()| Value::Null)),
            Order::OtelLog(message) => {
                otel::log(&message);
                Value::Null
            }
            Order::OtelBegin(count) => {
                otel::begin(count);
                Value::Null
            }
            Order::OtelEndFirst => {
                otel::end_first();
                Value::Null
            }
        })
    }
}

fn told<E: std::fmt::Debug>(answer: Result<Value, E>) -> Value {
    answer.unwrap_or_else(|error| json!({ "error": format!("{error:?}") }))
}

/// Bytes as text, so that tests can read them.
pub(crate) fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

wasm_agent!(Keeper);
