//! `wasi:keyvalue@0.2.0-draft2`.

use chimera_agent_sdk::prelude::*;

use crate::agent::{Operation, text};
use crate::bindings::wasi::keyvalue0_2_0_draft2::atomics::{self, Cas, CasError};
use crate::bindings::wasi::keyvalue0_2_0_draft2::{batch, store};

pub(crate) fn call(bucket: &str, what: Operation) -> Result<Value, store::Error> {
    let bucket = store::open(bucket)?;
    Ok(match what {
        Operation::Get(key) => json!(bucket.get(&key)?.map(text)),
        Operation::Exists(key) => json!(bucket.exists(&key)?),
        Operation::Set(key, value) => json!(bucket.set(&key, value.as_bytes())?),
        Operation::Fill(key, bytes) => json!(bucket.set(&key, &vec![b'x'; bytes])?),
        Operation::Delete(key) => json!(bucket.delete(&key)?),
        Operation::List(cursor) => {
            let page = bucket.list_keys(cursor.as_deref())?;
            json!([page.keys, page.cursor])
        }
        Operation::Increment(key, delta) => json!(atomics::increment(&bucket, &key, delta)?),
        Operation::GetMany(keys) => {
            let pairs = batch::get_many(&bucket, &keys)?;
            json!(pairs.into_iter().map(|(key, value)| (key, value.map(text))).collect::<Vec<_>>())
        }
        Operation::SetMany(pairs) => {
            let pairs: Vec<_> = pairs.into_iter().map(|(k, v)| (k, v.into_bytes())).collect();
            json!(batch::set_many(&bucket, &pairs)?)
        }
        Operation::DeleteMany(keys) => json!(batch::delete_many(&bucket, &keys)?),
        Operation::Race(key, value) => race(&bucket, &key, value.as_bytes())?,
    })
}

/// The value at first, after the other write, and in the end.
fn race(bucket: &store::Bucket, key: &str, value: &[u8]) -> Result<Value, store::Error> {
    let cas = Cas::new(bucket, key)?;
    let first = cas.current()?.map(text);
    bucket.set(key, b"faster")?;
    let cas = match atomics::swap(cas, value) {
        Err(CasError::CasFailed(cas)) => cas,
        Err(CasError::StoreError(error)) => return Err(error),
        Ok(()) => return Err(store::Error::Other("the swap saw nothing of the other".into())),
    };
    let then = cas.current()?.map(text);
    match atomics::swap(cas, value) {
        Ok(()) => Ok(json!([first, then, bucket.get(key)?.map(text)])),
        Err(error) => Err(store::Error::Other(format!("the second swap: {error:?}"))),
    }
}
