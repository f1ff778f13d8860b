//! Entries that go with the process.

use std::collections::BTreeMap;

use async_trait::async_trait;
use parking_lot::{Mutex, MutexGuard};

use super::{ABSENT, Change, Entry, KeyValueError, KeyValueStore, Place, check_room, weight};

/// A store in memory.
#[derive(Debug, Default)]
pub struct MemoryKeyValue(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    last_version: u64,
    spaces: BTreeMap<String, Space>,
}

#[derive(Debug, Default)]
struct Space {
    bytes: u64,
    buckets: BTreeMap<String, BTreeMap<String, Entry>>,
}

impl Space {
    fn get(&self, bucket: &str, key: &str) -> Option<&Entry> {
        self.buckets.get(bucket)?.get(key)
    }

    /// What the space would take after these changes.
    fn bytes_after(&self, bucket: &str, changes: &BTreeMap<&str, Option<&[u8]>>) -> u64 {
        changes.iter().fold(self.bytes, |bytes, (key, value)| {
            let before = self.get(bucket, key).map_or(0, |old| weight(bucket, key, &old.value));
            let after = value.map_or(0, |value| weight(bucket, key, value));
            bytes.saturating_sub(before).saturating_add(after)
        })
    }
}

impl MemoryKeyValue {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock()
    }
}

#[async_trait]
impl KeyValueStore for MemoryKeyValue {
    async fn read(
        &self,
        at: Place<'_>,
        keys: &[String],
        most: u64,
    ) -> Result<Vec<Option<Entry>>, KeyValueError> {
        let kept = self.kept();
        let space = kept.spaces.get(at.space);
        let mut room = most;
        let find = |key: &String| {
            let found = space.and_then(|space| space.get(at.bucket, key));
            let bytes = found.map_or(0, |entry| entry.value.len() as u64);
            room = room.checked_sub(bytes).ok_or(KeyValueError::TooMuch { most })?;
            Ok(found.cloned())
        };
        keys.iter().map(find).collect()
    }

    async fn version(&self, at: Place<'_>, key: &str) -> Result<u64, KeyValueError> {
        let kept = self.kept();
        let entry = kept.spaces.get(at.space).and_then(|space| space.get(at.bucket, key));
        Ok(entry.map_or(ABSENT, |entry| entry.version))
    }

    async fn change(
        &self,
        at: Place<'_>,
        changes: Vec<Change>,
        most: u64,
    ) -> Result<(), KeyValueError> {
        let mut kept = self.kept();
        let Kept { last_version, spaces } = &mut *kept;
        let space = spaces.entry(at.space.to_owned()).or_default();
        for change in &changes {
            let version = space.get(at.bucket, &change.key).map_or(ABSENT, |entry| entry.version);
            if change.expected.is_some_and(|expected| expected != version) {
                return Err(KeyValueError::Conflict);
            }
        }
        // Of a key that is named twice the last counts.
        let last: BTreeMap<&str, Option<&[u8]>> =
            changes.iter().map(|change| (change.key.as_str(), change.value.as_deref())).collect();
        let bytes = space.bytes_after(at.bucket, &last);
        check_room(space.bytes, bytes, most)?;
        space.bytes = bytes;
        let bucket = space.buckets.entry(at.bucket.to_owned()).or_default();
        for (key, value) in last {
            match value {
                None => drop(bucket.remove(key)),
                Some(value) => {
                    *last_version += 1;
                    let entry = Entry { value: value.to_vec(), version: *last_version };
                    bucket.insert(key.to_owned(), entry);
                }
            }
        }
        if bucket.is_empty() {
            space.buckets.remove(at.bucket);
        }
        Ok(())
    }

    async fn keys(
        &self,
        at: Place<'_>,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(String, u64)>, KeyValueError> {
        let kept = self.kept();
        let bucket = kept.spaces.get(at.space).and_then(|space| space.buckets.get(at.bucket));
        let all = bucket.into_iter().flatten().filter(|(_, entry)| entry.version > after);
        let mut keys: Vec<_> = all.map(|(key, entry)| (key.clone(), entry.version)).collect();
        keys.sort_by_key(|(_, version)| *version);
        keys.truncate(limit);
        Ok(keys)
    }

    async fn bytes(&self, space: &str) -> Result<u64, KeyValueError> {
        Ok(self.kept().spaces.get(space).map_or(0, |space| space.bytes))
    }

    async fn spaces(&self) -> Result<Vec<(String, u64)>, KeyValueError> {
        let kept = self.kept();
        let keeping = kept.spaces.iter().filter(|(_, space)| space.bytes > 0);
        Ok(keeping.map(|(name, space)| (name.clone(), space.bytes)).collect())
    }

    async fn clear(&self, space: &str) -> Result<u64, KeyValueError> {
        Ok(self.kept().spaces.remove(space).map_or(0, |space| space.bytes))
    }
}
