//! `wasi:keyvalue`: what an agent keeps from one task to the next.
//!
//! An agent's type has a space of its own, which its agents share and which
//! outlives them and their genomes. Without a grant `open` is refused. Two
//! drafts are linked under their own names, `draft` and `draft2`, since a
//! draft's version matches only itself; they differ in cursors, atomics and the
//! shape of one answer. Both are thin: each generated trait is implemented by the
//! same operations, of a [`Bucket`] and of the view.

mod bucket;
mod cas;
mod failure;
mod first;
mod second;

use std::sync::Arc;

use chimera_layer4_core::keyvalue::{KeyValueStore, MemoryKeyValue};
use chimera_layer4_core::telemetry::LogLevel;
use chimera_layer4_core::{FabricResult, Fault, Grants, KeyValueGrant};
use wasmtime::component::{Linker, Resource};

use self::bucket::{Bucket, OPEN_BYTES, OpenBucket, check_bucket};
use self::failure::{Answer, Failure};
use crate::sandbox::capability::{Capability, Needs, Provides, View, ViewOf};
use crate::sandbox::context::ContextBuilder;
use crate::sandbox::guest_text::sanitize;
use crate::sandbox::options::CapabilityOptions;

mod bindings {
    wasmtime::component::bindgen!({
        path: "src/sandbox/capabilities/keyvalue/drafts.wit",
        imports: {
            "wasi:keyvalue/store@0.2.0-draft.open": trappable,
            "wasi:keyvalue/store@0.2.0-draft2.open": trappable,
            default: async | trappable,
        },
        with: {
            "wasi:keyvalue/store@0.2.0-draft.bucket": super::bucket::Bucket,
            "wasi:keyvalue/store@0.2.0-draft2.bucket": super::bucket::Bucket,
            "wasi:keyvalue/atomics@0.2.0-draft2.cas": super::cas::Cas,
        },
        trappable_error_type: {
            "wasi:keyvalue/store@0.2.0-draft.error" => super::failure::Failure,
            "wasi:keyvalue/store@0.2.0-draft2.error" => super::failure::Failure,
        },
    });
}

/// The drafts, and the interfaces that each of them has.
const DRAFTS: [&str; 2] = ["0.2.0-draft", "0.2.0-draft2"];
const INTERFACES: [&str; 3] = ["store", "atomics", "batch"];

/// Room in the host's key-value store, which the operator grants.
pub(crate) struct KeyValue;

impl Capability for KeyValue {
    type Backend = Arc<dyn KeyValueStore>;
    type State = Option<Space>;

    fn needs(interface: &str) -> Option<Needs> {
        let (name, draft) = interface.strip_prefix("wasi:keyvalue/")?.split_once('@')?;
        (INTERFACES.contains(&name) && DRAFTS.contains(&draft))
            .then_some(Needs::Grant("room in the key-value store (`--keyvalue`)"))
    }

    fn backend(options: &CapabilityOptions) -> FabricResult<Self::Backend> {
        Ok(Arc::clone(&options.keyvalue))
    }

    /// What the agent keeps goes with it, and what its type keeps it does not see.
    fn apart(_: &Self::Backend) -> Self::Backend {
        Arc::new(MemoryKeyValue::default())
    }

    fn check(grants: &Grants, wrong: &mut Vec<String>) {
        if let Some(Err(why)) = grants.keyvalue.map(KeyValueGrant::check) {
            wrong.push(format!("grants.keyvalue.max_mb is {why}"));
        }
    }

    fn state(store: &Self::Backend, instance: &mut ContextBuilder) -> Result<Option<Space>, Fault> {
        let setup = &instance.setup;
        Ok(setup.grants.keyvalue.map(|grant| Space {
            store: Arc::clone(store),
            name: setup.agent_type.clone(),
            most_bytes: grant.max_bytes(),
        }))
    }

    fn link<T: Provides<Self>>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
        bindings::Drafts::add_to_linker::<T, ViewOf<Self>>(linker, T::view)
    }
}

/// What an instance may keep, and where.
#[derive(Clone, Debug)]
pub(crate) struct Space {
    store: Arc<dyn KeyValueStore>,
    name: String,
    most_bytes: u64,
}

impl View<'_, KeyValue> {
    fn open_bucket(&mut self, name: String) -> Answer<Resource<Bucket>> {
        let Some(space) = self.state.clone() else {
            self.context.log.line(LogLevel::Warn, &denied(&name));
            return Err(Failure::AccessDenied);
        };
        check_bucket(&name)?;
        let memory = Arc::clone(self.context.memory.instance());
        let held = memory.charge(OPEN_BYTES)?;
        let threads = self.context.limits.threads.clone();
        let bucket = OpenBucket { space, name, threads, memory, _held: held };
        Ok(self.context.table.push(Bucket(Arc::new(bucket)))?)
    }

    fn bucket(&self, bucket: &Resource<Bucket>) -> Answer<Bucket> {
        Ok(self.context.table.get(bucket)?.clone())
    }

    fn close(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.context.table.delete(bucket)?;
        Ok(())
    }
}

/// Why `open` was refused. The guest gets a code, and its author needs the grant
/// that would help, which stands first because a line of the log is cut at its end.
fn denied(bucket: &str) -> String {
    let room = KeyValueGrant::default().max_mb;
    let bucket = sanitize(bucket);
    format!(
        "the host denied a key-value store: `--keyvalue={room}` or `keyvalue = {{ max_mb = {room} }}` \
         grants one of {room} MiB; the bucket was \"{bucket}\""
    )
}
