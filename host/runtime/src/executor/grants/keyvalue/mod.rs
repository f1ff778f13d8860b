//! `wasi:keyvalue`: what an agent keeps from one task to the next.
//!
//! An agent's type has a space of its own, which its agents share and which
//! outlives them and their genomes. Without a grant `open` is refused. Two
//! drafts are linked under their own names, `draft` and `draft2`, since a
//! draft's version matches only itself; they differ in cursors and atomics.

mod atomics;
mod batch;
mod bucket;

use std::sync::Arc;

use chimera_layer4_core::keyvalue::{Change, Entry, KeyValueError, KeyValueStore, Place};
use wasmtime::component::{ComponentType, Lift, Linker, Lower};

use crate::executor::bindings::words;
use crate::executor::limits::memory::{Charge, InstanceMemory};
use crate::executor::limits::pool::Taken;
use crate::executor::limits::threads::Threads;
use crate::executor::sandbox::{BYTES_PER_HOST_CALL, Sandbox};

/// Bytes of a bucket's name.
const BUCKET_BYTES: usize = 64;
/// Bytes of a key.
const KEY_BYTES: usize = 1024;
/// Bytes of a value.
const VALUE_BYTES: usize = 1 << 20;
/// Keys of one call.
const KEYS: usize = 1000;

/// What an instance may keep, and where.
#[derive(Clone, Debug)]
pub(crate) struct Space {
    pub(crate) store: Arc<dyn KeyValueStore>,
    pub(crate) name: String,
    pub(crate) most_bytes: u64,
}

/// Bytes of an answer for which room is made at first. Where that is too little it
/// is four times as much, and so on: few values are large, and what is charged while
/// they are read is what an agent cannot use.
const FIRST_ANSWER_BYTES: usize = 64 * 1024;

/// What an open bucket takes in the host.
const OPEN_BYTES: usize = 512;

/// An open bucket.
#[derive(Clone, Debug)]
struct Bucket {
    space: Space,
    name: String,
    threads: Threads,
    memory: Arc<InstanceMemory>,
    _held: Arc<Charge>,
}

/// `error` of the standard.
#[derive(Debug, ComponentType, Lift, Lower)]
#[component(variant)]
enum Error {
    #[component(name = "no-such-store")]
    NoSuchStore,
    #[component(name = "access-denied")]
    AccessDenied,
    #[component(name = "other")]
    Other(String),
}

impl From<KeyValueError> for Error {
    fn from(error: KeyValueError) -> Self {
        if let KeyValueError::Failed { reason } = &error {
            tracing::error!(reason, "an agent's key-value store failed");
            return Self::Other("the host's key-value store failed; its log says why".into());
        }
        Self::Other(error.to_string())
    }
}

type Answer<T> = Result<T, Error>;

impl Bucket {
    /// What a call to the store takes: a turn of the agent's, and so many bytes of
    /// the guest's memory.
    async fn turn(&self, bytes: usize) -> wasmtime::Result<(Option<Taken>, Charge)> {
        let held = self.memory.charge(bytes)?;
        Ok((self.threads.turn().await, held))
    }

    fn place(&self) -> Place<'_> {
        Place { space: &self.space.name, bucket: &self.name }
    }

    async fn read(&self, keys: &[String]) -> wasmtime::Result<Answer<Vec<Option<Entry>>>> {
        if let Err(error) = check_keys(keys) {
            return Ok(Err(error));
        }
        let mut most = FIRST_ANSWER_BYTES;
        loop {
            let _turn = self.turn(most).await?;
            match self.space.store.read(self.place(), keys, most as u64).await {
                Err(KeyValueError::TooMuch { .. }) if most < BYTES_PER_HOST_CALL => {
                    most = BYTES_PER_HOST_CALL.min(4 * most);
                }
                read => return Ok(read.map_err(Error::from)),
            }
        }
    }

    async fn read_one(&self, key: String) -> wasmtime::Result<Answer<Option<Entry>>> {
        Ok(self.read(&[key]).await?.map(|mut found| found.pop().flatten()))
    }

    async fn version(&self, key: String) -> wasmtime::Result<Answer<u64>> {
        if let Err(error) = check_key(&key) {
            return Ok(Err(error));
        }
        let _turn = self.turn(key.len()).await?;
        Ok(self.space.store.version(self.place(), &key).await.map_err(Error::from))
    }

    /// `Conflict` is told apart, for whoever tries again.
    async fn change(&self, changes: Vec<Change>) -> wasmtime::Result<Result<(), KeyValueError>> {
        let bytes = |change: &Change| change.key.len() + change.value.as_ref().map_or(0, Vec::len);
        let _turn = self.turn(changes.iter().map(bytes).sum()).await?;
        Ok(self.space.store.change(self.place(), changes, self.space.most_bytes).await)
    }

    async fn change_checked(&self, changes: Vec<Change>) -> wasmtime::Result<Answer<()>> {
        for change in &changes {
            if let Err(error) = check_change(change) {
                return Ok(Err(error));
            }
        }
        if let Err(error) = check_count(changes.len()) {
            return Ok(Err(error));
        }
        Ok(self.change(changes).await?.map_err(Error::from))
    }
}

fn check_change(change: &Change) -> Answer<()> {
    check_key(&change.key)?;
    match &change.value {
        Some(value) if value.len() > VALUE_BYTES => Err(Error::Other(format!(
            "the value has {} bytes; allowed is {VALUE_BYTES}",
            value.len()
        ))),
        _ => Ok(()),
    }
}

fn check_keys(keys: &[String]) -> Answer<()> {
    check_count(keys.len())?;
    keys.iter().try_for_each(|key| check_key(key))
}

fn check_count(keys: usize) -> Answer<()> {
    if keys <= KEYS {
        return Ok(());
    }
    Err(Error::Other(format!("{keys} keys in one call; allowed are {KEYS}")))
}

fn check_key(key: &str) -> Answer<()> {
    match key.len() {
        1..=KEY_BYTES => Ok(()),
        bytes => Err(Error::Other(format!("a key has {bytes} bytes; allowed is 1 to {KEY_BYTES}"))),
    }
}

fn check_bucket(name: &str) -> Answer<()> {
    if name.len() <= BUCKET_BYTES && words(name) == name {
        return Ok(());
    }
    Err(Error::Other(format!(
        "a bucket's name has {} bytes; allowed are {BUCKET_BYTES}, none of them a control character",
        name.len()
    )))
}

pub(crate) fn link(linker: &mut Linker<Sandbox>) -> wasmtime::Result<()> {
    for draft in DRAFTS {
        bucket::link(&mut linker.instance(&draft.interface("store"))?, draft)?;
        atomics::link(&mut linker.instance(&draft.interface("atomics"))?, draft)?;
        batch::link(&mut linker.instance(&draft.interface("batch"))?, draft)?;
    }
    Ok(())
}

/// Whether [`link`] links an interface of this name.
pub(crate) fn links(name: &str) -> bool {
    let interfaces = ["store", "atomics", "batch"];
    DRAFTS.iter().any(|draft| interfaces.iter().any(|part| draft.interface(part) == name))
}

#[derive(Clone, Copy, Debug)]
enum Draft {
    First,
    Second,
}

const DRAFTS: [Draft; 2] = [Draft::First, Draft::Second];

impl Draft {
    fn interface(self, name: &str) -> String {
        let version = match self {
            Draft::First => "0.2.0-draft",
            Draft::Second => "0.2.0-draft2",
        };
        format!("wasi:keyvalue/{name}@{version}")
    }
}
