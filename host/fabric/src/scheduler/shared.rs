//! What the scheduler's loops and the tasks in flight share.

use std::sync::Arc;

use chimera_layer4_core::scheduler::store::{CancelAnswer, StoreError, TaskStore};
use chimera_layer4_core::scheduler::{Owner, TaskRecord, Timestamp};
use chimera_layer4_core::{ExecutionResult, FabricError, FabricResult, Task, TaskId};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use uuid::Uuid;

use super::in_flight::InFlight;
use super::observe::{self, Change, TaskChange};
use super::options::SchedulerOptions;
use super::runner::RunTask;
use super::subscribers::ResultSubscribers;
use super::time::Time;
use super::types::Types;
use super::wake_timer::WakeTimer;
use crate::lifecycle::{Lifecycle, Phase};

/// What the loops and the tasks in flight share.
pub(super) struct Shared {
    pub(super) store: Arc<dyn TaskStore>,
    pub(super) runner: Arc<dyn RunTask>,
    pub(super) options: SchedulerOptions,
    pub(super) time: Time,
    pub(super) owner: Owner,
    pub(super) life: Lifecycle,
    pub(super) types: Mutex<Types>,
    pub(super) in_flight: InFlight,
    pub(super) subscribers: Arc<ResultSubscribers>,
    /// Tasks that have ended, whose result could not be read for their subscribers.
    pub(super) unsent: Mutex<Vec<TaskId>>,
    /// Tasks that ended without a run and were not reported yet.
    pub(super) unobserved: Mutex<Vec<TaskId>>,
    /// Something waits, or a slot is free.
    pub(super) work: Arc<Notify>,
    pub(super) timer: WakeTimer,
    pub(super) chance: Mutex<fastrand::Rng>,
}

impl Shared {
    pub(super) fn new(
        store: Arc<dyn TaskStore>,
        runner: Arc<dyn RunTask>,
        options: SchedulerOptions,
    ) -> Self {
        let mut chance = fastrand::Rng::with_seed(options.seed);
        let owner = Owner(Uuid::from_u128(chance.u128(..)));
        Self {
            store,
            runner,
            owner,
            life: Lifecycle::default(),
            types: Mutex::new(Types::new(&options)),
            in_flight: InFlight::default(),
            subscribers: Arc::default(),
            unsent: Mutex::default(),
            unobserved: Mutex::default(),
            work: Arc::default(),
            timer: WakeTimer::default(),
            chance: Mutex::new(chance),
            time: Time::new(Arc::clone(&options.clock)),
            options,
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.time.now()
    }

    pub(super) fn chance(&self) -> f64 {
        self.chance.lock().f64()
    }

    pub(super) fn types(&self) -> MutexGuard<'_, Types> {
        self.types.lock()
    }

    /// Tells the observer what became of a task.
    pub(super) fn observe(&self, task: &Task, at: Timestamp, what: Change<'_>) {
        let (agent_type, priority) = (task.target_agent_type.as_str(), task.priority);
        self.options.observer.task(&TaskChange { id: task.id, agent_type, priority, at, what });
    }

    pub(super) fn is_claiming(&self) -> bool {
        self.life.phase() == Phase::Running
    }

    pub(super) fn has_stopped(&self) -> bool {
        self.life.phase() == Phase::Stopped
    }

    pub(super) fn not_running(&self) -> FabricError {
        FabricError::NotRunning { state: "shutting down" }
    }

    pub(super) async fn wait(&self, id: TaskId) -> FabricResult<ExecutionResult> {
        // Subscribe before reading the store, so that an end in between is not missed.
        let subscription = self.subscribers.register(id);
        let record = self.store.get(id).await?.ok_or(FabricError::TaskNotFound(id))?;
        if let Some(result) = record.result {
            return Ok(result);
        }
        // A subscriber that registers after the stop would wait without end.
        if self.has_stopped() {
            return Err(self.not_running());
        }
        subscription.recv().await.ok_or_else(|| match self.has_stopped() {
            true => self.not_running(),
            false => FabricError::TaskNotFound(id),
        })
    }

    pub(super) async fn cancel(&self, id: TaskId) -> Result<CancelAnswer, StoreError> {
        let reading = self.time.for_write().await;
        self.store.cancel(id, reading.now).await
    }

    /// Cancels a task that its submitter has given up.
    pub(super) async fn withdraw(&self, id: TaskId) {
        match self.cancel(id).await {
            Ok(CancelAnswer::Cancelled) => self.ended(&[id]).await,
            Ok(CancelAnswer::Requested) => drop(self.in_flight.cancel(id)),
            Ok(CancelAnswer::Ended(_) | CancelAnswer::Unknown) => {}
            Err(error) => {
                tracing::warn!(%id, %error, "a task that its submitter gave up could not be cancelled");
            }
        }
    }

    /// Reports tasks that ended without a run to the observer and to their
    /// subscribers.
    pub(super) async fn ended(&self, ids: &[TaskId]) {
        for id in ids {
            match self.store.get(*id).await {
                Ok(Some(record)) => {
                    observe::ended(&*self.options.observer, &record);
                    if let Some(result) = &record.result {
                        self.subscribers.notify(result);
                    }
                }
                Ok(None) => self.subscribers.forget(*id),
                Err(error) => {
                    tracing::warn!(%id, %error, "how a task ended could not be read yet");
                    self.unobserved().push(*id);
                }
            }
        }
    }

    /// Sends the results of these tasks to their subscribers.
    pub(super) async fn notify(&self, ended: &[TaskId]) {
        for id in ended.iter().filter(|id| self.subscribers.has(**id)) {
            match self.store.get(*id).await {
                Ok(Some(TaskRecord { result: Some(result), .. })) => {
                    self.subscribers.notify(&result);
                }
                Ok(Some(_)) => {}
                // The store has forgotten it: no result will come.
                Ok(None) => self.subscribers.forget(*id),
                Err(error) => {
                    tracing::warn!(%id, %error, "a result could not be read yet");
                    self.unsent().push(*id);
                }
            }
        }
    }

    /// Sends results that could not be sent before.
    pub(super) async fn notify_again(&self) {
        let unobserved = std::mem::take(&mut *self.unobserved());
        self.ended(&unobserved).await;
        let unsent = std::mem::take(&mut *self.unsent());
        self.notify(&unsent).await;
    }

    pub(super) fn unobserved(&self) -> MutexGuard<'_, Vec<TaskId>> {
        self.unobserved.lock()
    }

    pub(super) fn unsent(&self) -> MutexGuard<'_, Vec<TaskId>> {
        self.unsent.lock()
    }
}
