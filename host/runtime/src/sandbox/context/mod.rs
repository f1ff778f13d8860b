//! What every instance has in the host, whatever is granted to its agent: its
//! limits, its handles, and what it reports.
//!
//! Nothing is granted here: no files, no environment but the agent's variables, no
//! network, no standard input.

mod handles;
mod log;
pub(crate) mod recorder;

use std::sync::Arc;

use chimera_layer4_core::telemetry::RunTelemetry;
use chimera_layer4_core::{Call, Fault};
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use self::handles::Handles;
use self::recorder::Recorder;
use super::engine::WASM_STACK;
use super::fault;
use super::limits::agent::AgentLimits;
use super::limits::ceilings::HANDLES;
use super::limits::hosted::Hosted;
use super::limits::memory::MemoryMeter;
use super::setup::AgentSetup;

pub(crate) use self::log::Log;

/// What an instance takes that does not grow: the stack of its calls, which it
/// keeps between them, and the store.
const FIXED_BYTES: usize = WASM_STACK + 64 * 1024;
/// Random bytes for one call.
const RANDOM_BYTES: u64 = 1024 * 1024;

/// What host functions work on, whichever capability they belong to.
pub(crate) struct HostContext {
    wasi: WasiCtx,
    pub(crate) table: ResourceTable,
    pub(crate) memory: MemoryMeter,
    /// Of the agent: what all its instances take together.
    pub(crate) limits: Arc<AgentLimits>,
    pub(crate) setup: Arc<AgentSetup>,
    /// The lines of its log and of its two streams.
    pub(crate) log: Log,
    /// Its spans, its metrics, and how far its task is.
    pub(crate) recorder: Recorder,
    handles: Handles,
    _fixed: Hosted,
}

/// What an agent reported, charged to it as long as `held` is kept.
pub(crate) struct Reported {
    pub(crate) telemetry: RunTelemetry,
    pub(crate) held: Hosted,
}

impl HostContext {
    /// Before a call that may add to the handles.
    pub(crate) fn look_at_handles(&mut self) {
        self.handles.look(&mut self.table);
    }

    /// A fault for too many handles as one for too much memory, where that was
    /// why there could be no more.
    pub(crate) fn explained(&self, fault: Fault) -> Fault {
        self.handles.explained(fault)
    }

    /// For what the host is going to hold for the agent.
    pub(crate) fn hosted(&self) -> Hosted {
        Hosted::nothing(&self.limits.memory)
    }

    /// Takes what the guest reported since the run started, which is charged beside
    /// what `held` counts already.
    pub(crate) fn take_reported(&mut self, mut held: Hosted) -> Reported {
        let mut telemetry = self.recorder.take(&mut held);
        let (lines, dropped) = self.log.take(&mut held);
        telemetry.log = lines;
        telemetry.dropped.log_bytes += dropped;
        Reported { telemetry, held }
    }
}

impl WasiView for HostContext {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.handles.look(&mut self.table);
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// A context in the making, to which each capability adds what is granted.
pub(crate) struct ContextBuilder {
    pub(crate) wasi: WasiCtxBuilder,
    pub(crate) log: Log,
    pub(crate) memory: MemoryMeter,
    pub(crate) limits: Arc<AgentLimits>,
    pub(crate) setup: Arc<AgentSetup>,
    fixed: Hosted,
}

impl ContextBuilder {
    /// A context with nothing in it but the agent's own variables.
    ///
    /// # Errors
    /// The agent may not hold so much more.
    pub(crate) fn new(
        setup: &Arc<AgentSetup>,
        limits: &Arc<AgentLimits>,
        instance_bytes: usize,
    ) -> Result<Self, Fault> {
        let fixed = Hosted::of(&limits.memory, FIXED_BYTES.saturating_add(instance_bytes))
            .map_err(|over| fault::of_memory(over, Call::Instantiate))?;
        let mut wasi = WasiCtxBuilder::new();
        wasi.allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .max_random_size(RANDOM_BYTES);
        for (name, value) in &setup.environment {
            wasi.env(name, value);
        }
        Ok(Self {
            wasi,
            log: Log::new(Hosted::nothing(&limits.memory)),
            memory: MemoryMeter::new(Arc::clone(&limits.memory)),
            limits: Arc::clone(limits),
            setup: Arc::clone(setup),
            fixed,
        })
    }

    /// What a part of the context is charged on, beginning with nothing.
    pub(crate) fn hosted(&self) -> Hosted {
        Hosted::nothing(&self.limits.memory)
    }

    pub(crate) fn build(mut self) -> HostContext {
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES);
        let (recorder, handles) = (Recorder::new(self.hosted()), Handles::new(self.hosted()));
        let Self { log, memory, limits, setup, fixed, .. } = self;
        let wasi = self.wasi.build();
        HostContext { wasi, table, memory, limits, setup, log, recorder, handles, _fixed: fixed }
    }
}
