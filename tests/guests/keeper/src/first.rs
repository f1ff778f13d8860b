//! `wasi:keyvalue@0.2.0-draft`.

use chimera_agent_sdk::prelude::*;

use crate::agent::{EventKind, text};
use crate::bindings::wasi::keyvalue0_2_0_draft::{atomics, batch, store};

pub(crate) fn call(bucket: &str, what: EventKind) -> Result<Value, store::Error> {
    let bucket = store::open(bucket)?;
    Ok(match what {
        EventKind::Get(key) => json!(bucket.get(&key)?.map(text)),
        EventKind::Exists(key) => json!(bucket.exists(&key)?),
        EventKind::Set(key, value) => json!(bucket.set(&key, value.as_bytes())?),
        EventKind::Fill(key, bytes) => json!(bucket.set(&key, &vec![b'x'; bytes])?),
        EventKind::Delete(key) => json!(bucket.delete(&key)?),
        EventKind::List(cursor) => {
            let page = bucket.list_keys(cursor.and_then(|cursor| cursor.parse().ok()))?;
            json!([page.keys, page.cursor.map(|cursor| cursor.to_string())])
        }
        EventKind::Increment(key, delta) => json!(atomics::increment(&bucket, &key, delta as u64)?),
        EventKind::GetMany(keys) => {
            let pairs = batch::get_many(&bucket, &keys)?;
            json!(
                pairs
                    .into_iter()
                    .map(|pair| pair.map(|(key, value)| (key, text(value))))
                    .collect::<Vec<_>>()
            )
        }
        EventKind::SetMany(pairs) => {
            let pairs: Vec<_> = pairs.into_iter().map(|(k, v)| (k, v.into_bytes())).collect();
            json!(batch::set_many(&bucket, &pairs)?)
        }
        EventKind::DeleteMany(keys) => json!(batch::delete_many(&bucket, &keys)?),
        EventKind::Race(..) => {
            return Err(store::Error::Other("the first draft has no cas".into()));
        }
    })
}
