//! The engine: one for each host.
//!
//! Two configurations share what decides the compiled code ([`code_config`]),
//! so that code compiled by the child process loads here: the host's, with its
//! pool of instance slots, and the compiler's, which never runs a guest.

use std::path::Path;

use chimera_layer4_core::config::OptLevel;
use chimera_layer4_core::{FabricError, FabricResult};
use wasmtime::component::Component;
use wasmtime::{
    Cache, CacheConfig, Config, Enabled, Engine, InstanceAllocationStrategy,
    PoolingAllocationConfig,
};

use super::ticker::{Running, Ticker};

/// Stack for guest code. A recursion that needs more is a fault.
pub(super) const WASM_STACK: usize = 512 * 1024;
/// Stack of a call: the guest's part and what host functions need on top.
const CALL_STACK: usize = 2 * 1024 * 1024;
/// Core instances in one component. Interpreters bring some thirty.
pub(crate) const CORE_INSTANCES_PER_COMPONENT: u32 = 100;
/// Memories in one component; toolchains make one.
pub(crate) const MEMORIES_PER_COMPONENT: u32 = 8;
/// Tables in one component; toolchains make two, dynamic linking more.
pub(crate) const TABLES_PER_COMPONENT: u32 = 64;
/// Elements in one table; an interpreter's function table has tens of thousands.
const TABLE_ELEMENTS: usize = 100_000;
/// Bytes of bookkeeping for one instance; the largest seen is an interpreter's.
const INSTANCE_BYTES: usize = 4 * 1024 * 1024;
/// A component built by the usual tools has one memory and two tables: the
/// program's, and a shim's that ties its imports.
const USUAL_TABLES: u32 = 3;
/// Memory given back to a slot by zeroing it in place rather than by a system
/// call. Together with the page-map scan this makes a fresh sandbox three
/// times faster. What an ended instance leaves in its slot is charged to no
/// agent, so it is little.
const KEEP_RESIDENT: usize = 128 * 1024;
/// The same for a table, which in most components has a few hundred elements,
/// and for a stack.
const SMALL_KEEP_RESIDENT: usize = 16 * 1024;
const WARM_SLOTS: u32 = 1000;
/// Memory mappings for one live instance, and those of the process itself.
const MAPPINGS_PER_INSTANCE: u64 = 6;
const OTHER_MAPPINGS: u64 = 3000;

/// The engine and the clock that makes its guests yield.
#[derive(Debug)]
pub(crate) struct HostEngine {
    engine: Engine,
    ticker: Ticker,
    cache: Cache,
}

impl HostEngine {
    /// An engine with room for `instances` live at once, for code compiled at `level`.
    pub(crate) fn new(instances: u32, cache_dir: &Path, level: OptLevel) -> FabricResult<Self> {
        check_mappings(instances)?;
        let cache = open_cache(cache_dir)?;
        let mut config = code_config(Some(cache.clone()), level);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(instances)));
        let engine = Engine::new(&config).map_err(|error| {
            FabricError::WasmRuntime(format!(
                "the engine with {instances} instance slots could not be made: {error:#}; \
                 lower `max_agents`, or raise the address space the system allows"
            ))
        })?;
        let ticker = Ticker::start(engine.weak())
            .map_err(|error| FabricError::Internal(format!("no thread for the ticker: {error}")))?;
        Ok(Self { engine, ticker, cache })
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// While the guard lives, running guests are made to yield.
    pub(crate) fn running(&self) -> Running<'_> {
        self.ticker.running()
    }

    /// Times that compiled code came from the cache.
    pub(crate) fn cache_hits(&self) -> usize {
        self.cache.cache_hits()
    }
}

/// What decides the compiled code, and what a guest may contain.
fn code_config(cache: Option<Cache>, level: OptLevel) -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .epoch_interruption(true)
        .max_wasm_stack(WASM_STACK)
        .async_stack_size(CALL_STACK)
        .async_stack_zeroing(true)
        .memory_init_cow(true)
        .cranelift_opt_level(match level {
            OptLevel::None => wasmtime::OptLevel::None,
            OptLevel::Speed => wasmtime::OptLevel::Speed,
            OptLevel::SpeedAndSize => wasmtime::OptLevel::SpeedAndSize,
        })
        .cache(cache);
    // Off: proposals with open advisories, and those no agent toolchain needs.
    config
        .wasm_gc(false)
        .wasm_function_references(false)
        .wasm_exceptions(false)
        .wasm_threads(false)
        .concurrency_support(false);
    config
}

/// Every ceiling is set: a default of "as many as fit" is a guest's to choose.
fn pool(instances: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        // A count and no memory, so the most that a component may have is free.
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES_PER_COMPONENT))
        .total_memories(instances.saturating_add(2 * MEMORIES_PER_COMPONENT))
        .total_tables(instances.saturating_mul(USUAL_TABLES).max(2 * TABLES_PER_COMPONENT))
        .total_stacks(instances.saturating_add(16))
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT)
        .max_memories_per_component(MEMORIES_PER_COMPONENT)
        .max_tables_per_component(TABLES_PER_COMPONENT)
        .max_memories_per_module(MEMORIES_PER_COMPONENT)
        .max_tables_per_module(TABLES_PER_COMPONENT)
        .max_core_instance_size(INSTANCE_BYTES)
        .max_component_instance_size(INSTANCE_BYTES)
        .table_elements(TABLE_ELEMENTS)
        .max_unused_warm_slots(WARM_SLOTS)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(SMALL_KEEP_RESIDENT)
        .async_stack_keep_resident(SMALL_KEEP_RESIDENT)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// How many usual components an instance of this one takes the room of.
pub(crate) fn weight(component: &Component) -> u32 {
    // What it imports is not counted by the engine; it needs no slots then.
    component
        .resources_required()
        .map_or(1, |needs| needs.num_memories.max(needs.num_tables.div_ceil(USUAL_TABLES)).max(1))
}

fn open_cache(folder: &Path) -> FabricResult<Cache> {
    let mut config = CacheConfig::new();
    config.with_directory(folder);
    // Code that is compressed anew would not be what its record says.
    config.with_optimized_compression_usage_counter_threshold(u64::MAX);
    Cache::new(config).map_err(|error| {
        FabricError::Configuration(vec![format!(
            "the folder for compiled code {} cannot be used: {error:#}",
            folder.display()
        )])
    })
}

/// The engine that compiles at `level` and never runs.
pub(crate) fn compiler(cache_dir: &Path, level: OptLevel) -> FabricResult<Engine> {
    let cache = open_cache(cache_dir)?;
    Engine::new(&code_config(Some(cache), level))
        .map_err(|error| FabricError::WasmRuntime(format!("{error:#}")))
}

/// A process that runs out of mappings dies in odd places, so say it at the start.
fn check_mappings(instances: u32) -> FabricResult<()> {
    let Ok(text) = std::fs::read_to_string("/proc/sys/vm/max_map_count") else {
        return Ok(()); // Not Linux, or no /proc: nothing to check against.
    };
    let Ok(allowed) = text.trim().parse::<u64>() else { return Ok(()) };
    let needed = u64::from(instances) * MAPPINGS_PER_INSTANCE + OTHER_MAPPINGS;
    if needed <= allowed {
        return Ok(());
    }
    let most = allowed.saturating_sub(OTHER_MAPPINGS) / MAPPINGS_PER_INSTANCE;
    Err(FabricError::Configuration(vec![format!(
        "{instances} live instances need about {needed} memory mappings, and this system allows \
         {allowed}; set `max_agents` so that at most {most} instances live, \
         or run `sysctl -w vm.max_map_count={needed}`"
    )]))
}
