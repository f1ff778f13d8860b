//! An agent's state goes to the agent that takes over from it.
//!
//! What a task changed after the state was saved would be lost, so the old
//! agent begins none from then until its successor is in charge: it holds all
//! of its slots itself. A task that waits for a slot meanwhile begins if the
//! successor is not put in charge; otherwise it is turned away unstarted.
//!
//! State is an instance's. An agent with several of them has as many states,
//! and only its author could say what they come to together; so it is carried
//! for agents with one instance, and for the others the host reports that it is
//! not.

use std::fmt;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use chimera_layer4_core::{Breach, Call, Fault, LimitSource, QuotaKind};
use tokio::sync::SemaphorePermit;

use super::Agent;

/// What became of an agent's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// The successor has gone on from so many bytes.
    Bytes(u64),
    /// One of them does not export `state`.
    NotOffered {
        /// Which of them; the old one if neither does.
        by: Party,
    },
    /// One of them has several instances.
    SeveralInstances {
        /// Which of them; the old one if both do.
        of: Party,
        /// So many.
        instances: u32,
    },
    /// Each task has an instance of its own, and nothing outlives it.
    Fresh,
    /// The old one has no instance now: its last one was thrown away.
    NoInstance,
}

/// One of the agents between which state is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// The one that is replaced.
    Old,
    /// The one that takes over.
    New,
}

/// State during its handover. While this lives the old agent begins no task, if
/// there was state to carry. If it is dropped, the agent continues as before.
#[must_use = "tasks wait for what becomes of it"]
pub struct Handover<'a> {
    old: &'a Agent,
    carried: Carried,
    drained: Option<Drained<'a>>,
}

impl Handover<'_> {
    /// What the successor was given.
    #[must_use]
    pub fn carried(&self) -> Carried {
        self.carried
    }

    /// The successor is in charge. No task begins in the old agent any more;
    /// the answer is for how long none has begun.
    pub fn complete(self) -> Duration {
        self.old.stopping.store(true, Ordering::Release);
        self.drained.map_or(Duration::ZERO, |drained| drained.since.elapsed())
    }
}

/// An agent in which no task runs and none begins.
struct Drained<'a> {
    since: Instant,
    _pause: PauseGuard<'a>,
    _slots: SemaphorePermit<'a>,
}

/// While this lives, a task that gets a slot gives it back, so that tasks which
/// waited before the pause do not run first.
struct PauseGuard<'a>(&'a Agent);

impl<'a> PauseGuard<'a> {
    fn begin(agent: &'a Agent) -> Self {
        agent.paused.send_replace(true);
        Self(agent)
    }
}

impl Drop for PauseGuard<'_> {
    fn drop(&mut self) {
        self.0.paused.send_replace(false);
    }
}

impl Agent {
    /// Hands this agent's state to one that is to take over from it and that no
    /// task has seen. Running tasks here have until `limit` to finish.
    ///
    /// # Errors
    /// What `save` here or `restore` there ended with, or that a task took too
    /// long. This agent stays usable in any case; a trap or a breach in `save`,
    /// like one in a task, has cost it the instance.
    pub async fn hand_over(&self, to: &Agent, limit: Duration) -> Result<Handover<'_>, Fault> {
        let nothing = |carried| Ok(Handover { old: self, carried, drained: None });
        if let Some(reason) = self.keeps_from(to) {
            return nothing(reason);
        }
        let drained = self.drain(limit).await?;
        let Some(saved) = self.saved().await? else { return nothing(Carried::NoInstance) };
        to.go_on_from(&saved).await?;
        let carried = Carried::Bytes(saved.len() as u64);
        Ok(Handover { old: self, carried, drained: Some(drained) })
    }

    /// Why there is nothing to carry, if so.
    fn keeps_from(&self, to: &Agent) -> Option<Carried> {
        let parties = [(Party::Old, self), (Party::New, to)];
        let mute = parties.iter().find(|(_, agent)| !agent.genome().offers_state());
        if let Some((by, _)) = mute {
            return Some(Carried::NotOffered { by: *by });
        }
        let instances = |agent: &Agent| agent.capabilities.max_concurrent_tasks;
        let several = parties.iter().find(|(_, agent)| instances(agent) > 1);
        if let Some((of, agent)) = several {
            return Some(Carried::SeveralInstances { of: *of, instances: instances(agent) });
        }
        (self.config().instances.tasks_per_instance() == 1).then_some(Carried::Fresh)
    }

    /// Waits until the running tasks have finished, and holds all slots from then.
    async fn drain(&self, limit: Duration) -> Result<Drained<'_>, Fault> {
        let pause = PauseGuard::begin(self);
        let since = Instant::now();
        let all = self.slots.acquire_many(self.capabilities.max_concurrent_tasks);
        let slots = tokio::time::timeout(limit, all).await.map_err(|_| still_busy(limit))?;
        match slots {
            Ok(slots) if !self.stopping.load(Ordering::Acquire) => {
                Ok(Drained { since, _pause: pause, _slots: slots })
            }
            _ => Err(Fault::Stopped),
        }
    }

    /// The state of the idle instance, if there is one.
    async fn saved(&self) -> Result<Option<Vec<u8>>, Fault> {
        let Some(instance) = self.take_idle() else { return Ok(None) };
        let mut meter = self.totals.meter();
        let mut driver = self.driver(&mut meter.cpu);
        let (said, instance) = instance.save(&mut driver, self.housekeeping()).await?;
        // Unless it was restarted meanwhile, it is kept for the next task.
        if let Err(fault) = self.give_back(instance, &mut driver).await {
            let agent = self.config().agent_id;
            tracing::warn!(%agent, %fault, "an instance did not retire in good order");
        }
        Ok(Some(said?))
    }

    async fn go_on_from(&self, saved: &[u8]) -> Result<(), Fault> {
        let mut meter = self.totals.meter();
        let mut driver = self.driver(&mut meter.cpu);
        let wall = self.housekeeping();
        let instance = match self.take_idle() {
            Some(instance) => instance,
            None => self.start_instance(&mut driver, wall).await?,
        };
        let instance = instance.restore(saved, &mut driver, wall).await?;
        self.idle().push(instance);
        Ok(())
    }
}

fn still_busy(limit: Duration) -> Fault {
    let (quota, during, set_by) = (QuotaKind::ExecutionTime, Call::ExecuteTask, LimitSource::Host);
    let secs = limit.as_secs_f64();
    let detail = format!("a task was still in hand after {secs} s, so no state could be saved");
    Breach { quota, during, set_by, detail }.into()
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Party::Old => "the old genome",
            Party::New => "the new genome",
        })
    }
}

/// Why the successor started anew, or what it was given.
impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Carried::Bytes(bytes) => write!(f, "{bytes} bytes of state were carried over"),
            Carried::NotOffered { by } => {
                write!(f, "{by} does not export `chimera:agent/state`")
            }
            Carried::SeveralInstances { of, instances } => write!(
                f,
                "an agent of {of} has {instances} instances, and state is carried only where \
                 `max-concurrent-tasks` is 1"
            ),
            Carried::Fresh => f.write_str(
                "each task has an instance of its own, since the agent's policy is `fresh`",
            ),
            Carried::NoInstance => f.write_str(
                "the old agent held no instance: its last one trapped, met a limit or had served \
                 its tasks",
            ),
        }
    }
}

impl fmt::Debug for Handover<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handover").field("carried", &self.carried).finish_non_exhaustive()
    }
}
