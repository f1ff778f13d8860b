//! Stores on disk, each in a folder of its own.

use std::path::Path;

use async_trait::async_trait;
use chimera_layer4::fabric::queue::record::TaskSummary;
use chimera_layer4::fabric::queue::store::{
    CancelAnswer, Claim, ClaimRequest, Extension, Filter, Lease, Retention, Settled, StoreError,
    StoreStats, SubmitTerms, Submitted, Swept, TaskStore, Verdict,
};
use chimera_layer4::fabric::queue::{
    Bounds, Submission, TaskRecord, TaskState, Timestamp, TransitionError,
};
use chimera_layer4::fabric::stores::sqlite::{Recovered, SqliteOptions, SqliteStore};
use chimera_layer4::fabric::{Digest, TaskId};
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

use super::{accept, at, claim_one, given, record, retry, run, settle};

pub(super) fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// After all that a test lets happen.
pub(super) async fn open(folder: &Path) -> Result<(SqliteStore, Recovered), StoreError> {
    open_at(folder, LATE).await
}

pub(super) async fn open_at(
    folder: &Path,
    millis: u64,
) -> Result<(SqliteStore, Recovered), StoreError> {
    let folder = folder.to_owned();
    let options =
        SqliteOptions { folder, now: at(millis), bounds: Bounds::default(), max_bytes: None };
    SqliteStore::open(options).await
}

/// Later than anything in a test.
const LATE: u64 = 1 << 40;

/// A store that is closed and opened anew before each request, as long as no
/// lease is held, which would be lost.
pub(super) struct Reopened {
    store: Mutex<SqliteStore>,
    folder: TempDir,
}

impl Reopened {
    pub(super) async fn new() -> Self {
        let folder = folder();
        let (store, _) = open(folder.path()).await.unwrap();
        Self { store: Mutex::new(store), folder }
    }

    async fn anew(&self) -> MutexGuard<'_, SqliteStore> {
        let mut store = self.store.lock().await;
        let Ok(stats) = store.stats().await else { return store };
        let leased = |(state, count): &(TaskState, u64)| state.is_leased() && *count > 0;
        if !stats.by_state.iter().any(leased) {
            store.close().await;
            let (opened, recovered) = open(self.folder.path()).await.unwrap();
            assert_eq!(recovered, Recovered::default(), "no lease was held");
            *store = opened;
        }
        store
    }
}

#[async_trait]
impl TaskStore for Reopened {
    async fn submit(
        &self,
        batch: Vec<Submission>,
        terms: SubmitTerms,
    ) -> Result<Vec<Submitted>, StoreError> {
        self.anew().await.submit(batch, terms).await
    }

    async fn repeats(&self, batch: Vec<Submission>) -> Result<Vec<Option<Submitted>>, StoreError> {
        self.anew().await.repeats(batch).await
    }

    async fn claim(&self, request: ClaimRequest) -> Result<Claim, StoreError> {
        self.anew().await.claim(request).await
    }

    async fn start(
        &self,
        leases: Vec<Lease>,
        genome: Option<Digest>,
    ) -> Result<Vec<Result<(), TransitionError>>, StoreError> {
        self.anew().await.start(leases, genome).await
    }

    async fn extend(&self, leases: Vec<Lease>, until: Timestamp) -> Result<Extension, StoreError> {
        self.anew().await.extend(leases, until).await
    }

    async fn settle(
        &self,
        settled: Vec<Settled>,
        now: Timestamp,
    ) -> Result<Vec<Verdict>, StoreError> {
        self.anew().await.settle(settled, now).await
    }

    async fn cancel(&self, id: TaskId, now: Timestamp) -> Result<CancelAnswer, StoreError> {
        self.anew().await.cancel(id, now).await
    }

    async fn requeue(&self, ids: Vec<TaskId>, now: Timestamp) -> Result<Vec<TaskId>, StoreError> {
        self.anew().await.requeue(ids, now).await
    }

    async fn purge(&self, ids: Vec<TaskId>) -> Result<Vec<TaskId>, StoreError> {
        self.anew().await.purge(ids).await
    }

    async fn sweep(&self, now: Timestamp, bounds: Bounds) -> Result<Swept, StoreError> {
        self.anew().await.sweep(now, bounds).await
    }

    async fn clock_was_set(&self, was: i64, is: i64) -> Result<(), StoreError> {
        self.anew().await.clock_was_set(was, is).await
    }

    async fn retain(&self, now: Timestamp, retention: Retention) -> Result<u64, StoreError> {
        self.anew().await.retain(now, retention).await
    }

    async fn get(&self, id: TaskId) -> Result<Option<TaskRecord>, StoreError> {
        self.anew().await.get(id).await
    }

    async fn list(&self, filter: Filter) -> Result<Vec<TaskSummary>, StoreError> {
        self.anew().await.list(filter).await
    }

    async fn stats(&self) -> Result<StoreStats, StoreError> {
        self.anew().await.stats().await
    }

    async fn close(&self) {
        self.store.lock().await.close().await;
    }
}

/// The host goes down, the clock is set back by an hour, and another comes up.
#[test]
fn a_retry_waits_no_longer_for_a_clock_that_was_set_back_while_no_host_was_up() {
    const HOUR: u64 = 3_600_000;
    let folder = folder();
    run(async {
        let (store, _) = open_at(folder.path(), HOUR).await.unwrap();
        accept(&store, HOUR, [given(1), given(2).not_before(HOUR + 9)]).await;
        let lease = claim_one(&store, HOUR).await.lease;
        settle(&store, HOUR + 5, lease, retry(HOUR + 2005, 1, HOUR + 5)).await.unwrap();
        store.close().await;
        let (store, _) = open_at(folder.path(), 100).await.unwrap();
        assert_eq!(record(&store, 1).await.at, at(2100));
        assert_eq!(record(&store, 2).await.at, at(HOUR + 9), "that is a time of day");
        store.close().await;
        let (store, _) = open_at(folder.path(), 600).await.unwrap();
        assert!(record(&store, 1).await.at <= at(2600));
        store.close().await;
    });
}
