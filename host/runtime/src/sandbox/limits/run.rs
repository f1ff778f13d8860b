//! The limits of one run: the tighter of the task's and the agent's.

use std::time::{Duration, SystemTime};

use chimera_layer4_core::{Breach, Call, Fault, LimitSource, QuotaKind, ResourceQuota};
use tokio::time::Instant;

use super::bandwidth::Bandwidth;
use super::bucket::Bucket;
use super::cpu;

/// What a call may take at the most, and who said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WallLimit {
    pub(crate) limit: Duration,
    pub(crate) quota: QuotaKind,
    pub(crate) set_by: LimitSource,
}

impl WallLimit {
    /// The limit of a housekeeping call.
    pub(crate) fn housekeeping(limit: Duration) -> Self {
        Self { limit, quota: QuotaKind::AgentTimeout, set_by: LimitSource::Host }
    }

    /// This, or what is left from `now` until the deadline where that is less. Without
    /// a deadline the clock is not asked.
    pub(crate) fn until(self, deadline: Option<SystemTime>, now: fn() -> SystemTime) -> Self {
        let left = deadline.map(|end| end.duration_since(now()).unwrap_or(Duration::ZERO));
        match left {
            Some(limit) if limit < self.limit => {
                Self { limit, quota: QuotaKind::Deadline, set_by: LimitSource::Task }
            }
            _ => self,
        }
    }

    pub(crate) fn breach(self, during: Call) -> Breach {
        let secs = self.limit.as_secs_f64();
        let detail = match self.quota {
            QuotaKind::Deadline => format!("{secs:.3} s were left until then"),
            _ => format!("still running after {secs} s, which is all that is allowed"),
        };
        Breach { quota: self.quota, during, set_by: self.set_by, detail }
    }
}

/// The limits of one run, made from the quotas in force when it begins.
#[derive(Debug)]
pub(crate) struct RunLimits {
    pub(crate) quota: ResourceQuota,
    /// The task's own. The agent's may change meanwhile and is held beside it.
    pub(crate) memory: u64,
    /// The task's own share, likewise.
    pub(crate) share: Bucket,
    /// The task's own bandwidth, likewise.
    pub(crate) bandwidth: Bandwidth,
    time: (Duration, LimitSource),
    /// Whether the task's own share of processor time or bandwidth is tighter.
    slower: (bool, bool),
    /// Whether the agent has a network that the task does without.
    no_network: bool,
    deadline: Option<SystemTime>,
}

impl RunLimits {
    /// The tighter of both quotas.
    pub(crate) fn new(
        agent: &ResourceQuota,
        task: &ResourceQuota,
        deadline: Option<SystemTime>,
    ) -> Self {
        let time = tighter(agent.execution_time(), task.execution_time());
        let is_tighter = |task: Option<f64>, agent: Option<f64>| match (task, agent) {
            (Some(task), Some(agent)) => task < agent,
            _ => false,
        };
        let slower = (
            task.max_cpu_cores < agent.max_cpu_cores,
            is_tighter(task.max_network_mbps, agent.max_network_mbps),
        );
        let quota = ResourceQuota {
            max_cpu_cores: agent.max_cpu_cores.min(task.max_cpu_cores),
            max_memory_mb: agent.max_memory_mb.min(task.max_memory_mb),
            max_execution_time_secs: agent
                .max_execution_time_secs
                .min(task.max_execution_time_secs),
            max_network_mbps: agent
                .max_network_mbps
                .zip(task.max_network_mbps)
                .map(|(agent, task)| agent.min(task)),
        };
        let now = Instant::now();
        Self {
            quota,
            memory: task.memory_bytes(),
            share: cpu::share(task.max_cpu_cores, now),
            bandwidth: Bandwidth::new(task.max_network_mbps, now),
            time,
            slower,
            no_network: agent.max_network_mbps.is_some() && task.max_network_mbps.is_none(),
            deadline,
        }
    }

    /// What the task's own call may take if it starts `now`.
    pub(crate) fn wall(&self, now: fn() -> SystemTime) -> WallLimit {
        let (limit, set_by) = self.time;
        WallLimit { limit, quota: QuotaKind::ExecutionTime, set_by }.until(self.deadline, now)
    }

    /// The fault of a run, and that it is the task's own doing where the agent's time
    /// ran out while the run was held to a tighter share that the task asked for, or
    /// the agent failed after a request was `denied` that its own quota allows.
    pub(crate) fn whose(&self, fault: Fault, denied: bool) -> Fault {
        let (cpu, network) = self.slower;
        let held_back = (cpu && !self.share.paused().is_zero())
            || (network && !self.bandwidth.paused().is_zero());
        match fault {
            Fault::OverQuota(breach)
                if breach.quota == QuotaKind::ExecutionTime
                    && breach.set_by == LimitSource::Agent
                    && held_back =>
            {
                let set_by = LimitSource::Task;
                let detail = format!(
                    "{}; the task asked for less of the processor or the network than its agent \
                     has, and was held to that",
                    breach.detail
                );
                Breach { set_by, detail, ..breach }.into()
            }
            Fault::Guest(failed) if denied && self.no_network => {
                let (quota, during) = (QuotaKind::Network, Call::ExecuteTask);
                let detail = format!(
                    "a request was denied, since the task's own quota has no network and its \
                     agent's has one; after that {failed}"
                );
                Breach { quota, during, set_by: LimitSource::Task, detail }.into()
            }
            fault => fault,
        }
    }
}

/// The tighter of two limits, and whose it is.
pub(super) fn tighter<T: PartialOrd>(agent: T, task: T) -> (T, LimitSource) {
    if task < agent { (task, LimitSource::Task) } else { (agent, LimitSource::Agent) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tighter_limit_rules_and_says_whose_it_is() {
        let agent = ResourceQuota { max_memory_mb: 64, ..ResourceQuota::default() };
        let task = ResourceQuota { max_execution_time_secs: 2, ..ResourceQuota::default() };
        let now = || SystemTime::UNIX_EPOCH;
        let limits = RunLimits::new(&agent, &task, None);
        assert_eq!(limits.quota.max_memory_mb, 64, "the quota that the guest gets");
        assert_eq!(limits.quota.max_network_mbps, Some(10.0));
        let none = ResourceQuota { max_network_mbps: None, ..ResourceQuota::default() };
        assert_eq!(RunLimits::new(&agent, &none, None).quota.max_network_mbps, None);
        assert_eq!(limits.wall(now).set_by, LimitSource::Task);

        let deadline = Some(now() + Duration::from_secs(1));
        let limits = RunLimits::new(&agent, &task, deadline);
        let wall = limits.wall(now);
        assert_eq!((wall.quota, wall.limit), (QuotaKind::Deadline, Duration::from_secs(1)));
        let late = || SystemTime::UNIX_EPOCH + Duration::from_secs(9);
        assert_eq!(limits.wall(late).limit, Duration::ZERO);
        let housekeeping = WallLimit::housekeeping(Duration::from_millis(1));
        assert_eq!(housekeeping.until(deadline, now), housekeeping);
        assert_eq!(housekeeping.until(None, || panic!("no deadline")), housekeeping);
    }
}
