//! The limits of one run: the tighter of the task's and the agent's.

use std::time::{Duration, SystemTime};

use chimera_layer4_core::{Breach, Call, LimitSource, QuotaKind, ResourceQuota};

use super::cpu::Bucket;

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

    pub(crate) fn breach(self, during: Call) -> Breach {
        let secs = self.limit.as_secs_f64();
        let detail = match self.quota {
            QuotaKind::Deadline => format!("{secs:.3} s were left until then"),
            _ => format!("still running after {secs} s, which is all that is allowed"),
        };
        Breach { quota: self.quota, during, set_by: self.set_by, detail }
    }
}

/// The limits of one run.
#[derive(Debug)]
pub(crate) struct RunLimits {
    pub(crate) quota: ResourceQuota,
    pub(crate) memory: (u64, LimitSource),
    pub(crate) wall: WallLimit,
    /// The task's own share where it is tighter than the agent's.
    pub(crate) cpu: Option<Bucket>,
}

impl RunLimits {
    /// The tighter of both quotas, and the deadline seen from `now`.
    pub(crate) fn new(
        agent: &ResourceQuota,
        task: &ResourceQuota,
        deadline: Option<SystemTime>,
        now: SystemTime,
    ) -> Self {
        let memory = tighter(agent.memory_bytes(), task.memory_bytes());
        let (limit, set_by) = tighter(agent.execution_time(), task.execution_time());
        let mut wall = WallLimit { limit, quota: QuotaKind::ExecutionTime, set_by };
        if let Some(deadline) = deadline {
            let left = deadline.duration_since(now).unwrap_or(Duration::ZERO);
            if left < wall.limit {
                let set_by = LimitSource::Task;
                wall = WallLimit { limit: left, quota: QuotaKind::Deadline, set_by };
            }
        }
        let own_share = task.max_cpu_cores < agent.max_cpu_cores;
        let quota = ResourceQuota {
            max_cpu_cores: agent.max_cpu_cores.min(task.max_cpu_cores),
            max_memory_mb: agent.max_memory_mb.min(task.max_memory_mb),
            max_execution_time_secs: agent
                .max_execution_time_secs
                .min(task.max_execution_time_secs),
            max_network_mbps: None, // Nothing grants a network yet.
        };
        Self { quota, memory, wall, cpu: own_share.then(|| Bucket::new(task.max_cpu_cores)) }
    }
}

fn tighter<T: PartialOrd>(agent: T, task: T) -> (T, LimitSource) {
    if task < agent { (task, LimitSource::Task) } else { (agent, LimitSource::Agent) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tighter_limit_rules_and_says_whose_it_is() {
        let agent = ResourceQuota { max_memory_mb: 64, ..ResourceQuota::default() };
        let task = ResourceQuota { max_execution_time_secs: 2, ..ResourceQuota::default() };
        let now = SystemTime::UNIX_EPOCH;
        let limits = RunLimits::new(&agent, &task, None, now);
        assert_eq!(limits.memory, (64 << 20, LimitSource::Agent));
        assert_eq!(limits.wall.set_by, LimitSource::Task);
        assert!(limits.cpu.is_none());

        let soon = RunLimits::new(&agent, &task, Some(now + Duration::from_secs(1)), now);
        assert_eq!(
            (soon.wall.quota, soon.wall.limit),
            (QuotaKind::Deadline, Duration::from_secs(1))
        );
        let past = RunLimits::new(&agent, &task, Some(now), now + Duration::from_secs(9));
        assert_eq!(past.wall.limit, Duration::ZERO);
    }
}
