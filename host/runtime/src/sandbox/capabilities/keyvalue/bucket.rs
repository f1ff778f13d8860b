//! An open bucket, and what can be done with it in either draft.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use chimera_layer4_core::keyvalue::{ABSENT, Change, Entry, KeyValueError, Place};

use super::Space;
use super::failure::{Answer, Failure};
use crate::sandbox::guest_text::sanitize;
use crate::sandbox::limits::ceilings::BYTES_PER_HOST_CALL;
use crate::sandbox::limits::memory::{Charge, InstanceMemory, OverMemory};
use crate::sandbox::limits::pool::Taken;
use crate::sandbox::limits::threads::Threads;

/// Bytes of a bucket's name.
const BUCKET_BYTES: usize = 64;
/// Bytes of a key.
const KEY_BYTES: usize = 1024;
/// Bytes of a value.
const VALUE_BYTES: usize = 1 << 20;
/// Keys of one call.
const KEYS: usize = 1000;
/// What a page of keys of a usual length takes.
const LIST_BYTES: usize = KEYS * 64;
/// What an open bucket takes in the host.
pub(super) const OPEN_BYTES: usize = 512;
/// Bytes of an answer for which room is made at first. Where that is too little it
/// is four times as much, and so on: few values are large, and what is charged while
/// they are read is what an agent cannot use.
const FIRST_ANSWER_BYTES: usize = 64 * 1024;
/// Tries of one increment, each of which another caller's change came before.
const TRIES: u32 = 100;

/// A guest's handle to a bucket.
#[derive(Clone, Debug)]
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Bucket(pub(super) Arc<OpenBucket>);

/// An open bucket.
#[derive(Debug)]
pub(super) struct OpenBucket {
    pub(super) space: Space,
    pub(super) name: String,
    pub(super) threads: Threads,
    pub(super) memory: Arc<InstanceMemory>,
    pub(super) _held: Charge,
}

/// A page of keys. The cursor is the version of the last one.
pub(super) struct Page {
    pub(super) keys: Vec<String>,
    pub(super) cursor: Option<u64>,
}

impl Bucket {
    pub(super) async fn get(&self, key: String) -> Answer<Option<Vec<u8>>> {
        Ok(self.read_one(key).await?.map(|entry| entry.value))
    }

    pub(super) async fn exists(&self, key: &str) -> Answer<bool> {
        Ok(self.version(key).await? != ABSENT)
    }

    pub(super) async fn set(&self, key: String, value: Vec<u8>) -> Answer<()> {
        self.change(vec![Change::set(key, value)]).await
    }

    pub(super) async fn delete(&self, key: String) -> Answer<()> {
        self.change(vec![Change::delete(key)]).await
    }

    pub(super) async fn list(&self, after: u64) -> Answer<Page> {
        let _turn = self.turn(LIST_BYTES).await?;
        let found = self.0.space.store.keys(self.place(), after, KEYS).await?;
        let cursor = found.last().filter(|_| found.len() == KEYS).map(|(_, version)| *version);
        Ok(Page { keys: found.into_iter().map(|(key, _)| key).collect(), cursor })
    }

    /// Each key, and its value if it is there.
    pub(super) async fn get_many(
        &self,
        keys: Vec<String>,
    ) -> Answer<impl Iterator<Item = (String, Option<Vec<u8>>)> + use<>> {
        let found = self.read(&keys).await?;
        let values = found.into_iter().map(|entry| entry.map(|entry| entry.value));
        Ok(keys.into_iter().zip(values))
    }

    pub(super) async fn set_many(&self, pairs: Vec<(String, Vec<u8>)>) -> Answer<()> {
        self.change(pairs.into_iter().map(|(key, value)| Change::set(key, value)).collect()).await
    }

    pub(super) async fn delete_many(&self, keys: Vec<String>) -> Answer<()> {
        self.change(keys.into_iter().map(Change::delete).collect()).await
    }

    /// A counter is its decimal digits; one that is not there counts from zero.
    pub(super) async fn increment<N>(&self, key: String, add: impl Fn(N) -> Option<N>) -> Answer<N>
    where
        N: Default + FromStr + Display,
    {
        for _ in 0..TRIES {
            let found = self.read_one(key.clone()).await?;
            let old = found.as_ref().map_or(Some(N::default()), |entry| {
                std::str::from_utf8(&entry.value).ok()?.parse().ok()
            });
            let Some(new) = old.and_then(&add) else {
                let message =
                    "the value is no number that can be counted on with, or would be too large";
                return Err(Failure::Other(message.into()));
            };
            let change = Change {
                key: key.clone(),
                value: Some(new.to_string().into_bytes()),
                expected: Some(found.map_or(ABSENT, |entry| entry.version)),
            };
            match self.try_change(vec![change]).await? {
                Ok(()) => return Ok(new),
                Err(KeyValueError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let message = format!("others changed the key {TRIES} times meanwhile; try again later");
        Err(Failure::Other(message))
    }

    pub(super) async fn version(&self, key: &str) -> Answer<u64> {
        check_key(key)?;
        let _turn = self.turn(key.len()).await?;
        Ok(self.0.space.store.version(self.place(), key).await?)
    }

    pub(super) async fn read_one(&self, key: String) -> Answer<Option<Entry>> {
        Ok(self.read(&[key]).await?.pop().flatten())
    }

    async fn read(&self, keys: &[String]) -> Answer<Vec<Option<Entry>>> {
        check_count(keys.len())?;
        keys.iter().try_for_each(|key| check_key(key))?;
        let mut most = FIRST_ANSWER_BYTES;
        loop {
            let _turn = self.turn(most).await?;
            match self.0.space.store.read(self.place(), keys, most as u64).await {
                Err(KeyValueError::TooMuch { .. }) if most < BYTES_PER_HOST_CALL => {
                    most = BYTES_PER_HOST_CALL.min(4 * most);
                }
                read => return Ok(read?),
            }
        }
    }

    async fn change(&self, changes: Vec<Change>) -> Answer<()> {
        changes.iter().try_for_each(check_change)?;
        check_count(changes.len())?;
        Ok(self.try_change(changes).await??)
    }

    /// `Conflict` is returned separately, so that the caller can try again.
    pub(super) async fn try_change(
        &self,
        changes: Vec<Change>,
    ) -> Result<Result<(), KeyValueError>, OverMemory> {
        let bytes = |change: &Change| change.key.len() + change.value.as_ref().map_or(0, Vec::len);
        let _turn = self.turn(changes.iter().map(bytes).sum()).await?;
        let Space { store, most_bytes, .. } = &self.0.space;
        Ok(store.change(self.place(), changes, *most_bytes).await)
    }

    /// What a call to the store takes: a turn of the agent's, and so many bytes of
    /// the guest's memory.
    async fn turn(&self, bytes: usize) -> Result<(Option<Taken>, Charge), OverMemory> {
        let held = self.0.memory.charge(bytes)?;
        Ok((self.0.threads.turn().await, held))
    }

    fn place(&self) -> Place<'_> {
        Place { space: &self.0.space.name, bucket: &self.0.name }
    }
}

pub(super) fn check_change(change: &Change) -> Answer<()> {
    check_key(&change.key)?;
    match &change.value {
        Some(value) if value.len() > VALUE_BYTES => Err(Failure::Other(format!(
            "the value has {} bytes; allowed is {VALUE_BYTES}",
            value.len()
        ))),
        _ => Ok(()),
    }
}

fn check_count(keys: usize) -> Answer<()> {
    if keys <= KEYS {
        return Ok(());
    }
    Err(Failure::Other(format!("{keys} keys in one call; allowed are {KEYS}")))
}

fn check_key(key: &str) -> Answer<()> {
    match key.len() {
        1..=KEY_BYTES => Ok(()),
        bytes => {
            Err(Failure::Other(format!("a key has {bytes} bytes; allowed is 1 to {KEY_BYTES}")))
        }
    }
}

pub(super) fn check_bucket(name: &str) -> Answer<()> {
    if name.len() <= BUCKET_BYTES && sanitize(name) == name {
        return Ok(());
    }
    Err(Failure::Other(format!(
        "a bucket's name has {} bytes; allowed are {BUCKET_BYTES}, none of them a control character",
        name.len()
    )))
}
