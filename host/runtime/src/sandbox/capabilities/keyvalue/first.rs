//! `wasi:keyvalue@0.2.0-draft`.

use wasmtime::component::Resource;

use super::bindings::wasi::keyvalue0_2_0_draft::atomics;
use super::bindings::wasi::keyvalue0_2_0_draft::batch;
use super::bindings::wasi::keyvalue0_2_0_draft::store::{Error, Host, HostBucket, KeyResponse};
use super::bucket::{Bucket, Page};
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
        cursor: Option<u64>,
    ) -> Answer<KeyResponse> {
        let Page { keys, cursor } = self.bucket(&bucket)?.list(cursor.unwrap_or_default()).await?;
        Ok(KeyResponse { keys, cursor })
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
        delta: u64,
    ) -> Answer<u64> {
        self.bucket(&bucket)?.increment(key, |old: u64| old.checked_add(delta)).await
    }
}

impl batch::Host for View<'_, KeyValue> {
    async fn get_many(
        &mut self,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Answer<Vec<Option<(String, Vec<u8>)>>> {
        let found = self.bucket(&bucket)?.get_many(keys).await?;
        Ok(found.map(|(key, value)| Some((key, value?))).collect())
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
