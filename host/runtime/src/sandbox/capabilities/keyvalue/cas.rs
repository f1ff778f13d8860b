//! `cas` of the second draft: changes of what was read.

use chimera_layer4_core::keyvalue::{ABSENT, Change, KeyValueError};
use wasmtime::component::Resource;

use super::bucket::{Bucket, OPEN_BYTES, check_change};
use super::failure::{Answer, Failure};
use super::{KeyValue, View};
use crate::sandbox::limits::memory::Charge;

/// A key as it was when it was read: its version alone, since an instance may
/// hold thousands of these.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Cas {
    bucket: Bucket,
    key: String,
    version: u64,
    _held: Charge,
}

/// Why nothing was swapped.
pub(super) enum NotSwapped {
    Store(Failure),
    /// Another caller changed it first. This is the key as it is now.
    Changed(Resource<Cas>),
}

impl<F: Into<Failure>> From<F> for NotSwapped {
    fn from(failure: F) -> Self {
        Self::Store(failure.into())
    }
}

impl View<'_, KeyValue> {
    pub(super) async fn new_cas(
        &mut self,
        bucket: &Resource<Bucket>,
        key: String,
    ) -> Answer<Resource<Cas>> {
        let bucket = self.bucket(bucket)?;
        let held = self.context.memory.instance().charge(OPEN_BYTES + key.len())?;
        let version = bucket.version(&key).await?;
        Ok(self.context.table.push(Cas { bucket, key, version, _held: held })?)
    }

    pub(super) async fn current_of(&mut self, cas: &Resource<Cas>) -> Answer<Option<Vec<u8>>> {
        let Cas { bucket, key, .. } = self.context.table.get(cas)?;
        let (bucket, key) = (bucket.clone(), key.clone());
        let found = bucket.read_one(key).await?;
        // What the guest has seen is what it is to swap.
        let version = found.as_ref().map_or(ABSENT, |entry| entry.version);
        self.context.table.get_mut(cas)?.version = version;
        Ok(found.map(|entry| entry.value))
    }

    /// If another caller changed it first, the answer is the key as it is now.
    pub(super) async fn swap_with(
        &mut self,
        cas: Resource<Cas>,
        value: Vec<u8>,
    ) -> Result<(), NotSwapped> {
        let cas = self.context.table.delete(cas)?;
        let (key, expected) = (cas.key.clone(), Some(cas.version));
        let change = Change { key, value: Some(value), expected };
        check_change(&change)?;
        match cas.bucket.try_change(vec![change]).await? {
            Ok(()) => Ok(()),
            Err(KeyValueError::Conflict) => {
                let version = cas.bucket.version(&cas.key).await?;
                let again = self.context.table.push(Cas { version, ..cas })?;
                Err(NotSwapped::Changed(again))
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn forget(&mut self, cas: Resource<Cas>) -> wasmtime::Result<()> {
        self.context.table.delete(cas)?;
        Ok(())
    }
}
