//! `wasi:keyvalue/batch`: several keys at once, all of them or none.

use chimera_layer4_core::keyvalue::Change;
use wasmtime::StoreContextMut;
use wasmtime::component::{LinkerInstance, Resource};

use super::bucket::get;
use super::{Answer, Bucket, Draft};
use crate::executor::sandbox::Sandbox;

type Store<'a> = StoreContextMut<'a, Sandbox>;
type Pairs = Vec<(String, Vec<u8>)>;
/// A key, and its value if it is there.
type Found = (String, Option<Vec<u8>>);

pub(super) fn link(
    interface: &mut LinkerInstance<'_, Sandbox>,
    draft: Draft,
) -> wasmtime::Result<()> {
    match draft {
        Draft::First => interface.func_wrap_async(
            "get-many",
            |store: Store<'_>, (bucket, keys): (Resource<Bucket>, Vec<String>)| {
                Box::new(async move {
                    let found = read(&get(&store, &bucket)?, keys).await?;
                    let there = |(key, value): Found| value.map(|value| (key, value));
                    Ok((found.map(|found| found.into_iter().map(there).collect::<Vec<_>>()),))
                })
            },
        )?,
        Draft::Second => interface.func_wrap_async(
            "get-many",
            |store: Store<'_>, (bucket, keys): (Resource<Bucket>, Vec<String>)| {
                Box::new(async move { Ok((read(&get(&store, &bucket)?, keys).await?,)) })
            },
        )?,
    }
    interface.func_wrap_async(
        "set-many",
        |store: Store<'_>, (bucket, pairs): (Resource<Bucket>, Pairs)| {
            Box::new(async move {
                let changes = pairs.into_iter().map(|(key, value)| Change::set(key, value));
                let changes = changes.collect();
                Ok((get(&store, &bucket)?.change_checked(changes).await?,))
            })
        },
    )?;
    interface.func_wrap_async(
        "delete-many",
        |store: Store<'_>, (bucket, keys): (Resource<Bucket>, Vec<String>)| {
            Box::new(async move {
                let changes = keys.into_iter().map(Change::delete).collect();
                Ok((get(&store, &bucket)?.change_checked(changes).await?,))
            })
        },
    )
}

async fn read(bucket: &Bucket, keys: Vec<String>) -> wasmtime::Result<Answer<Vec<Found>>> {
    let found = bucket.read(&keys).await?;
    let values = found.map(|found| found.into_iter().map(|entry| entry.map(|entry| entry.value)));
    Ok(values.map(|values| keys.into_iter().zip(values).collect()))
}
