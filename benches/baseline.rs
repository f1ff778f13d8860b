//! The same component on bare wasmtime: the floor that no host goes below.
//!
//! The engine is configured as the host's is, since neither the compiled code
//! nor the pool is what the host adds. The store holds what WASI needs and no
//! more: no meter, no limit on memory, no clock that makes a guest yield, no
//! log. Telemetry is taken and forgotten.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use wasmtime::component::{Component, HasSelf, Linker, Resource, ResourceTable};
use wasmtime::{
    Cache, CacheConfig, Config, Enabled, Engine, InstanceAllocationStrategy,
    PoolingAllocationConfig, Store,
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use self::chimera::agent::{telemetry, types};

wasmtime::component::bindgen!({
    path: "../wit",
    world: "agent",
    imports: { default: trappable },
    exports: { default: async },
    with: { "chimera:agent/telemetry.span": Span },
});

/// An engine, and what a guest may import.
pub(crate) struct Bare {
    engine: Engine,
    linker: Linker<State>,
    cache: Option<Cache>,
}

/// A component with its imports resolved.
pub(crate) type Linked = AgentPre<State>;

/// One live instance.
pub(crate) struct Live {
    store: Store<State>,
    agent: Agent,
}

/// What host functions work on.
pub(crate) struct State {
    wasi: WasiCtx,
    table: ResourceTable,
}

/// A guest's handle to a span that is not kept.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Span;

// === impl Bare ===

impl Bare {
    /// With room for `instances` at once; `cache` is a folder for compiled code.
    pub(crate) fn new(instances: u32, cache: Option<&Path>) -> Result<Self> {
        let cache = cache.map(open_cache).transpose()?;
        let engine = Engine::new(&config(instances, cache.clone())).map_err(failed)?;
        let linker = linker(&engine).map_err(failed)?;
        Ok(Self { engine, linker, cache })
    }

    /// Compiles or finds the compiled code, and links it.
    pub(crate) fn load(&self, component: &[u8]) -> Result<Linked> {
        let linked = Component::new(&self.engine, component)
            .and_then(|component| self.linker.instantiate_pre(&component))
            .and_then(AgentPre::new);
        linked.map_err(failed)
    }

    /// Times that compiled code was found.
    pub(crate) fn cache_hits(&self) -> usize {
        self.cache.as_ref().map_or(0, Cache::cache_hits)
    }

    /// A new instance with its `init` done.
    pub(crate) async fn start(&self, linked: &Linked) -> Result<Live> {
        let state = State { wasi: WasiCtx::builder().build(), table: ResourceTable::new() };
        let mut store = Store::new(&self.engine, state);
        store.set_epoch_deadline(1); // Nothing advances the epoch.
        let agent = linked.instantiate_async(&mut store).await.map_err(failed)?;
        let lifecycle = agent.chimera_agent_lifecycle();
        accepted(lifecycle.call_init(&mut store, &agent_config()).await)?;
        Ok(Live { store, agent })
    }
}

// === impl Live ===

impl Live {
    pub(crate) async fn capabilities(&mut self) -> Result<types::AgentCapabilities> {
        let lifecycle = self.agent.chimera_agent_lifecycle();
        lifecycle.call_capabilities(&mut self.store).await.map_err(failed)
    }

    /// One task, text in and text out.
    pub(crate) async fn execute_text(&mut self, task: &types::Task) -> Result<String> {
        let lifecycle = self.agent.chimera_agent_lifecycle();
        accepted(lifecycle.call_execute_task(&mut self.store, task).await)
    }

    /// One task, with the JSON that any embedder has to write and read.
    pub(crate) async fn execute(
        &mut self,
        task: &mut types::Task,
        payload: &Value,
    ) -> Result<Value> {
        task.payload = payload.to_string();
        let output = self.execute_text(task).await?;
        serde_json::from_str(&output).context("the output is not JSON")
    }

    pub(crate) async fn shutdown(mut self) -> Result<()> {
        let lifecycle = self.agent.chimera_agent_lifecycle();
        accepted(lifecycle.call_shutdown(&mut self.store).await)
    }
}

fn accepted<T>(called: wasmtime::Result<Result<T, types::AgentError>>) -> Result<T> {
    match called {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => bail!("the agent refused: {error:?}"),
        Err(error) => Err(failed(error)),
    }
}

/// wasmtime's error is a type of its own, and no `std::error::Error`.
fn failed(error: wasmtime::Error) -> anyhow::Error {
    anyhow::Error::from_boxed(error.into_boxed_dyn_error())
}

fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    telemetry::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut State| state)?;
    Ok(linker)
}

/// A task whose payload is set before each call.
pub(crate) fn task() -> types::Task {
    types::Task {
        id: "01890a5d-ac96-774b-bcce-b302099a8057".into(),
        priority: types::Priority::Normal,
        payload: String::new(),
        created_at: 0,
        deadline: None,
        attempt: 1,
        quota: quota(),
        source_layer: String::new(),
        agent_type: "echo".into(),
        metadata: Vec::new(),
    }
}

fn agent_config() -> types::Config {
    types::Config {
        agent_id: "01890a5d-ac96-774b-bcce-b302099a8057".into(),
        agent_type: "echo".into(),
        quota: quota(),
        environment: Vec::new(),
        parameters: Vec::new(),
    }
}

fn quota() -> types::ResourceQuota {
    types::ResourceQuota {
        max_cpu_cores: 1.0,
        max_memory_mb: 512,
        max_execution_time_secs: 300,
        max_network_mbps: None,
    }
}

/// Word for word what `host/runtime/src/sandbox/engine.rs` sets. That compiled
/// code is shared through one folder, which the fourth question checks, proves
/// the part that decides the code.
fn config(instances: u32, cache: Option<Cache>) -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .epoch_interruption(true)
        .max_wasm_stack(512 * 1024)
        .async_stack_size(2 * 1024 * 1024)
        .async_stack_zeroing(true)
        .memory_init_cow(true)
        .wasm_gc(false)
        .wasm_function_references(false)
        .wasm_exceptions(false)
        .wasm_threads(false)
        .concurrency_support(false)
        .cache(cache)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(instances)));
    config
}

fn pool(instances: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(4).max(200))
        .total_memories(instances.saturating_add(16))
        .total_tables(instances.saturating_mul(3).max(128))
        .total_stacks(instances.saturating_add(16))
        .max_core_instances_per_component(100)
        .max_memories_per_component(8)
        .max_tables_per_component(64)
        .max_memories_per_module(8)
        .max_tables_per_module(64)
        .max_core_instance_size(4 * 1024 * 1024)
        .max_component_instance_size(4 * 1024 * 1024)
        .table_elements(100_000)
        .max_unused_warm_slots(1000)
        .linear_memory_keep_resident(128 * 1024)
        .table_keep_resident(16 * 1024)
        .async_stack_keep_resident(16 * 1024)
        .pagemap_scan(Enabled::Auto);
    pool
}

fn open_cache(folder: &Path) -> Result<Cache> {
    let mut config = CacheConfig::new();
    config.with_directory(folder);
    Cache::new(config).map_err(failed)
}

// === impl State ===

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl telemetry::Host for State {
    fn start_tracking(&mut self, _name: String) -> wasmtime::Result<Resource<Span>> {
        Ok(self.table.push(Span)?)
    }

    fn record_metric(
        &mut self,
        _name: String,
        _value: f64,
        _labels: Vec<telemetry::Label>,
    ) -> wasmtime::Result<()> {
        Ok(())
    }

    fn progress(&mut self, _fraction: f64, _message: Option<String>) -> wasmtime::Result<()> {
        Ok(())
    }

    fn log(&mut self, _level: telemetry::Level, _message: String) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl telemetry::HostSpan for State {
    fn set_attribute(
        &mut self,
        _span: Resource<Span>,
        _attribute: telemetry::Label,
    ) -> wasmtime::Result<()> {
        Ok(())
    }

    fn drop(&mut self, span: Resource<Span>) -> wasmtime::Result<()> {
        self.table.delete(span)?;
        Ok(())
    }
}
