//! `wasi:keyvalue@0.2.0-draft`.

use chimera_agent_sdk::prelude::*;

use crate::agent::{Operation, text};
use crate::bindings::wasi::keyvalue0_2_0_draft::{atomics, batch, store};

pub(crate) fn call(bucket: &str, what: Operation) -> Result<Value, store::Error> {
    let bucket = store::open(bucket)?;
    Ok(match what {
        Operation::Get(key) => json!(bucket.get(&key)?.map(text)),
        Operation::Exists(key) => json!(bucket.exists(&key)?),
        Operation::Set(key, value) => json!(bucket.set(&key, value.as_bytes())?),
        Operation::Fill(key, bytes) => json!(bucket.set(&key, &vec![b'x'; bytes])?),
        Operation::Delete(key) => json!(bucket.delete(&key)?),
        Operation::List(cursor) => {
            let page = bucket.list_keys(cursor.and_then(|cursor| cursor.parse().ok()))?;
            json!([page.keys, page.cursor.map(|cursor| cursor.to_string())])
        }
        Operation::Increment(key, delta) => json!(atomics::increment(&bucket, &key, delta as u64)?),
        Operation::GetMany(keys) => {
            let pairs = batch::get_many(&bucket, &keys)?;
            json!(
                pairs
                    .into_iter()
                    .map(|pair| pair.map(|(key, value)| (key, text(value))))
                    .collect::<Vec<_>>()
            )
        }
        Operation::SetMany(pairs) => {
            let pairs: Vec<_> = pairs.into_iter().map(|(k, v)| (k, v.into_bytes())).collect();
            json!(batch::set_many(&bucket, &pairs)?)
        }
        Operation::DeleteMany(keys) => json!(batch::delete_many(&bucket, &keys)?),
        Operation::Race(..) => {
            return Err(store::Error::Other("the first draft has no cas".into()));
        }
    })
}
