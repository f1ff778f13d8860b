//! The memory quota: everything an agent holds, summed.
//!
//! wasmtime's own limiter compares each memory alone, so a component with a
//! hundred memories would have a hundred quotas. Here one sum covers every
//! memory and table of a store, and a second one all stores of the agent, so
//! that an agent cannot multiply its quota by asking for more instances.
//!
//! What the host holds for a guest, such as what was read ahead of it, counts in
//! the same sums, as [`Charge`]s.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chimera_layer4_core::LimitSource;
use parking_lot::Mutex;
use wasmtime::ResourceLimiter;

use super::held::{Account, Held};
use super::run::tighter;
use crate::sandbox::engine::{
    CORE_INSTANCES_PER_COMPONENT, MEMORIES_PER_COMPONENT, TABLES_PER_COMPONENT,
};

pub(crate) use super::held::OverMemory;

/// What the host holds for each agent without charging it. What is counted
/// nowhere, such as the record of the agent itself, is the rest of the mebibyte
/// that a host may add for an agent.
pub(super) const FREE_BYTES: u64 = 896 * 1024;
/// A table element is a pointer in the host.
const TABLE_ELEMENT_BYTES: u64 = 8;

/// What all instances of one agent hold together, and its limit.
#[derive(Debug)]
pub(crate) struct AgentMemory {
    limit: AtomicU64,
    held: AtomicU64,
    /// What the host itself needs for the agent, of which some is free.
    hosted: Mutex<u64>,
}

impl AgentMemory {
    pub(crate) fn new(limit: u64) -> Arc<Self> {
        let (limit, held) = (AtomicU64::new(limit), AtomicU64::new(0));
        Arc::new(Self { limit, held, hosted: Mutex::new(0) })
    }

    /// Sets another limit, for the next growth of any instance. What is held
    /// already stays.
    pub(crate) fn change(&self, limit: u64) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Bytes held now.
    pub(crate) fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    fn limit(&self) -> u64 {
        self.limit.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: u64) -> Result<(), OverMemory> {
        let wanted = self.held.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        let limit = self.limit();
        if wanted <= limit {
            return Ok(());
        }
        self.give_back(bytes);
        Err(OverMemory { wanted, limit, set_by: LimitSource::Agent })
    }

    fn give_back(&self, bytes: u64) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Counts what the host needs for the agent, as far as that is not free.
impl Account for AgentMemory {
    fn more(&self, bytes: u64) -> Result<(), OverMemory> {
        let mut hosted = self.hosted.lock();
        let wanted = hosted.saturating_add(bytes);
        self.take(beyond_free(wanted) - beyond_free(*hosted))?;
        *hosted = wanted;
        Ok(())
    }

    fn less(&self, bytes: u64) {
        let mut hosted = self.hosted.lock();
        let left = hosted.saturating_sub(bytes);
        self.give_back(beyond_free(*hosted) - beyond_free(left));
        *hosted = left;
    }
}

fn beyond_free(bytes: u64) -> u64 {
    bytes.saturating_sub(FREE_BYTES)
}

/// The task's limit outside a run.
const NO_TASK: u64 = u64::MAX;

/// What one instance holds, in its memories and in the host, and its limits.
///
/// Charges may be given back by threads that read files, so the counts are
/// atomic; only the instance's own call takes more.
#[derive(Debug)]
pub(crate) struct InstanceMemory {
    agent: Arc<AgentMemory>,
    /// The task's own limit, in a run.
    task: AtomicU64,
    held: AtomicU64,
    peak: AtomicU64,
}

impl InstanceMemory {
    fn new(agent: Arc<AgentMemory>) -> Arc<Self> {
        let zero = || AtomicU64::new(0);
        Arc::new(Self { agent, task: AtomicU64::new(NO_TASK), held: zero(), peak: zero() })
    }

    /// Counts bytes that the host holds for the instance, until the answer is
    /// dropped.
    ///
    /// # Errors
    /// The agent or the task may not hold so many more.
    pub(crate) fn charge(self: &Arc<Self>, bytes: usize) -> Result<Charge, OverMemory> {
        Charge::of(self, bytes)
    }

    /// A charge for something that is yet to come.
    pub(crate) fn nothing(self: &Arc<Self>) -> Charge {
        Charge::nothing(self)
    }

    fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// Whether the instance may hold `wanted` by the tighter of both limits as
    /// they are now, since the agent's may change during a run.
    fn check(&self, wanted: u64) -> Result<(), OverMemory> {
        let agent = self.agent.limit();
        let (limit, set_by) = tighter(agent, self.task.load(Ordering::Relaxed));
        if wanted <= limit { Ok(()) } else { Err(OverMemory { wanted, limit, set_by }) }
    }
}

/// Bytes that the host holds for an instance.
pub(crate) type Charge = Held<InstanceMemory>;

impl Account for InstanceMemory {
    fn more(&self, bytes: u64) -> Result<(), OverMemory> {
        let wanted = self.held().saturating_add(bytes);
        self.check(wanted)?;
        self.agent.take(bytes)?;
        self.held.fetch_add(bytes, Ordering::Relaxed);
        self.peak.fetch_max(wanted, Ordering::Relaxed);
        Ok(())
    }

    fn less(&self, bytes: u64) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
        self.agent.give_back(bytes);
    }
}

/// The sum of an instance's memories and tables, on what the instance may hold.
#[derive(Debug)]
pub(crate) struct MemoryMeter {
    memory: Arc<InstanceMemory>,
    /// Of all that is held, what the memories and tables are.
    grown: u64,
    /// What the last permitted growth added, taken back if it then fails.
    last_growth: u64,
}

impl MemoryMeter {
    pub(crate) fn new(agent: Arc<AgentMemory>) -> Self {
        Self { memory: InstanceMemory::new(agent), grown: 0, last_growth: 0 }
    }

    /// What the host's own holdings for the instance are counted on.
    pub(crate) fn instance(&self) -> &Arc<InstanceMemory> {
        &self.memory
    }

    /// Starts a run: the task's limit, and a peak of its own.
    ///
    /// # Errors
    /// The instance holds more than the run may.
    pub(crate) fn start_run(&mut self, task: u64) -> Result<(), OverMemory> {
        let held = self.held();
        self.memory.peak.store(held, Ordering::Relaxed);
        self.memory.task.store(task, Ordering::Relaxed);
        self.memory.check(held).inspect_err(|_| self.end_run())
    }

    /// Between runs the agent's own limit rules.
    pub(crate) fn end_run(&mut self) {
        self.memory.task.store(NO_TASK, Ordering::Relaxed);
    }

    /// Bytes held now.
    pub(crate) fn held(&self) -> u64 {
        self.memory.held()
    }

    /// The most bytes held since the run started.
    pub(crate) fn peak(&self) -> u64 {
        self.memory.peak.load(Ordering::Relaxed)
    }

    fn grow(&mut self, by: u64) -> wasmtime::Result<bool> {
        self.memory.more(by).map_err(wasmtime::Error::from)?;
        self.grown = self.grown.saturating_add(by);
        self.last_growth = by;
        Ok(true)
    }

    fn take_back(&mut self) {
        let bytes = std::mem::take(&mut self.last_growth);
        self.grown = self.grown.saturating_sub(bytes);
        self.memory.less(bytes);
    }
}

impl Drop for MemoryMeter {
    fn drop(&mut self) {
        self.memory.less(self.grown);
    }
}

impl ResourceLimiter for MemoryMeter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.grow(desired.saturating_sub(current) as u64)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.take_back();
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let elements = desired.saturating_sub(current) as u64;
        self.grow(elements.saturating_mul(TABLE_ELEMENT_BYTES))
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.take_back();
        Ok(())
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES_PER_COMPONENT as usize
    }

    fn tables(&self) -> usize {
        TABLES_PER_COMPONENT as usize
    }

    fn memories(&self) -> usize {
        MEMORIES_PER_COMPONENT as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(limit: u64) -> MemoryMeter {
        MemoryMeter::new(AgentMemory::new(limit))
    }

    #[test]
    fn memories_and_tables_share_one_sum() {
        let mut meter = meter(1000);
        assert!(meter.memory_growing(0, 500, None).unwrap());
        assert!(meter.memory_growing(0, 400, None).unwrap());
        let error = meter.table_growing(0, 20, None).unwrap_err();
        let over = error.downcast_ref::<OverMemory>().unwrap();
        assert_eq!((over.wanted, over.limit), (1060, 1000));
        assert_eq!((meter.held(), meter.peak()), (900, 900));
    }

    #[test]
    fn a_growth_that_failed_is_given_back() {
        let mut meter = meter(1000);
        meter.memory_growing(0, 900, None).unwrap();
        meter.memory_grow_failed(wasmtime::Error::msg("no")).unwrap();
        assert_eq!((meter.held(), meter.memory.agent.held()), (0, 0));
    }

    #[test]
    fn each_run_has_its_own_limit_and_peak() {
        let mut meter = meter(1000);
        meter.memory_growing(0, 100, None).unwrap();
        meter.start_run(500).unwrap();
        assert_eq!(meter.peak(), 100);
        assert!(meter.memory_growing(100, 600, None).is_err());
        meter.end_run();
        assert!(meter.memory_growing(100, 600, None).is_ok());
        assert_eq!(meter.start_run(500).unwrap_err().wanted, 600);
        assert!(meter.memory_growing(600, 700, None).is_ok(), "the run did not start");
    }

    #[test]
    fn a_changed_quota_rules_the_next_growth_and_the_tighter_is_named() {
        let agent = AgentMemory::new(1000);
        let mut meter = MemoryMeter::new(Arc::clone(&agent));
        let grow = |meter: &mut MemoryMeter, from, to| {
            meter
                .memory_growing(from, to, None)
                .map_err(|error| error.downcast::<OverMemory>().unwrap())
        };
        let over = |wanted, limit, set_by| OverMemory { wanted, limit, set_by };
        meter.start_run(800).unwrap();
        grow(&mut meter, 0, 600).unwrap();
        agent.change(500);
        let refused = grow(&mut meter, 600, 601).unwrap_err();
        assert_eq!(refused, over(601, 500, LimitSource::Agent), "what is held stays held");
        agent.change(2000);
        let refused = grow(&mut meter, 600, 900).unwrap_err();
        assert_eq!(refused, over(900, 800, LimitSource::Task), "a raised quota is not the task's");
        grow(&mut meter, 600, 800).unwrap();
        meter.end_run();
        grow(&mut meter, 800, 900).unwrap();

        agent.change(850);
        assert_eq!(meter.start_run(1000), Err(over(900, 850, LimitSource::Agent)));
        assert_eq!(meter.start_run(800), Err(over(900, 800, LimitSource::Task)));
        let mut second = MemoryMeter::new(agent);
        let refused = grow(&mut second, 0, 10).unwrap_err();
        assert_eq!(refused, over(910, 850, LimitSource::Agent), "nothing until the sum is below");
    }

    #[test]
    fn the_instances_of_an_agent_share_its_quota() {
        let agent = AgentMemory::new(1000);
        let (mut one, mut two) =
            (MemoryMeter::new(Arc::clone(&agent)), MemoryMeter::new(Arc::clone(&agent)));
        one.memory_growing(0, 700, None).unwrap();
        assert!(two.memory_growing(0, 400, None).is_err());
        drop(one);
        assert!(two.memory_growing(0, 400, None).is_ok());
    }

    #[test]
    fn what_the_host_holds_counts_until_it_is_dropped() {
        let mut meter = meter(1000);
        meter.memory_growing(0, 500, None).unwrap();
        let memory = Arc::clone(meter.instance());
        let mut read = memory.charge(400).unwrap();
        assert!(meter.memory_growing(500, 700, None).is_err(), "both are one sum");
        let refused = read.change(600).unwrap_err();
        assert_eq!((refused.wanted, refused.limit), (1100, 1000));
        read.change(100).unwrap();
        assert_eq!((meter.held(), meter.peak()), (600, 900));
        meter.start_run(650).unwrap();
        assert_eq!(memory.charge(51).unwrap_err().set_by, LimitSource::Task);
        drop(meter);
        assert_eq!(memory.agent.held(), 100, "a thread may hold on for longer than the instance");
        drop(read);
        assert_eq!(memory.agent.held(), 0);
    }
}
