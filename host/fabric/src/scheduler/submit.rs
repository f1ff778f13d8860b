//! A submission while it is written to the store, and how it is cancelled.

use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use chimera_layer4_core::scheduler::store::{Durability, StoreError, SubmitTerms, Submitted};
use chimera_layer4_core::scheduler::{Submission, Timestamp};
use chimera_layer4_core::{FabricError, FabricResult, Priority, TaskId};

use super::Shared;
use super::in_flight::Stop;
use super::observe::{Change, TaskChange};
use crate::lifecycle::Phase;

/// What is still needed of a submission once it is handed over.
pub(super) struct SubmissionMeta {
    pub(super) id: TaskId,
    pub(super) agent_type: String,
    pub(super) priority: Priority,
    pub(super) key: Option<String>,
}

impl SubmissionMeta {
    pub(super) fn of(submission: &Submission) -> Self {
        Self {
            id: submission.task.id,
            agent_type: submission.task.target_agent_type.clone(),
            priority: submission.task.priority,
            key: submission.options.idempotency_key.clone(),
        }
    }

    /// When something is due for a submission that is queued.
    pub(super) fn due(submission: &Submission) -> Option<Timestamp> {
        let deadline = submission.task.deadline.map(Timestamp::from);
        [deadline, submission.not_before()].into_iter().flatten().min()
    }
}

/// What is to be done with a submission.
pub(super) enum Judged {
    /// It is taken, if the store takes it.
    New,
    /// It is answered if it was taken before, and refused with this otherwise.
    OnlyAgain(FabricError),
    /// It could never have been taken.
    Refused(FabricError),
}

/// A submission that was taken.
#[derive(Clone, Copy)]
pub(super) enum Accepted {
    New(TaskId),
    /// The same was submitted before, under this identity.
    Duplicate(TaskId),
}

impl Accepted {
    pub(super) fn id(self) -> TaskId {
        match self {
            Accepted::New(id) | Accepted::Duplicate(id) => id,
        }
    }
}

impl Shared {
    /// Takes what is in order, each answered by itself.
    ///
    /// # Errors
    /// Nothing was taken.
    pub(super) async fn submit(
        self: Arc<Self>,
        batch: Vec<Submission>,
        promise: Durability,
    ) -> FabricResult<Vec<FabricResult<Accepted>>> {
        let shared = &self;
        if shared.life.phase() >= Phase::Draining {
            return Err(shared.not_running());
        }
        let wall = shared.time.wall();
        let metas: Vec<SubmissionMeta> = batch.iter().map(SubmissionMeta::of).collect();
        let judged: Vec<Judged> = batch.iter().map(|one| shared.judge(one, wall)).collect();
        let (mut new, mut again) = (Vec::new(), Vec::new());
        for (one, judged) in batch.into_iter().zip(&judged) {
            match judged {
                Judged::New => new.push(one),
                Judged::OnlyAgain(_) => again.push(one),
                Judged::Refused(_) => {}
            }
        }
        let due = new.iter().filter_map(SubmissionMeta::due).min();
        let reading = shared.time.for_write().await;
        let now = reading.now;
        let terms = SubmitTerms { now, capacity: shared.options.capacity, promise };
        let refused = |error: &StoreError| {
            metas.iter().for_each(|_| shared.options.observer.refused(error.code()));
        };
        let mut repeats = Vec::new().into_iter();
        if !again.is_empty() {
            repeats = shared.store.repeats(again).await.inspect_err(refused)?.into_iter();
        }
        let mut answers = Vec::new().into_iter();
        if !new.is_empty() {
            // The claim is then sent together with it; a store may do both at
            // once.
            shared.work.notify_one();
            answers = shared.store.submit(new, terms).await.inspect_err(refused)?.into_iter();
        }
        drop(reading);
        shared.work.notify_one();
        shared.timer.schedule(due);
        let answer = |(meta, judged): (SubmissionMeta, Judged)| {
            let accepted = match judged {
                Judged::New => {
                    let answer = answers.next();
                    answer.map_or(Err(shared.not_running()), |answer| {
                        shared.accepted(answer, meta, now)
                    })
                }
                Judged::OnlyAgain(error) => match repeats.next().flatten() {
                    Some(answer) => shared.accepted(answer, meta, now),
                    None => Err(error),
                },
                Judged::Refused(error) => Err(error),
            };
            accepted.inspect_err(|error| shared.options.observer.refused(error.code()))
        };
        Ok(metas.into_iter().zip(judged).map(answer).collect())
    }

    /// The task that a submission repeats. One that repeats none is refused with
    /// what its submitter ran into.
    ///
    /// # Errors
    /// Nothing is repeated, or its key or id names something else.
    pub(super) async fn repeated(
        &self,
        one: Submission,
        otherwise: FabricError,
    ) -> FabricResult<TaskId> {
        let meta = SubmissionMeta::of(&one);
        let refused = |error: &FabricError| self.options.observer.refused(error.code());
        if let Judged::Refused(error) = self.judge(&one, self.time.wall()) {
            return Err(error).inspect_err(refused);
        }
        let now = self.time.for_write().await.now;
        let repeats = self.store.repeats(vec![one]).await.map_err(FabricError::from);
        let first = repeats.inspect_err(refused)?.pop().flatten();
        let accepted = first.map_or(Err(otherwise), |answer| self.accepted(answer, meta, now));
        accepted.map(Accepted::id).inspect_err(refused)
    }

    /// What is to be done with a submission.
    fn judge(&self, one: &Submission, wall: SystemTime) -> Judged {
        if !one.complaints_of_form().is_empty() {
            return Judged::Refused(FabricError::InvalidRequest(one.complaints(wall)));
        }
        let late =
            one.too_late(wall).map_or(Ok(()), |late| Err(FabricError::InvalidRequest(vec![late])));
        match self.runner.takes(&one.task.target_agent_type).and(late) {
            Ok(()) => Judged::New,
            Err(error) => Judged::OnlyAgain(error),
        }
    }

    fn accepted(
        &self,
        answer: Submitted,
        meta: SubmissionMeta,
        at: Timestamp,
    ) -> FabricResult<Accepted> {
        match answer {
            Submitted::Accepted => {
                let SubmissionMeta { id, priority, ref agent_type, .. } = meta;
                let what = Change::Submitted;
                self.options.observer.task(&TaskChange { id, agent_type, priority, at, what });
                Ok(Accepted::New(id))
            }
            Submitted::Duplicate(first) => Ok(Accepted::Duplicate(first)),
            Submitted::KeyTaken(first) => {
                Err(FabricError::IdempotencyKeyTaken { key: meta.key.unwrap_or_default(), first })
            }
            Submitted::IdTaken => Err(FabricError::InvalidRequest(vec![format!(
                "id {} was used for another task; an id names one piece of work, and \
                 `utils::generate_task_id()` makes a new one",
                meta.id
            )])),
            Submitted::Full { queued } => Err(FabricError::QueueFull {
                retry_after: self.types().retry_after(&meta.agent_type, queued, self.time.moment()),
                agent_type: meta.agent_type,
                capacity: self.options.capacity,
            }),
        }
    }
}

/// Cancels a task unless its result was received, also when its submission
/// is not yet written to the store.
pub(super) struct CancelOnDrop {
    shared: Arc<Shared>,
    submission: Submitting,
}

enum Submitting {
    Pending(Accepting),
    Accepted(TaskId),
    /// Nothing is to be cancelled.
    Over,
}

type Accepting = Pin<Box<dyn Future<Output = FabricResult<Accepted>> + Send>>;

impl CancelOnDrop {
    pub(super) fn new(
        shared: Arc<Shared>,
        accepting: impl Future<Output = FabricResult<Vec<FabricResult<Accepted>>>> + Send + 'static,
    ) -> Self {
        let lost = shared.not_running();
        let one = async move { accepting.await?.pop().unwrap_or(Err(lost)) };
        Self { shared, submission: Submitting::Pending(Box::pin(one)) }
    }

    /// The answer to the submission.
    pub(super) async fn accepted(&mut self) -> FabricResult<Accepted> {
        let Submitting::Pending(accepting) = &mut self.submission else {
            return Err(self.shared.not_running());
        };
        let accepted = accepting.await;
        self.submission = match accepted {
            Ok(Accepted::New(id)) => Submitting::Accepted(id),
            Ok(Accepted::Duplicate(_)) | Err(_) => Submitting::Over,
        };
        accepted
    }

    pub(super) fn disarm(mut self) {
        self.submission = Submitting::Over;
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let shared = Arc::clone(&self.shared);
        match std::mem::replace(&mut self.submission, Submitting::Over) {
            Submitting::Pending(accepting) => {
                runtime.spawn(async move {
                    if let Ok(Accepted::New(id)) = accepting.await {
                        shared.withdraw(id).await;
                    }
                });
            }
            Submitting::Accepted(id) => {
                // The run ends at once; its end is written to the store as soon as possible.
                shared.in_flight.stop(id, Stop::Cancelled);
                runtime.spawn(async move { shared.withdraw(id).await });
            }
            Submitting::Over => {}
        }
    }
}
