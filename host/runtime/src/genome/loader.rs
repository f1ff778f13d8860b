//! Makes genomes of bytes: compiles them, loads the code and links it.

use std::sync::Arc;
use std::time::Instant;

use chimera_layer4_contract::componentize;
use chimera_layer4_core::{Digest, FabricError, FabricResult, Refusal};
use parking_lot::{Mutex, MutexGuard};
use wasmtime::component::{Component, Linker};

use super::compile::Compiler;
use super::loaded::Loaded;
use super::{Genome, Loading};
use crate::sandbox::engine::{self, HostEngine};
use crate::sandbox::linked::Linked;
use crate::sandbox::store::{self, Sandbox};

/// Where the code of a genome came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadedFrom {
    /// Another agent runs it already, or did so shortly before.
    Memory,
    /// It was compiled before.
    Cache,
    /// It was compiled now.
    Compiler,
}

/// Loads genomes for one engine.
pub(crate) struct Loader {
    host: Arc<HostEngine>,
    linker: Linker<Sandbox>,
    compiler: Compiler,
    loaded: Mutex<Loaded>,
}

impl Loader {
    /// A loader for this engine, in whose cache the compiler leaves its code.
    ///
    /// # Errors
    /// `WasmRuntime` when what guests may import cannot be linked.
    pub(crate) fn new(host: Arc<HostEngine>, compiler: Compiler) -> FabricResult<Self> {
        let linker = store::linker(host.engine())
            .map_err(|error| FabricError::WasmRuntime(format!("{error:#}")))?;
        Ok(Self { host, linker, compiler, loaded: Mutex::default() })
    }

    /// Inspects, compiles and links a component, or finds it already loaded.
    ///
    /// # Errors
    /// `Refused` with the reason when the bytes are no agent.
    pub(crate) async fn load(&self, bytes: &[u8]) -> FabricResult<(Arc<Genome>, LoadedFrom)> {
        let digest = Digest::of(bytes);
        if let Some(genome) = self.loaded().get(&digest) {
            return Ok((genome, LoadedFrom::Memory));
        }
        let genome = self.read(bytes, digest).await?;
        self.loaded().insert(&genome);
        let compiled = !genome.loading.compile.is_zero();
        Ok((genome, if compiled { LoadedFrom::Compiler } else { LoadedFrom::Cache }))
    }

    /// As [`load`](Self::load), but never shared with others of the same bytes.
    ///
    /// # Errors
    /// `Refused` with the reason when the bytes are no agent.
    pub(crate) async fn load_apart(&self, bytes: &[u8]) -> FabricResult<Arc<Genome>> {
        self.read(bytes, Digest::of(bytes)).await
    }

    /// A component made of a core module that says how it would be one; `None`
    /// of anything else.
    ///
    /// # Errors
    /// `Refused` when none can be made.
    pub(crate) async fn componentize(&self, bytes: &[u8]) -> FabricResult<Option<Vec<u8>>> {
        if !componentize::can_be_one(bytes) {
            return Ok(None);
        }
        self.compiler.componentize(bytes).await.map(Some)
    }

    async fn read(&self, bytes: &[u8], digest: Digest) -> FabricResult<Arc<Genome>> {
        let compiled = self.compiler.compile(self.host.engine(), bytes, digest).await?;
        let started = Instant::now();
        let hits = self.host.cache_hits();
        let (linked, weight) = self.link(bytes.to_vec()).await?;
        let loading = Loading {
            compile: compiled.compile.unwrap_or_default(),
            load: started.elapsed(),
            cached: compiled.compile.is_none() && self.host.cache_hits() > hits,
        };
        Ok(Arc::new(Genome { inspection: compiled.inspection, linked, weight, loading }))
    }

    /// Loads the compiled code, which is milliseconds of reading and mapping,
    /// away from the threads that run guests.
    async fn link(&self, bytes: Vec<u8>) -> FabricResult<(Linked, u32)> {
        let engine = self.host.engine().clone();
        let linker = self.linker.clone();
        let link = move || {
            let component = Component::new(&engine, &bytes)?;
            let linked = Linked::new(linker.instantiate_pre(&component)?)?;
            Ok((linked, engine::weight(&component)))
        };
        let linked = tokio::task::spawn_blocking(link).await;
        let linked = linked.map_err(|error| FabricError::Internal(format!("loading: {error}")))?;
        linked.map_err(|error| over_limits(&error))
    }

    fn loaded(&self) -> MutexGuard<'_, Loaded> {
        self.loaded.lock()
    }
}

/// The child compiled and linked it already, but without the pool, whose
/// ceilings are all that is left to meet here.
fn over_limits(error: &wasmtime::Error) -> FabricError {
    Refusal::OverLimits { reason: format!("{error:#}") }.into()
}
