//! What every task store promises, tested on each of them.
//!
//! A test is an async function of any store. [`on_every_store`] makes of it one
//! test for each; after each the counts must be those of the rows.

mod claims;
mod ends;
mod leases;
mod lists;
mod submissions;
mod sweeps;
mod together;

use chimera_layer4::queue::store::{MemoryStore, StoreError, TaskStore};

use super::disk::{self, Reopened};
use super::{check_counts, run};

/// Makes of each async function a test for every store.
macro_rules! on_every_store {
    ($($name:ident),+ $(,)?) => {
        mod memory {
            $(#[test]
            fn $name() {
                crate::stores::conformance::on_memory(super::$name);
            })+
        }

        mod sqlite {
            $(#[test]
            fn $name() {
                crate::stores::conformance::on_sqlite(super::$name);
            })+
        }

        mod sqlite_reopened {
            $(#[test]
            fn $name() {
                crate::stores::conformance::on_sqlite_reopened(super::$name);
            })+
        }
    };
}
use on_every_store;

fn on_memory(test: impl AsyncFnOnce(&dyn TaskStore)) {
    run(on(&MemoryStore::default(), test));
}

fn on_sqlite(test: impl AsyncFnOnce(&dyn TaskStore)) {
    let folder = disk::folder();
    run(async {
        let (store, _) = disk::open(folder.path()).await.unwrap();
        on(&store, test).await;
    });
}

fn on_sqlite_reopened(test: impl AsyncFnOnce(&dyn TaskStore)) {
    run(async { on(&Reopened::new().await, test).await });
}

async fn on(store: &dyn TaskStore, test: impl AsyncFnOnce(&dyn TaskStore)) {
    test(store).await;
    if store.stats().await != Err(StoreError::Closed) {
        check_counts(store).await;
    }
    store.close().await;
}
