//! How busy the machine and each agent are, from one look to the next.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use chimera_layer4_core::AgentId;
use sysinfo::{CGroupLimits, ProcessRefreshKind, ProcessesToUpdate, System};

/// What was seen at the last look.
#[derive(Default)]
pub(crate) struct Load {
    system: Option<System>,
    looked: Option<Instant>,
    agents: HashMap<AgentId, Duration>,
    now: LoadNow,
}

/// Shares, from the last look but one to the last.
#[derive(Clone, Debug, Default)]
pub(crate) struct LoadNow {
    /// Of all processors, 0.0 to 1.0.
    pub(crate) cpu: f64,
    /// The used share of the machine's or the control group's memory, of all processes, 0.0 to 1.0.
    pub(crate) memory: f64,
    /// Cores, by agent.
    agents: HashMap<AgentId, f64>,
}

impl LoadNow {
    /// Cores that an agent used.
    pub(crate) fn of_agent(&self, id: AgentId) -> f64 {
        self.agents.get(&id).copied().unwrap_or(0.0)
    }
}

impl Load {
    /// Looks, given the processor time of each agent so far.
    pub(crate) fn look(&mut self, agents: impl Iterator<Item = (AgentId, Duration)>) {
        let elapsed = self.looked.replace(Instant::now()).map(|then| then.elapsed());
        let agents: HashMap<_, _> = agents.collect();
        let cores = |(id, cpu): (&AgentId, &Duration)| {
            let before = self.agents.get(id).copied().unwrap_or_default();
            let seconds = elapsed.map_or(0.0, |elapsed| elapsed.as_secs_f64());
            let used = cpu.saturating_sub(before).as_secs_f64();
            (*id, if seconds > 0.0 { used / seconds } else { 0.0 })
        };
        self.now.agents = agents.iter().map(cores).collect();
        self.agents = agents;
        self.look_at_process();
    }

    fn look_at_process(&mut self) {
        if self.system.is_none() {
            self.system = System::new().ok();
        }
        // Where the system does not say, the figures are absent.
        let (Some(system), Ok(pid)) = (&mut self.system, sysinfo::get_current_pid()) else {
            return;
        };
        system.refresh_memory();
        let what = ProcessRefreshKind::nothing().with_cpu();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, what);
        let processors = std::thread::available_parallelism().map_or(1, usize::from) as f64;
        if let Some(process) = system.process(pid) {
            // sysinfo counts a whole core as 100.
            self.now.cpu = (f64::from(process.cpu_usage()) / 100.0 / processors).clamp(0.0, 1.0);
            self.now.memory = memory_used(system, process.cgroup_limits());
        }
    }

    /// As seen at the last look.
    pub(crate) fn now(&self) -> LoadNow {
        self.now.clone()
    }
}

/// In use, of what the control group allows or else of what the machine has:
/// where nothing is left of it, the system ends a process.
fn memory_used(system: &System, limits: Option<CGroupLimits>) -> f64 {
    let (total, free) = match limits {
        Some(limits) => (limits.total_memory, limits.free_memory),
        None => (system.total_memory(), system.available_memory()),
    };
    if total == 0 { 0.0 } else { (1.0 - free as f64 / total as f64).clamp(0.0, 1.0) }
}
