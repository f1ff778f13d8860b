//! The memory quota: everything an agent holds, summed.
//!
//! wasmtime's own limiter compares each memory alone, so a component with a
//! hundred memories would have a hundred quotas. Here one sum covers every
//! memory and table of a store, and a second one all stores of the agent, so
//! that an agent cannot multiply its quota by asking for more instances.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chimera_layer4_core::LimitSource;
use chimera_layer4_core::quota::MEBIBYTE;
use wasmtime::ResourceLimiter;

use crate::executor::engine::{
    CORE_INSTANCES_PER_COMPONENT, MEMORIES_PER_COMPONENT, TABLES_PER_COMPONENT,
};

/// A table element is a pointer in the host.
const TABLE_ELEMENT_BYTES: u64 = 8;

/// What all instances of one agent hold together, and its limit.
#[derive(Debug)]
pub(crate) struct AgentMemory {
    limit: u64,
    held: AtomicU64,
}

impl AgentMemory {
    pub(crate) fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self { limit, held: AtomicU64::new(0) })
    }

    fn take(&self, bytes: u64) -> Result<(), OverMemory> {
        let wanted = self.held.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if wanted <= self.limit {
            return Ok(());
        }
        self.give_back(bytes);
        Err(OverMemory { wanted, limit: self.limit, set_by: LimitSource::Agent })
    }

    fn give_back(&self, bytes: u64) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The sum of an instance's memories and tables, and its limit.
#[derive(Debug)]
pub(crate) struct MemoryMeter {
    agent: Arc<AgentMemory>,
    limit: u64,
    set_by: LimitSource,
    held: u64,
    peak: u64,
    /// What the last permitted growth added, taken back if it then fails.
    last_growth: u64,
}

/// More memory than the quota was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OverMemory {
    pub(crate) wanted: u64,
    pub(crate) limit: u64,
    pub(crate) set_by: LimitSource,
}

impl MemoryMeter {
    pub(crate) fn new(agent: Arc<AgentMemory>) -> Self {
        let (limit, set_by) = (agent.limit, LimitSource::Agent);
        Self { agent, limit, set_by, held: 0, peak: 0, last_growth: 0 }
    }

    /// Starts a run: its limit, and a peak of its own.
    ///
    /// # Errors
    /// The instance holds more than the run may.
    pub(crate) fn start_run(&mut self, limit: u64, set_by: LimitSource) -> Result<(), OverMemory> {
        self.peak = self.held;
        if self.held > limit {
            return Err(OverMemory { wanted: self.held, limit, set_by });
        }
        (self.limit, self.set_by) = (limit, set_by);
        Ok(())
    }

    /// Between runs the agent's own limit rules.
    pub(crate) fn end_run(&mut self) {
        (self.limit, self.set_by) = (self.agent.limit, LimitSource::Agent);
    }

    /// The most bytes held since the run started.
    pub(crate) fn peak(&self) -> u64 {
        self.peak
    }

    fn grow(&mut self, by: u64) -> wasmtime::Result<bool> {
        let wanted = self.held.saturating_add(by);
        if wanted > self.limit {
            let over = OverMemory { wanted, limit: self.limit, set_by: self.set_by };
            return Err(wasmtime::Error::from(over));
        }
        self.agent.take(by).map_err(wasmtime::Error::from)?;
        self.held = wanted;
        self.peak = self.peak.max(wanted);
        self.last_growth = by;
        Ok(true)
    }

    fn take_back(&mut self) {
        let bytes = std::mem::take(&mut self.last_growth);
        self.held = self.held.saturating_sub(bytes);
        self.agent.give_back(bytes);
    }
}

impl Drop for MemoryMeter {
    fn drop(&mut self) {
        self.agent.give_back(self.held);
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

impl fmt::Display for OverMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes as f64 / MEBIBYTE as f64;
        write!(f, "wanted {:.1} MiB of {:.1} MiB", mib(self.wanted), mib(self.limit))
    }
}

impl std::error::Error for OverMemory {}

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
        assert_eq!((meter.held, meter.peak()), (900, 900));
    }

    #[test]
    fn a_growth_that_failed_is_given_back() {
        let mut meter = meter(1000);
        meter.memory_growing(0, 900, None).unwrap();
        meter.memory_grow_failed(wasmtime::Error::msg("no")).unwrap();
        assert_eq!((meter.held, meter.agent.held.load(Ordering::Relaxed)), (0, 0));
    }

    #[test]
    fn each_run_has_its_own_limit_and_peak() {
        let mut meter = meter(1000);
        meter.memory_growing(0, 100, None).unwrap();
        meter.start_run(500, LimitSource::Task).unwrap();
        assert_eq!(meter.peak(), 100);
        assert!(meter.memory_growing(100, 600, None).is_err());
        meter.end_run();
        assert!(meter.memory_growing(100, 600, None).is_ok());
        assert_eq!(meter.start_run(500, LimitSource::Task).unwrap_err().wanted, 600);
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
}
