//! `wasi:keyvalue@0.2.0-draft2`: a cursor is text, a counter may fall below zero,
//! and there is `cas`.

use wasmtime::component::Resource;

use super::bindings::wasi::keyvalue0_2_0_draft2::atomics;
use super::bindings::wasi::keyvalue0_2_0_draft2::batch;
use super::bindings::wasi::keyvalue0_2_0_draft2::store::{Error, Host, HostBucket, KeyResponse};
use super::bucket::{Bucket, Page};
use super::cas::{Cas, NotSwapped};
use super::failure::{Answer, Failure};
use super::{KeyValue, View};

impl Host for View<'_, KeyValue> {
    fn open(&mut self, name: String) -> Answer<Resource<Bucket>> {
        self.open_bucket(name)
    }

    fn convert_error(&mut self, failure: Failure) -> wasmtime::Result<Error> {
        wit_error(failure)
    }
}

impl HostBucket for View<'_, KeyValue> {
    async fn get(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<Option<Vec<u8>>> {
        self.bucket(&bucket)?.get(key).await
    }

    async fn set(&mut self, bucket: Resource<Bucket>, key: String, value: Vec<u8>) -> Answer<()> {
        self.bucket(&bucket)?.set(key, value).await
    }

    async fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<()> {
        self.bucket(&bucket)?.delete(key).await
    }

    async fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<bool> {
        self.bucket(&bucket)?.exists(&key).await
    }

    async fn list_keys(
        &mut self,
        bucket: Resource<Bucket>,
        cursor: Option<String>,
    ) -> Answer<KeyResponse> {
        let Ok(after) = cursor.map_or(Ok(0), |cursor| cursor.parse()) else {
            let message = "the cursor is none of this host's; begin without one";
            return Err(Failure::Other(message.into()));
        };
        let Page { keys, cursor } = self.bucket(&bucket)?.list(after).await?;
        Ok(KeyResponse { keys, cursor: cursor.map(|cursor| cursor.to_string()) })
    }

    async fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.close(bucket)
    }
}

impl atomics::Host for View<'_, KeyValue> {
    async fn increment(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        delta: i64,
    ) -> Answer<i64> {
        self.bucket(&bucket)?.increment(key, |old: i64| old.checked_add(delta)).await
    }

    async fn swap(
        &mut self,
        cas: Resource<Cas>,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), atomics::CasError>> {
        Ok(match self.swap_with(cas, value).await {
            Ok(()) => Ok(()),
            Err(NotSwapped::Changed(cas)) => Err(atomics::CasError::CasFailed(cas)),
            Err(NotSwapped::Store(failure)) => {
                Err(atomics::CasError::StoreError(wit_error(failure)?))
            }
        })
    }
}

impl atomics::HostCas for View<'_, KeyValue> {
    async fn new(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<Resource<Cas>> {
        self.new_cas(&bucket, key).await
    }

    async fn current(&mut self, cas: Resource<Cas>) -> Answer<Option<Vec<u8>>> {
        self.current_of(&cas).await
    }

    async fn drop(&mut self, cas: Resource<Cas>) -> wasmtime::Result<()> {
        self.forget(cas)
    }
}

impl batch::Host for View<'_, KeyValue> {
    async fn get_many(
        &mut self,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Answer<Vec<(String, Option<Vec<u8>>)>> {
        let found = self.bucket(&bucket)?.get_many(keys).await?;
        Ok(found.collect())
    }

    async fn set_many(
        &mut self,
        bucket: Resource<Bucket>,
        pairs: Vec<(String, Vec<u8>)>,
    ) -> Answer<()> {
        self.bucket(&bucket)?.set_many(pairs).await
    }

    async fn delete_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> Answer<()> {
        self.bucket(&bucket)?.delete_many(keys).await
    }
}

fn wit_error(failure: Failure) -> wasmtime::Result<Error> {
    match failure {
        Failure::AccessDenied => Ok(Error::AccessDenied),
        Failure::Other(message) => Ok(Error::Other(message)),
        Failure::Trap(error) => Err(error),
    }
}
