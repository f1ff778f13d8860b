//! Keeps a sample of real tasks, to judge the next genome by.
//!
//! A run offers its task and does not wait; whether the task is kept is decided
//! elsewhere. The number of tasks of a type that are serialized in a second is
//! limited, so that the recording costs the same at any load.

use std::collections::HashMap;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use chimera_layer4_core::genome::redact::Redaction;
use chimera_layer4_core::{Digest, JsonText, Task, TaskId};
use chimera_layer4_runtime::RunReport;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use chimera_layer4_stores::genomes::{Recorded, Recordings};

/// Between two tasks of a type that are offered.
const EVERY: Duration = Duration::from_millis(20);
/// Tasks that wait to be written; beyond them none is offered.
const WAITING: usize = 256;
/// Agent types whose pace is tracked; tasks of further types are not recorded.
const MOST_TYPES: usize = 1000;

/// Records tasks as they end.
pub(crate) struct Recorder {
    enabled: bool,
    redaction: Redaction,
    paced: Mutex<HashMap<String, Instant>>,
    writer: OnceLock<Writer>,
}

struct Writer {
    to: Mutex<Option<SyncSender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

enum Job {
    Ran(Box<(String, JsonText, Recorded)>),
    Judged(TaskId, f64),
    /// Answered when all that came before is written.
    Flush(oneshot::Sender<()>),
}

impl Recorder {
    pub(crate) fn new(enabled: bool, redaction: Redaction) -> Self {
        Self { enabled, redaction, paced: Mutex::default(), writer: OnceLock::new() }
    }

    /// From now on there is somewhere to record to.
    pub(super) fn start(&self, recordings: &Arc<Recordings>) {
        if !self.enabled {
            return;
        }
        let (recordings, redaction) = (Arc::clone(recordings), self.redaction.clone());
        let (to, jobs) = sync_channel(WAITING);
        let write = move || {
            for job in jobs {
                let done = match job {
                    Job::Ran(ran) => {
                        let (agent_type, payload, recorded) = *ran;
                        let payload = redaction.redacted(&payload);
                        let recorded = Recorded { payload, ..recorded };
                        recordings.record(&agent_type, &[recorded]).map(drop)
                    }
                    Job::Judged(task_id, accuracy) => recordings.judge(task_id, accuracy).map(drop),
                    Job::Flush(written) => {
                        // The caller may have stopped waiting.
                        let _ = written.send(());
                        Ok(())
                    }
                };
                if let Err(error) = done {
                    tracing::warn!(%error, "a task was not recorded");
                }
            }
        };
        let thread = thread::Builder::new().name("recorder".into()).spawn(write);
        match thread {
            Ok(thread) => {
                let writer = Writer { to: Mutex::new(Some(to)), thread: Mutex::new(Some(thread)) };
                let _ = self.writer.set(writer);
            }
            Err(error) => tracing::warn!(%error, "tasks are not recorded"),
        }
    }

    /// A run ended. It is offered, or skipped without a log line.
    pub(crate) fn ran(&self, task: &Task, genome: Digest, report: &RunReport) {
        let Some(writer) = self.writer.get() else { return };
        if !self.is_due(&task.target_agent_type) {
            return;
        }
        let output = report.result.as_ref().ok();
        let recorded = Recorded {
            task_id: task.id,
            payload: String::new(), // Redacted and set on the recorder's thread.
            output: output.map(|output| self.redaction.redacted(output)).unwrap_or_default(),
            success: output.is_some(),
            latency_us: u64::try_from(report.wall.as_micros()).unwrap_or(u64::MAX),
            genome,
            validated: None,
            at: SystemTime::now().into(),
        };
        let agent_type = task.target_agent_type.clone();
        writer.offer(Job::Ran(Box::new((agent_type, task.payload.clone(), recorded))));
    }

    /// Layer 3 judged an output. Unlike a run, a judgement is never skipped: its
    /// sender got the answer that it counts.
    pub(crate) async fn judged(&self, task_id: TaskId, accuracy: f64) {
        if let Some(writer) = self.writer.get() {
            writer.deliver(Job::Judged(task_id, accuracy)).await;
        }
    }

    /// Waits until everything that was offered so far is written, so that the
    /// next read of the recordings sees it.
    pub(super) async fn flush(&self) {
        let Some(writer) = self.writer.get() else { return };
        let (tell, told) = oneshot::channel();
        writer.deliver(Job::Flush(tell)).await;
        // An error means that the writer has ended: nothing more will be written.
        let _ = told.await;
    }

    fn is_due(&self, agent_type: &str) -> bool {
        let now = Instant::now();
        let mut paced = self.paced.lock();
        if paced.get(agent_type).is_some_and(|last| now.duration_since(*last) < EVERY) {
            return false;
        }
        let room = paced.len() < MOST_TYPES || paced.contains_key(agent_type);
        if room {
            paced.insert(agent_type.to_owned(), now);
        }
        room
    }
}

impl Writer {
    fn sender(&self) -> Option<SyncSender<Job>> {
        self.to.lock().clone()
    }

    /// Sends a job, or drops it where many wait: the disk is slow then, and a
    /// sample without it is as good.
    fn offer(&self, job: Job) {
        let _ = self.sender().map(|to| to.try_send(job));
    }

    /// Sends a job, and waits for room where many wait.
    async fn deliver(&self, job: Job) {
        let Some(to) = self.sender() else { return };
        if let Err(TrySendError::Full(job)) = to.try_send(job) {
            let _ = tokio::task::spawn_blocking(move || to.send(job)).await;
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.to.lock().take());
        let thread = self.thread.lock().take();
        thread.map(JoinHandle::join);
    }
}
