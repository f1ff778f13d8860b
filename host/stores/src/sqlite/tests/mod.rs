//! The store as its callers meet it: over restarts, damage and want of room.

mod unreadable;

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use chimera_layer4_core::scheduler::store::{Keep, TypeSlots};
use chimera_layer4_core::scheduler::{DeadReason, Owner, Settlement, TaskState, settle};
use chimera_layer4_core::{Priority, ResourceQuota, Task};
use rusqlite::types::Null;
use rusqlite::{Connection, params_from_iter};
use uuid::Uuid;

use super::*;

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const TERMS: SubmitTerms =
    SubmitTerms { now: NOW, capacity: 100_000, promise: Durability::Durable };

fn options(folder: &Path) -> SqliteOptions {
    let bounds = Bounds { crashes: 2, lost_claims: 2 };
    SqliteOptions { folder: folder.to_path_buf(), now: NOW, bounds, max_bytes: None }
}

async fn open(folder: &Path) -> (SqliteStore, Recovered) {
    SqliteStore::open(options(folder)).await.unwrap()
}

async fn refusal(folder: &Path) -> String {
    SqliteStore::open(options(folder)).await.unwrap_err().to_string()
}

fn submission() -> Submission {
    Submission::from(Task {
        id: TaskId::from(Uuid::now_v7()),
        priority: Priority::Normal,
        payload: serde_json::json!({ "text": "hello" }).into(),
        created_at: NOW.to_system_time(),
        deadline: None,
        resource_quota: ResourceQuota::default(),
        source_layer: String::new(),
        target_agent_type: "echo".into(),
        metadata: Default::default(),
    })
}

async fn submit(store: &SqliteStore, count: usize) -> Result<Vec<TaskId>, StoreError> {
    let batch: Vec<_> = (0..count).map(|_| submission()).collect();
    let ids = batch.iter().map(|submission| submission.task.id).collect();
    let submitted = store.submit(batch, TERMS).await?;
    assert!(submitted.iter().all(|one| *one == Submitted::Accepted), "{submitted:?}");
    Ok(ids)
}

async fn claim(store: &SqliteStore, most: usize, starts: Option<Digest>) -> Vec<Handed<Arc<Task>>> {
    let room = TypeSlots { agent_type: "echo".into(), free: most, reserved: 0, starts };
    let claim = store.claim(ClaimRequest {
        owner: Owner(Uuid::now_v7()),
        now: NOW,
        until: NOW.after(Duration::from_secs(30)),
        rooms: vec![room],
        most,
    });
    claim.await.unwrap().tasks
}

async fn count(store: &SqliteStore, state: TaskState) -> u64 {
    let stats = store.stats().await.unwrap();
    stats.by_state.iter().find(|(its, _)| *its == state).unwrap().1
}

/// How SQLite means to answer a query.
pub(super) fn plan(sql: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chimera.db");
    fs::write(&path, "").unwrap();
    let connection = schema::open(&path).unwrap();
    let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let nothing = params_from_iter(vec![Null; explain.parameter_count()]);
    let steps = explain.query_map(nothing, |row| row.get::<_, String>(3)).unwrap();
    steps.map(Result::unwrap).collect::<Vec<_>>().join("\n")
}

/// A closed store with some tasks, and where its database is.
async fn kept(folder: &Path) -> std::path::PathBuf {
    let (store, _) = open(folder).await;
    submit(&store, 200).await.unwrap();
    store.close().await;
    folder.join("chimera.db")
}

#[tokio::test]
async fn tasks_outlive_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let (store, recovered) = open(folder.path()).await;
    assert_eq!(recovered, Recovered::default());
    let mut keyed = submission();
    keyed.options.idempotency_key = Some("mine".into());
    let id = keyed.task.id;
    store.submit(vec![keyed.clone()], TERMS).await.unwrap();
    let before = store.get(id).await.unwrap().unwrap();
    assert_eq!(before.task, keyed.task);
    store.close().await;
    store.close().await;
    assert_eq!(store.stats().await, Err(StoreError::Closed));
    assert_eq!(store.get(id).await, Err(StoreError::Closed));
    assert!(!folder.path().join("chimera.db-wal").exists(), "the log is in the database");

    let (store, _) = open(folder.path()).await;
    assert_eq!(store.get(id).await.unwrap().unwrap(), before);
    let stats = store.stats().await.unwrap();
    assert_eq!(stats.queued_by_type, [("echo".to_owned(), 1)]);
    let again = Submission { task: submission().task, options: keyed.options };
    assert_eq!(store.submit(vec![again], TERMS).await.unwrap(), [Submitted::Duplicate(id)]);
    let handed = claim(&store, 10, None).await;
    assert_eq!(*handed[0].body, keyed.task);
}

#[tokio::test]
async fn a_reader_leaves_the_leases_of_a_host_that_went_down() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    submit(&store, 2).await.unwrap();
    let lease = claim(&store, 1, Some(Digest::of(b"genome"))).await[0].lease;
    drop(store);

    for _ in 0..2 {
        let store = SqliteStore::look(options(folder.path())).await.unwrap();
        assert_eq!(store.get(lease.id).await.unwrap().unwrap().state, TaskState::Running);
        assert_eq!(count(&store, TaskState::Waiting).await, 1);
        let cancelled = store.cancel(lease.id, NOW).await.unwrap();
        assert_eq!(cancelled, CancelAnswer::Requested);
    }
    let (store, recovered) = open(folder.path()).await;
    assert_eq!(recovered, Recovered { lost: 1, ended: vec![lease.id] });
    assert_eq!(count(&store, TaskState::Cancelled).await, 1);
}

#[tokio::test]
async fn results_and_attempts_outlive_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    let id = submit(&store, 1).await.unwrap()[0];
    let genome = Some(Digest::of(b"genome"));
    let lease = claim(&store, 1, genome).await[0].lease;
    drop(store);

    let (store, recovered) = open(folder.path()).await;
    assert_eq!(recovered, Recovered { lost: 1, ended: Vec::new() });
    let late = Settled { lease, settlement: Settlement::GiveBack, genome: None };
    assert!(store.settle(vec![late], NOW).await.unwrap()[0].is_err(), "the lease is over");
    let again = claim(&store, 1, genome).await.remove(0);
    assert!(!again.started, "what was lost once is started by itself");
    assert_eq!(store.start(vec![again.lease], genome).await.unwrap(), [Ok(())]);
    drop(store);

    let (store, recovered) = open(folder.path()).await;
    assert_eq!(recovered, Recovered { lost: 1, ended: vec![id] }, "lost twice");
    let record = store.get(id).await.unwrap().unwrap();
    assert_eq!((record.state, record.crashes), (TaskState::Dead, 2));
    assert_eq!(record.result, Some(settle::lost(id, 2, NOW)));
    let genomes: Vec<_> = record.failed_attempts.iter().map(|attempt| attempt.genome).collect();
    assert_eq!(genomes, [genome, genome]);
    assert_eq!(store.requeue(vec![id], NOW).await.unwrap(), [id]);
    assert_eq!(store.get(id).await.unwrap().unwrap().result, None);
}

/// A submission that waits for its result is not synced by itself; a repeated
/// submission may be promised more.
#[tokio::test]
async fn a_duplicate_that_is_to_last_is_synced() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    let log = || fs::metadata(folder.path().join("chimera.db-wal")).unwrap().len();
    let submission = submission();
    let mut lengths = Vec::new();
    for promise in [Durability::WithResult, Durability::WithResult, Durability::Durable] {
        let terms = SubmitTerms { promise, ..TERMS };
        store.submit(vec![submission.clone()], terms).await.unwrap();
        lengths.push(log());
    }
    assert!(lengths[0] == lengths[1] && lengths[1] < lengths[2], "{lengths:?}");
}

#[tokio::test]
async fn a_second_host_is_kept_out_until_the_first_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    let refused = refusal(folder.path()).await;
    let us = format!("the host with pid {}", std::process::id());
    assert!(refused.contains(&us) && refused.contains("stop it first"), "{refused}");
    drop(store);
    open(folder.path()).await;
}

#[tokio::test]
async fn what_is_not_ours_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("chimera.db");
    let check = async |what: &str| {
        let before = fs::read(&database).unwrap();
        let refused = refusal(folder.path()).await;
        assert!(refused.contains(what), "{refused}");
        assert!(refused.contains("chimera.db"), "{refused}");
        assert_eq!(fs::read(&database).unwrap(), before, "{what}");
        fs::remove_file(&database).unwrap();
    };
    fs::write(&database, "Dear diary, ".repeat(1000)).unwrap();
    check("move it away").await;

    let theirs = Connection::open(&database).unwrap();
    theirs.execute_batch("CREATE TABLE theirs (a)").unwrap();
    drop(theirs);
    check("another program's").await;

    kept(folder.path()).await;
    let later = Connection::open(&database).unwrap();
    later.pragma_update(None, "user_version", 2).unwrap();
    drop(later);
    check("another version").await;
}

#[tokio::test]
async fn a_damaged_database_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let database = kept(folder.path()).await;
    let whole = fs::read(&database).unwrap();
    let pages = whole.len() / 4096;
    assert!(pages > 20, "{pages} pages");
    for page in [1, pages / 2, pages - 1] {
        let file = OpenOptions::new().write(true).open(&database).unwrap();
        file.write_all_at(&[0xAB; 4096], page as u64 * 4096).unwrap();
        let damaged = fs::read(&database).unwrap();
        let refused = refusal(folder.path()).await;
        assert!(refused.contains("damaged") && refused.contains("restore a backup"), "{refused}");
        assert_eq!(fs::read(&database).unwrap(), damaged, "page {page}");
        fs::write(&database, &whole).unwrap();
    }
    fs::write(&database, &whole[..whole.len() / 2]).unwrap();
    let refused = refusal(folder.path()).await;
    assert!(refused.contains("damaged"), "{refused}");
    fs::write(&database, &whole).unwrap();
    let (store, _) = open(folder.path()).await;
    assert_eq!(count(&store, TaskState::Waiting).await, 200);
}

#[tokio::test]
async fn a_full_store_takes_nothing_until_something_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteOptions { max_bytes: Some(512 << 10), ..options(folder.path()) };
    let (store, _) = SqliteStore::open(options).await.unwrap();
    let mut taken = Vec::new();
    let refused = loop {
        match submit(&store, 10).await {
            Ok(ids) => taken.extend(ids),
            Err(error) => break error,
        }
    };
    assert_eq!(refused.code(), "store-unavailable");
    assert!(refused.to_string().contains("purge"), "{refused}");
    assert_eq!(count(&store, TaskState::Waiting).await, taken.len() as u64);

    // What was taken can still end, and makes room where it is forgotten.
    taken.truncate(taken.len() / 10);
    for id in &taken {
        assert_eq!(store.cancel(*id, NOW).await.unwrap(), CancelAnswer::Cancelled);
    }
    assert!(submit(&store, 1).await.is_err());
    assert_eq!(store.purge(taken.clone()).await.unwrap(), taken);
    submit(&store, 10).await.unwrap();
}

#[tokio::test]
async fn a_store_without_any_room_changes_nothing_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteOptions { max_bytes: Some(256 << 10), ..options(folder.path()) };
    let (store, _) = SqliteStore::open(options).await.unwrap();
    let ids = submit(&store, 20).await.unwrap();
    for id in &ids {
        store.cancel(*id, NOW).await.unwrap();
    }
    // One batch is larger than all the room there is.
    let refused = submit(&store, 1000).await.unwrap_err();
    assert_eq!(refused.code(), "store-unavailable");
    assert!(refused.to_string().contains("full"), "{refused}");
    assert_eq!(count(&store, TaskState::Waiting).await, 0);
    assert_eq!(count(&store, TaskState::Cancelled).await, 20);
    let keep = Keep { count: 0, age: Duration::ZERO };
    let retention = Retention { ended: keep, dead: keep };
    assert_eq!(store.retain(NOW, retention).await.unwrap(), 20);
    submit(&store, 20).await.unwrap();
}

/// Sends everything while the thread is held up, so that it is one batch.
#[tokio::test]
async fn a_command_that_cannot_be_done_fails_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    let (release, held) = sync_channel::<()>(1);
    let (entered, inside) = oneshot::channel();
    let mut entered = Some(entered);
    let hold = store.ask(Commit::Written, move |_| {
        let _ = entered.take().map(|entered| entered.send(()));
        let _ = held.recv();
        Ok(())
    });
    let submission = |poison: fn() -> rusqlite::Result<()>| {
        let task = [NewTask::of(submission(), |mut task| Text::of_task(&mut task).unwrap())];
        store.ask(Commit::Synced, move |queue| {
            queue.submit(&task, TERMS)?;
            poison()
        })
    };
    let good = || submission(|| Ok(()));
    let bad = || submission(|| Err(rusqlite::Error::InvalidQuery));
    let buggy = || submission(|| panic!("a bug in the rules"));
    let rest = async {
        inside.await.unwrap();
        let release = async { release.send(()).unwrap() };
        tokio::join!(good(), bad(), good(), buggy(), good(), release)
    };
    let (held, (first, second, third, fourth, fifth, ())) = tokio::join!(hold, rest);
    assert_eq!([held, first, third, fifth], [Ok(()), Ok(()), Ok(()), Ok(())]);
    assert_eq!(second.unwrap_err().code(), "store-failed");
    assert!(fourth.unwrap_err().to_string().contains("bug"));
    assert_eq!(count(&store, TaskState::Waiting).await, 3);
    assert_eq!(claim(&store, 10, None).await.len(), 3);
}

/// A number given out in a transaction that is rolled back names another type
/// in the next.
#[tokio::test]
async fn names_that_were_rolled_back_are_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    let failed = store.ask(Commit::Synced, |queue| {
        queue.rows().execute("INSERT INTO agent_types (name) VALUES ('gone')", [])?;
        queue.claim(&ClaimRequest {
            owner: Owner(Uuid::nil()),
            now: NOW,
            until: NOW,
            rooms: vec![TypeSlots {
                agent_type: "gone too".into(),
                free: 1,
                reserved: 0,
                starts: None,
            }],
            most: 1,
        })?;
        Err::<(), _>(rusqlite::Error::InvalidQuery)
    });
    failed.await.unwrap_err();
    submit(&store, 3).await.unwrap();
    let stats = store.stats().await.unwrap();
    assert_eq!(stats.queued_by_type, [("echo".to_owned(), 3)]);
}

#[tokio::test]
async fn nonsense_in_the_database_is_an_error_and_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    let ids = submit(&store, 3).await.unwrap();
    let spoil = async |sql: &'static str| {
        store.ask(Commit::Synced, move |queue| queue.rows().execute(sql, [])).await.unwrap();
    };
    spoil("UPDATE bodies SET payload = '{' WHERE seq = 1").await;
    let handed = claim(&store, 10, None).await;
    assert_eq!(handed.len(), 2, "the one that cannot be read is left out");
    let record = store.get(ids[0]).await.unwrap().unwrap();
    assert_eq!((record.state, record.reason), (TaskState::Dead, Some(DeadReason::Unreadable)));

    spoil("UPDATE tasks SET state = 7 WHERE seq = 2").await;
    assert_eq!(store.cancel(ids[1], NOW).await.unwrap_err().code(), "store-failed");
    assert_eq!(store.cancel(ids[2], NOW).await.unwrap(), CancelAnswer::Requested);
}

#[tokio::test]
async fn pages_of_a_list_follow_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    let mut ids = submit(&store, 25).await.unwrap();
    ids.sort();
    claim(&store, 25, None).await;
    for (state, expected) in [(TaskState::Claimed, ids.as_slice()), (TaskState::Waiting, &[])] {
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let agent_type = Some("echo".to_owned());
            let any = Filter::of(Some(state));
            let filter = Filter { agent_type, limit: 10, after, ..any };
            let page = store.list(filter).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some((last.at, last.id));
            seen.extend(page.iter().map(|task| task.id));
        }
        assert_eq!(seen, expected, "{state}");
    }
    let claimed = Filter::of(Some(TaskState::Claimed));
    let other = Filter { agent_type: Some("other".into()), ..claimed };
    assert_eq!(store.list(other).await.unwrap(), []);
}

/// A store that is as large as it may be is opened again, its leases end, and
/// room is made in it.
#[tokio::test]
async fn a_full_store_opens_again_and_makes_room() {
    let folder = tempfile::tempdir().unwrap();
    let options = || SqliteOptions { max_bytes: Some(1 << 20), ..options(folder.path()) };
    let (store, _) = SqliteStore::open(options()).await.unwrap();
    let large = || {
        let mut large = submission();
        large.task.payload = serde_json::json!("x".repeat(8000)).into();
        large
    };
    while store.submit(vec![large()], TERMS).await.is_ok() {}
    let handed = claim(&store, 1000, None).await;
    let mut ended = Vec::new();
    for Handed { lease, .. } in handed {
        // The results need more room than there is.
        let mut result = settle::lost(lease.id, 1, NOW);
        result.output = serde_json::json!("y".repeat(8000)).into();
        let settled = Settled { lease, settlement: Settlement::Succeeded(result), genome: None };
        match store.settle(vec![settled], NOW).await {
            Ok(_) => ended.push(lease.id),
            Err(error) => assert_eq!(error.code(), "store-unavailable", "{error}"),
        }
    }
    assert!(!ended.is_empty(), "results have room of their own");
    assert!(count(&store, TaskState::Claimed).await > 0, "but not without end");
    drop(store);

    let (store, recovered) = SqliteStore::open(options()).await.unwrap();
    assert!(recovered.lost > 0);
    assert_eq!(store.purge(ended.clone()).await.unwrap(), ended);
    // One that has no room fails without what makes room beside it.
    let most = ended.len();
    assert!(most > 10, "{most}");
    let id = store.submit(vec![large()], TERMS).await;
    assert!(id.is_ok(), "{id:?}");
}
