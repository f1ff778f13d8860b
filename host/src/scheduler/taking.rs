//! A submission on its way to the store, and how it is taken back.

use std::pin::Pin;
use std::sync::Arc;

use chimera_layer4_core::scheduler::{Submission, Timestamp};
use chimera_layer4_core::{Layer4Result, Priority, TaskId};

use super::Shared;
use super::hand::Stop;

/// What is still needed of a submission once it is handed over.
pub(super) struct Head {
    pub(super) id: TaskId,
    pub(super) agent_type: String,
    pub(super) priority: Priority,
    pub(super) key: Option<String>,
}

impl Head {
    pub(super) fn of(submission: &Submission) -> Self {
        Self {
            id: submission.task.id,
            agent_type: submission.task.target_agent_type.clone(),
            priority: submission.task.priority,
            key: submission.options.idempotency_key.clone(),
        }
    }

    /// When time brings something to a submission that is queued.
    pub(super) fn due(submission: &Submission) -> Option<Timestamp> {
        let deadline = submission.task.deadline.map(Timestamp::from);
        [deadline, submission.not_before()].into_iter().flatten().min()
    }
}

/// A submission that was taken.
#[derive(Clone, Copy)]
pub(super) enum Taken {
    New(TaskId),
    /// The same was submitted before, under this identity.
    Before(TaskId),
}

impl Taken {
    pub(super) fn id(self) -> TaskId {
        match self {
            Taken::New(id) | Taken::Before(id) => id,
        }
    }
}

/// Takes a task back unless its result was received, also when its submission
/// is still on its way to the store.
pub(super) struct TakeBack {
    shared: Arc<Shared>,
    submission: Submitting,
}

enum Submitting {
    OnItsWay(Taking),
    Taken(TaskId),
    /// Nothing is to be taken back.
    Over,
}

type Taking = Pin<Box<dyn Future<Output = Layer4Result<Taken>> + Send>>;

impl TakeBack {
    pub(super) fn new(
        shared: Arc<Shared>,
        taking: impl Future<Output = Layer4Result<Vec<Layer4Result<Taken>>>> + Send + 'static,
    ) -> Self {
        let lost = shared.not_running();
        let one = async move { taking.await?.pop().unwrap_or(Err(lost)) };
        Self { shared, submission: Submitting::OnItsWay(Box::pin(one)) }
    }

    /// The answer to the submission.
    pub(super) async fn taken(&mut self) -> Layer4Result<Taken> {
        let Submitting::OnItsWay(taking) = &mut self.submission else {
            return Err(self.shared.not_running());
        };
        let taken = taking.await;
        self.submission = match taken {
            Ok(Taken::New(id)) => Submitting::Taken(id),
            Ok(Taken::Before(_)) | Err(_) => Submitting::Over,
        };
        taken
    }

    pub(super) fn disarm(mut self) {
        self.submission = Submitting::Over;
    }
}

impl Drop for TakeBack {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let shared = Arc::clone(&self.shared);
        match std::mem::replace(&mut self.submission, Submitting::Over) {
            Submitting::OnItsWay(taking) => {
                runtime.spawn(async move {
                    if let Ok(Taken::New(id)) = taking.await {
                        shared.take_back(id).await;
                    }
                });
            }
            Submitting::Taken(id) => {
                // The run ends at once; the store hears of it as soon as it can.
                shared.in_hand.stop(id, Stop::Cancelled);
                runtime.spawn(async move { shared.take_back(id).await });
            }
            Submitting::Over => {}
        }
    }
}
