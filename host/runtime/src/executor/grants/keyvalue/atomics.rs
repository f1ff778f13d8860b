//! `wasi:keyvalue/atomics`: counters, and changes of what was read.

use std::sync::Arc;

use chimera_layer4_core::keyvalue::{ABSENT, Change, KeyValueError};
use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Lift, LinkerInstance, Lower, Resource, ResourceType};

use super::bucket::get;
use super::{Answer, Bucket, Draft, Error, OPEN_BYTES, check_change};
use crate::executor::limits::memory::Charge;
use crate::executor::sandbox::Sandbox;

type Store<'a> = StoreContextMut<'a, Sandbox>;

/// Tries of one increment, each of which somebody else was faster than.
const TRIES: u32 = 100;

/// A key as it was when somebody looked: its version alone, since an instance may
/// hold thousands of these.
#[derive(Clone, Debug)]
struct Cas {
    bucket: Bucket,
    key: String,
    version: u64,
    _held: Arc<Charge>,
}

#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum CasError {
    #[component(name = "store-error")]
    Store(Error),
    #[component(name = "cas-failed")]
    Failed(Resource<Cas>),
}

pub(super) fn link(
    interface: &mut LinkerInstance<'_, Sandbox>,
    draft: Draft,
) -> wasmtime::Result<()> {
    match draft {
        Draft::First => interface.func_wrap_async(
            "increment",
            |store: Store<'_>, (bucket, key, delta): (Resource<Bucket>, String, u64)| {
                Box::new(async move {
                    let bucket = get(&store, &bucket)?;
                    Ok((increment(&bucket, key, |old: u64| old.checked_add(delta)).await?,))
                })
            },
        ),
        Draft::Second => {
            interface.func_wrap_async(
                "increment",
                |store: Store<'_>, (bucket, key, delta): (Resource<Bucket>, String, i64)| {
                    Box::new(async move {
                        let bucket = get(&store, &bucket)?;
                        Ok((increment(&bucket, key, |old: i64| old.checked_add(delta)).await?,))
                    })
                },
            )?;
            link_cas(interface)
        }
    }
}

/// A counter is its decimal digits; one that is not there counts from zero.
async fn increment<N>(
    bucket: &Bucket,
    key: String,
    add: impl Fn(N) -> Option<N>,
) -> wasmtime::Result<Answer<N>>
where
    N: Default + std::str::FromStr + std::fmt::Display,
{
    for _ in 0..TRIES {
        let found = match bucket.read_one(key.clone()).await? {
            Ok(found) => found,
            Err(error) => return Ok(Err(error)),
        };
        let old = found.as_ref().map_or(Some(N::default()), |entry| {
            std::str::from_utf8(&entry.value).ok()?.parse().ok()
        });
        let Some(new) = old.and_then(&add) else {
            let words = "the value is no number that can be counted on with, or would be too large";
            return Ok(Err(Error::Other(words.into())));
        };
        let change = Change {
            key: key.clone(),
            value: Some(new.to_string().into_bytes()),
            expected: Some(found.map_or(ABSENT, |entry| entry.version)),
        };
        match bucket.change(vec![change]).await? {
            Ok(()) => return Ok(Ok(new)),
            Err(KeyValueError::Conflict) => {}
            Err(error) => return Ok(Err(error.into())),
        }
    }
    let words = format!("others changed the key {TRIES} times meanwhile; try again later");
    Ok(Err(Error::Other(words)))
}

fn link_cas(interface: &mut LinkerInstance<'_, Sandbox>) -> wasmtime::Result<()> {
    interface.resource("cas", ResourceType::host::<Cas>(), |mut store, handle| {
        store.data_mut().table.delete(Resource::<Cas>::new_own(handle))?;
        Ok(())
    })?;
    interface.func_wrap_async(
        "[static]cas.new",
        |mut store: Store<'_>, (bucket, key): (Resource<Bucket>, String)| {
            Box::new(async move {
                let bucket = get(&store, &bucket)?;
                let held = store.data().memory.instance().charge(OPEN_BYTES + key.len())?;
                Ok((match look(bucket, key, Arc::new(held)).await? {
                    Ok(cas) => Ok(store.data_mut().table.push(cas)?),
                    Err(error) => Err(error),
                },))
            })
        },
    )?;
    interface.func_wrap_async(
        "[method]cas.current",
        |mut store: Store<'_>, (cas,): (Resource<Cas>,)| {
            Box::new(async move {
                let Cas { bucket, key, .. } = store.data().table.get(&cas)?.clone();
                let found = match bucket.read_one(key).await? {
                    Ok(found) => found,
                    Err(error) => return Ok((Err(error),)),
                };
                // What the guest has seen is what it is to swap.
                let version = found.as_ref().map_or(ABSENT, |entry| entry.version);
                store.data_mut().table.get_mut(&cas)?.version = version;
                Ok((Ok(found.map(|entry| entry.value)),))
            })
        },
    )?;
    interface.func_wrap_async(
        "swap",
        |mut store: Store<'_>, (cas, value): (Resource<Cas>, Vec<u8>)| {
            Box::new(async move {
                let cas = store.data_mut().table.delete(cas)?;
                Ok((swap(&mut store, cas, value).await?,))
            })
        },
    )
}

async fn look(bucket: Bucket, key: String, held: Arc<Charge>) -> wasmtime::Result<Answer<Cas>> {
    let version = bucket.version(key.clone()).await?;
    Ok(version.map(|version| Cas { bucket, key, version, _held: held }))
}

/// Where somebody was faster, the answer is the key as it is now.
async fn swap(
    store: &mut Store<'_>,
    cas: Cas,
    value: Vec<u8>,
) -> wasmtime::Result<Result<(), CasError>> {
    let Cas { bucket, key, version, _held: held } = cas;
    let change = Change { key: key.clone(), value: Some(value), expected: Some(version) };
    if let Err(error) = check_change(&change) {
        return Ok(Err(CasError::Store(error)));
    }
    match bucket.change(vec![change]).await? {
        Ok(()) => Ok(Ok(())),
        Err(KeyValueError::Conflict) => Ok(Err(match look(bucket, key, held).await? {
            Ok(cas) => CasError::Failed(store.data_mut().table.push(cas)?),
            Err(error) => CasError::Store(error),
        })),
        Err(error) => Ok(Err(CasError::Store(error.into()))),
    }
}
