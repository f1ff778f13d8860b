//! What the questions are asked of: queues and tasks, and where they are.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use chimera_layer4::fabric::queue::store::{Keep, MemoryStore, Retention, TaskStore};
use chimera_layer4::fabric::queue::{Bounds, Owner, Submission, Timestamp};
use chimera_layer4::fabric::scheduler::{Scheduler, SchedulerOptions};
use chimera_layer4::fabric::stores::sqlite::{SqliteOptions, SqliteStore};
use chimera_layer4::fabric::{Priority, Task, utils};
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::runner::Runner;

/// No measurement is held up by it.
pub(crate) const CAPACITY: usize = 10_000_000;
/// Bytes of a task's payload.
const PAYLOAD: usize = 256;

/// Every class, most urgent first.
pub(crate) const CLASSES: [Priority; 5] =
    [Priority::Critical, Priority::High, Priority::Normal, Priority::Low, Priority::Background];

/// How thoroughly the questions are asked, and where.
pub(crate) struct Scene {
    /// Only to see that all of it works.
    pub(crate) trial: bool,
    pub(crate) runtime: Runtime,
}

impl Scene {
    pub(crate) fn new(trial: bool) -> Result<Self> {
        // As the program's own.
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        Ok(Self { trial, runtime })
    }

    /// One or the other, for a trial.
    pub(crate) fn pick<T>(&self, full: T, trial: T) -> T {
        if self.trial { trial } else { full }
    }

    pub(crate) fn rounds(&self) -> usize {
        self.pick(3, 1)
    }

    /// How long something is done before it is measured, and while it is.
    pub(crate) fn spans(&self) -> (Duration, Duration) {
        let millis = Duration::from_millis;
        self.pick((millis(1000), millis(3000)), (Duration::ZERO, millis(50)))
    }
}

/// Cargo's own, which is on a disk wherever the sources are.
pub(crate) fn target() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}

pub(crate) fn folder() -> Result<TempDir> {
    // A host refuses a data folder that others can enter.
    let closed = Permissions::from_mode(0o700);
    Ok(tempfile::Builder::new().prefix("scheduler-").permissions(closed).tempdir_in(target())?)
}

/// A store in this folder, set as the host sets it.
pub(crate) async fn sqlite(folder: &Path) -> Result<SqliteStore> {
    let (folder, bounds) = (folder.to_path_buf(), Bounds::default());
    let options = SqliteOptions { folder, now: now(), bounds, max_bytes: None };
    Ok(SqliteStore::open(options).await?.0)
}

pub(crate) fn now() -> Timestamp {
    SystemTime::now().into()
}

/// A new host, different from all others.
pub(crate) fn owner() -> Owner {
    Owner(utils::generate_task_id().as_uuid())
}

/// A scheduler with its store. In this order they are dropped.
pub(crate) struct Queue {
    pub(crate) scheduler: Arc<Scheduler>,
    folder: Option<TempDir>,
}

impl Queue {
    /// On a disk. Nothing runs yet.
    pub(crate) async fn durable(runner: Arc<Runner>) -> Result<Self> {
        let folder = folder()?;
        let store = Arc::new(sqlite(folder.path()).await?);
        Ok(Self { folder: Some(folder), ..Self::over(store, runner) })
    }

    /// In memory. Nothing runs yet.
    pub(crate) fn in_memory(runner: Arc<Runner>) -> Self {
        Self::over(Arc::new(MemoryStore::default()), runner)
    }

    fn over(store: Arc<dyn TaskStore>, runner: Arc<Runner>) -> Self {
        let keep = Keep { count: u64::MAX, age: Duration::from_secs(1 << 30) };
        let retention = Retention { ended: keep, dead: keep };
        let options =
            SchedulerOptions { capacity: CAPACITY, retention, ..SchedulerOptions::default() };
        Self { scheduler: Arc::new(Scheduler::new(store, runner, options)), folder: None }
    }

    pub(crate) async fn end(self) {
        self.scheduler.shutdown(Duration::from_secs(10)).await;
        drop(self.folder);
    }
}

/// A task whose payload, as JSON, has [`PAYLOAD`] bytes.
pub(crate) fn task(kind: &str, priority: Priority) -> Submission {
    let text = "x".repeat(PAYLOAD - r#"{"text":""}"#.len());
    Task { priority, ..utils::task_for(kind, json!({ "text": text })) }.into()
}

pub(crate) fn batch(kind: &str, size: usize) -> Vec<Submission> {
    (0..size).map(|_| task(kind, Priority::Normal)).collect()
}
