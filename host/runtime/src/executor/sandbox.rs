//! The inside of a store: all that one instance can reach.
//!
//! Nothing is granted by default: no files, no environment, no network, no
//! standard input. Standard output and error become log lines.

use std::sync::Arc;

use chimera_layer4_core::keyvalue::KeyValueStore;
use chimera_layer4_core::telemetry::{LogLevel, LogLine, RunTelemetry};
use chimera_layer4_core::{Call, Fault, HostFault};
use wasmtime::component::{HasSelf, Linker, ResourceTable};
use wasmtime::{Engine, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtxView, WasiHttpView};

use super::bindings::telemetry;
use super::engine::WASM_STACK;
use super::fault;
use super::grants::folders::Opened;
use super::grants::handles::Handles;
use super::grants::http::{Heads, Http, Network};
use super::grants::keyvalue::Space;
use super::grants::log::Log;
use super::grants::stdio::GuestStream;
use super::grants::telemetry::Recorder;
use super::grants::{config, folders, http, keyvalue, logging};
use super::limits::agent::AgentLimits;
use super::limits::hosted::Hosted;
use super::limits::memory::MemoryMeter;
use super::setup::AgentSetup;

/// Bytes that one call may make the host copy out of the guest.
pub(crate) const BYTES_PER_HOST_CALL: usize = 4 * 1024 * 1024;
/// Live handles to resources: streams, folders, spans.
pub(crate) const HANDLES: usize = 4096;
/// What an instance takes that does not grow: the stack of its calls, which it
/// keeps between them, and the store.
const FIXED_BYTES: usize = WASM_STACK + 64 * 1024;
/// Random bytes for one call.
const RANDOM_BYTES: u64 = 1024 * 1024;

/// What host functions work on.
pub(crate) struct Sandbox {
    wasi: WasiCtx,
    /// The lines of its log and of its two streams.
    pub(super) log: Log,
    pub(super) table: ResourceTable,
    pub(super) memory: MemoryMeter,
    /// Of the agent: what all its instances take together.
    pub(super) limits: Arc<AgentLimits>,
    pub(super) opened: Opened,
    pub(super) recorder: Recorder,
    pub(super) setup: Arc<AgentSetup>,
    /// What `wasi:keyvalue` works on, where it is granted.
    pub(super) space: Option<Space>,
    pub(super) http: Http,
    pub(super) heads: Heads,
    pub(super) handles: Handles,
    _fixed: Hosted,
}

/// What an agent reported, charged to it as long as it is kept.
pub(crate) struct Reported {
    pub(crate) telemetry: RunTelemetry,
    pub(crate) held: [Hosted; 3],
}

impl Sandbox {
    /// A store with nothing in it but what `setup` grants, which counts on `limits`.
    pub(crate) fn store(
        engine: &Engine,
        setup: &Arc<AgentSetup>,
        keyvalue: &Arc<dyn KeyValueStore>,
        limits: &Arc<AgentLimits>,
        network: &Arc<Network>,
    ) -> Result<Store<Self>, Fault> {
        let hosted = || Hosted::nothing(&limits.memory);
        let fixed = Hosted::of(&limits.memory, FIXED_BYTES)
            .map_err(|over| fault::of_memory(over, Call::Instantiate))?;
        let log = Log::new(hosted());
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES);
        let (wasi, opened) = wasi(setup, &log, limits)?;
        let memory = MemoryMeter::new(Arc::clone(&limits.memory));
        let heads = Heads::new(memory.instance().nothing());
        let sandbox = Self {
            wasi,
            opened,
            log,
            table,
            memory,
            limits: Arc::clone(limits),
            recorder: Recorder::new(hosted()),
            setup: Arc::clone(setup),
            space: space(setup, keyvalue),
            http: Http::new(&setup.grants.http, network, hosted()),
            heads,
            handles: Handles::new(hosted()),
            _fixed: fixed,
        };
        let mut store = Store::new(engine, sandbox);
        store.limiter(|sandbox| &mut sandbox.memory);
        store.set_hostcall_fuel(BYTES_PER_HOST_CALL);
        store.set_max_component_handles(HANDLES);
        store.epoch_deadline_async_yield_and_update(1);
        store.set_epoch_deadline(1);
        Ok(store)
    }

    /// Takes what the guest reported since the run started.
    pub(crate) fn take_reported(&mut self) -> Reported {
        let (mut telemetry, recorded) = self.recorder.take();
        let (lines, dropped, logged) = self.log.take();
        telemetry.log = lines;
        let level = LogLevel::Warn;
        let (denied, noted) = self.http.take_notes();
        telemetry.log.extend(denied.into_iter().map(|message| LogLine { level, message }));
        telemetry.dropped.log_bytes += dropped;
        Reported { telemetry, held: [recorded, logged, noted] }
    }
}

fn space(setup: &AgentSetup, store: &Arc<dyn KeyValueStore>) -> Option<Space> {
    let grant = setup.grants.keyvalue?;
    let (store, name) = (Arc::clone(store), setup.agent_type.clone());
    Some(Space { store, name, most_bytes: grant.max_bytes() })
}

fn wasi(
    setup: &AgentSetup,
    log: &Log,
    limits: &AgentLimits,
) -> Result<(WasiCtx, Opened), HostFault> {
    let mut wasi = WasiCtxBuilder::new();
    wasi.allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .max_random_size(RANDOM_BYTES)
        .stdout(GuestStream::new(log, LogLevel::Info))
        .stderr(GuestStream::new(log, LogLevel::Warn));
    for (name, value) in &setup.environment {
        wasi.env(name, value);
    }
    let opened = folders::open(&mut wasi, &setup.grants.folders, limits)?;
    Ok((wasi.build(), opened))
}

impl WasiView for Sandbox {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.look_at_handles();
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Sandbox {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        self.look_at_handles();
        self.http.view(&mut self.table)
    }
}

/// Everything that a guest may import: WASI 0.2, HTTP among it, the drafts that
/// an agent has a use for, and the contract's telemetry.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<Sandbox>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    folders::bound(&mut linker)?;
    http::bound(&mut linker)?;
    telemetry::add_to_linker::<_, HasSelf<_>>(&mut linker, |sandbox: &mut Sandbox| sandbox)?;
    config::link(&mut linker)?;
    logging::link(&mut linker)?;
    keyvalue::link(&mut linker)?;
    Ok(linker)
}
