//! `wasi:keyvalue/store`: buckets, one key at a time.

use std::sync::Arc;

use chimera_layer4_core::KeyValueGrant;
use chimera_layer4_core::keyvalue::{ABSENT, Change};
use chimera_layer4_core::telemetry::LogLevel;
use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Lift, LinkerInstance, Lower, Resource, ResourceType};

use super::{Answer, Bucket, Draft, Error, KEYS, OPEN_BYTES, check_bucket};
use crate::executor::bindings::words;
use crate::executor::sandbox::Sandbox;

type Store<'a> = StoreContextMut<'a, Sandbox>;

/// What a page of keys of a usual length takes.
const LIST_BYTES: usize = KEYS * 64;

/// A page of keys. The cursor is the version of the last one.
#[derive(ComponentType, Lift, Lower)]
#[component(record)]
struct Page<C> {
    keys: Vec<String>,
    cursor: Option<C>,
}

pub(super) fn link(
    interface: &mut LinkerInstance<'_, Sandbox>,
    draft: Draft,
) -> wasmtime::Result<()> {
    interface.resource("bucket", ResourceType::host::<Bucket>(), |mut store, handle| {
        store.data_mut().table.delete(Resource::<Bucket>::new_own(handle))?;
        Ok(())
    })?;
    interface.func_wrap("open", |mut store: Store<'_>, (name,): (String,)| {
        Ok((open(&mut store, name)?,))
    })?;
    interface.func_wrap_async(
        "[method]bucket.get",
        |store: Store<'_>, (bucket, key): (Resource<Bucket>, String)| {
            Box::new(async move {
                let found = get(&store, &bucket)?.read_one(key).await?;
                Ok((found.map(|found| found.map(|entry| entry.value)),))
            })
        },
    )?;
    interface.func_wrap_async(
        "[method]bucket.exists",
        |store: Store<'_>, (bucket, key): (Resource<Bucket>, String)| {
            Box::new(async move {
                let version = get(&store, &bucket)?.version(key).await?;
                Ok((version.map(|version| version != ABSENT),))
            })
        },
    )?;
    interface.func_wrap_async(
        "[method]bucket.set",
        |store: Store<'_>, (bucket, key, value): (Resource<Bucket>, String, Vec<u8>)| {
            Box::new(async move {
                let change = Change::set(key, value);
                Ok((get(&store, &bucket)?.change_checked(vec![change]).await?,))
            })
        },
    )?;
    interface.func_wrap_async(
        "[method]bucket.delete",
        |store: Store<'_>, (bucket, key): (Resource<Bucket>, String)| {
            Box::new(async move {
                let change = Change::delete(key);
                Ok((get(&store, &bucket)?.change_checked(vec![change]).await?,))
            })
        },
    )?;
    match draft {
        Draft::First => interface.func_wrap_async(
            "[method]bucket.list-keys",
            |store: Store<'_>, (bucket, cursor): (Resource<Bucket>, Option<u64>)| {
                Box::new(async move {
                    let bucket = get(&store, &bucket)?;
                    Ok((list(&bucket, cursor.unwrap_or_default()).await?,))
                })
            },
        ),
        Draft::Second => interface.func_wrap_async(
            "[method]bucket.list-keys",
            |store: Store<'_>, (bucket, cursor): (Resource<Bucket>, Option<String>)| {
                Box::new(async move {
                    let bucket = get(&store, &bucket)?;
                    let cursor = cursor.map_or(Ok(0), |cursor| cursor.parse());
                    let Ok(after) = cursor else {
                        let words = "the cursor is none of this host's; begin without one";
                        return Ok((Err(Error::Other(words.into())),));
                    };
                    let page = list(&bucket, after).await?;
                    Ok((page.map(|Page { keys, cursor }| Page {
                        keys,
                        cursor: cursor.map(|cursor: u64| cursor.to_string()),
                    }),))
                })
            },
        ),
    }
}

fn open(store: &mut Store<'_>, name: String) -> wasmtime::Result<Answer<Resource<Bucket>>> {
    let sandbox = store.data_mut();
    let Some(space) = sandbox.space.clone() else {
        sandbox.log.line(LogLevel::Warn, &denied(&name));
        return Ok(Err(Error::AccessDenied));
    };
    if let Err(error) = check_bucket(&name) {
        return Ok(Err(error));
    }
    let held = Arc::new(sandbox.memory.instance().charge(OPEN_BYTES)?);
    let threads = sandbox.limits.threads.clone();
    let memory = Arc::clone(sandbox.memory.instance());
    let bucket = Bucket { space, name, threads, memory, _held: held };
    Ok(Ok(sandbox.table.push(bucket)?))
}

/// Why `open` was refused. The guest gets a code, and its author needs the grant
/// that would help, which stands first because a line of the log is cut at its end.
fn denied(bucket: &str) -> String {
    let room = KeyValueGrant::default().max_mb;
    let bucket = words(bucket);
    format!(
        "the host denied a key-value store: `--keyvalue={room}` or `keyvalue = {{ max_mb = {room} }}` \
         grants one of {room} MiB; the bucket was \"{bucket}\""
    )
}

pub(super) fn get(store: &Store<'_>, bucket: &Resource<Bucket>) -> wasmtime::Result<Bucket> {
    Ok(store.data().table.get(bucket)?.clone())
}

async fn list(bucket: &Bucket, after: u64) -> wasmtime::Result<Answer<Page<u64>>> {
    let _turn = bucket.turn(LIST_BYTES).await?;
    let listed = bucket.space.store.keys(bucket.place(), after, KEYS).await;
    Ok(listed.map_err(Error::from).map(|found| {
        let cursor = found.last().filter(|_| found.len() == KEYS).map(|(_, version)| *version);
        Page { keys: found.into_iter().map(|(key, _)| key).collect(), cursor }
    }))
}
