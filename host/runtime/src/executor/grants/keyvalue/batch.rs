//! `wasi:keyvalue/batch`: several keys at once, all of them or none.

use chimera_layer4_core::keyvalue::Change;
use wasmtime::StoreContextMut;
use wasmtime::component::{LinkerInstance, Resource};

use super::bucket::get;
use super::{Bucket, Draft};
use crate::executor::sandbox::Sandbox;

type Store<'a> = StoreContextMut<'a, Sandbox>;
type Pairs = Vec<(String, Vec<u8>)>;

pub(super) fn link(
    interface: &mut LinkerInstance<'_, Sandbox>,
    draft: Draft,
) -> wasmtime::Result<()> {
    match draft {
        Draft::First => interface.func_wrap_async(
            "get-many",
            |store: Store<'_>, (bucket, keys): (Resource<Bucket>, Vec<String>)| {
                Box::new(async move {
                    let found = get(&store, &bucket)?.read(keys.clone()).await?;
                    let pair = |(key, entry): (String, Option<_>)| {
                        entry.map(|entry: chimera_layer4_core::keyvalue::Entry| (key, entry.value))
                    };
                    Ok((found
                        .map(|found| keys.into_iter().zip(found).map(pair).collect::<Vec<_>>()),))
                })
            },
        )?,
        Draft::Second => interface.func_wrap_async(
            "get-many",
            |store: Store<'_>, (bucket, keys): (Resource<Bucket>, Vec<String>)| {
                Box::new(async move {
                    let found = get(&store, &bucket)?.read(keys.clone()).await?;
                    let pair = |(key, entry): (String, Option<_>)| {
                        (key, entry.map(|entry: chimera_layer4_core::keyvalue::Entry| entry.value))
                    };
                    Ok((found
                        .map(|found| keys.into_iter().zip(found).map(pair).collect::<Vec<_>>()),))
                })
            },
        )?,
    }
    interface.func_wrap_async(
        "set-many",
        |store: Store<'_>, (bucket, pairs): (Resource<Bucket>, Pairs)| {
            Box::new(async move {
                let change = |(key, value)| Change { key, value: Some(value), expected: None };
                let changes = pairs.into_iter().map(change).collect();
                Ok((get(&store, &bucket)?.change_checked(changes).await?,))
            })
        },
    )?;
    interface.func_wrap_async(
        "delete-many",
        |store: Store<'_>, (bucket, keys): (Resource<Bucket>, Vec<String>)| {
            Box::new(async move {
                let change = |key| Change { key, value: None, expected: None };
                let changes = keys.into_iter().map(change).collect();
                Ok((get(&store, &bucket)?.change_checked(changes).await?,))
            })
        },
    )
}
