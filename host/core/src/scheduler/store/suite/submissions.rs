//! What is taken, what is refused, and in which order it waits.

use serde_json::{Value, json};

use super::{
    Given, accept, at, claim_all, claim_one, dead, given, id, ids, numbered, record, result, room,
    settle, state, submit, submit_on, success, terms,
};
use crate::json::tree;
use crate::scheduler::store::{Durability, SubmitTerms, Submitted, TaskStore};
use crate::scheduler::{Bounds, Settlement, TaskRecord, TaskState};

pub(super) async fn a_store_begins_empty(store: &dyn TaskStore) {
    assert_eq!(store.get(id(1)).await.unwrap(), None);
    assert!(claim_all(store, 0).await.is_empty());
    let stats = store.stats().await.unwrap();
    assert!(stats.by_state.iter().all(|(_, count)| *count == 0), "{stats:?}");
    assert_eq!(stats.by_state.len(), TaskState::ALL.len());
}

pub(super) async fn a_task_is_kept_as_it_was_submitted(store: &dyn TaskStore) {
    let Given(mut submission) = given(1).deadline(60_000).attempts(7).key("k");
    submission.task.payload = json!({
        "text": "naïve \u{1F600} \u{0} \"quoted\"", "float": 0.1, "big": u64::MAX,
        "negative": i64::MIN, "nested": [[], {}, null, true],
    })
    .into();
    submission.task.metadata = [("label".to_owned(), "välue".to_owned())].into();
    submission.task.source_layer = "layer2".into();
    submission.task.target_agent_type = "a type with spaces, 'quotes' and ümlauts".into();
    let task = submission.task.clone();
    let agent_type = task.target_agent_type.clone();
    accept(store, 5, [Given(submission)]).await;

    let expected = TaskRecord {
        task: task.clone(),
        state: TaskState::Waiting,
        at: at(5),
        submitted_at: at(5),
        attempts: 0,
        max_attempts: 7,
        crashes: 0,
        genome: None,
        reason: None,
        result: None,
        failed_attempts: Vec::new(),
        unreadable: None,
    };
    assert_eq!(record(store, 1).await, expected);
    let claim = super::claim(store, 6, [room(&agent_type, 1)], 1).await;
    assert_eq!(*claim.tasks[0].body, task);
    assert_eq!(claim.tasks[0].submitted_at, at(5));
}

/// As deep as the host reads it where it comes in, it must be read again here,
/// where more is around it. A guest chooses how deep its output is.
pub(super) async fn data_as_deep_as_can_be_read_is_kept(store: &dyn TaskStore) {
    let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
    let deepest: Option<Value> = (1..200).rev().find_map(|depth| tree(&nested(depth)).ok());
    let deepest = deepest.unwrap();
    accept(store, 0, [given(1).payload(deepest.clone())]).await;
    assert_eq!(record(store, 1).await.task.payload, deepest);
    let handed = claim_one(store, 1).await;
    assert_eq!(handed.body.payload, deepest);
    let result = result(id(1), 2, Some(deepest));
    let verdict = settle(store, 2, handed.lease, Settlement::Succeeded(result.clone())).await;
    assert_eq!(verdict, Ok(TaskState::Succeeded));
    assert_eq!(record(store, 1).await.result, Some(result));
}

/// Neither the identities nor the times decide, which are here the other way round.
pub(super) async fn tasks_wait_in_the_order_of_submission(store: &dyn TaskStore) {
    accept(store, 0, [given(9), given(4)]).await;
    accept(store, 0, [given(7)]).await;
    accept(store, 0, [given(2), given(8)]).await;
    assert_eq!(ids(&claim_all(store, 1).await), numbered([9, 4, 7, 2, 8]));
}

pub(super) async fn an_empty_batch_is_taken(store: &dyn TaskStore) {
    assert!(submit(store, 0, []).await.is_empty());
}

pub(super) async fn an_identity_is_taken_once(store: &dyn TaskStore) {
    let answers = submit(store, 0, [given(1), given(2), given(1)]).await;
    let accepted = Submitted::Accepted;
    assert_eq!(answers, [accepted, accepted, Submitted::Duplicate(id(1))]);
    let other = given(1).of("b").payload(json!("other"));
    assert_eq!(submit(store, 1, [other]).await, [Submitted::IdTaken]);
    assert_eq!(record(store, 1).await.task, given(1).0.task, "the first one stays");
    assert_eq!(claim_all(store, 2).await.len(), 2);
}

pub(super) async fn an_identity_stays_taken_after_the_end(store: &dyn TaskStore) {
    accept(store, 0, [given(1)]).await;
    let lease = claim_one(store, 1).await.lease;
    settle(store, 2, lease, success(id(1), 2)).await.unwrap();
    assert_eq!(submit(store, 3, [given(1)]).await, [Submitted::Duplicate(id(1))]);
    assert_eq!(state(store, 1).await, TaskState::Succeeded);
}

pub(super) async fn a_key_is_taken_once(store: &dyn TaskStore) {
    let work = json!({ "the same": "work" });
    let keyed = |n| given(n).key("order 17").payload(work.clone());
    let duplicate = Submitted::Duplicate(id(1));
    let answers = submit(store, 0, [keyed(1), keyed(2)]).await;
    assert_eq!(answers, [Submitted::Accepted, duplicate]);
    assert_eq!(submit(store, 1, [keyed(3), keyed(1)]).await, [duplicate, duplicate]);
    accept(store, 2, [keyed(4).key("order 18")]).await;

    let first = claim_all(store, 3).await.remove(0).lease;
    settle(store, 4, first, success(id(1), 4)).await.unwrap();
    assert_eq!(submit(store, 5, [keyed(5)]).await, [duplicate], "its result is kept for it");
    assert_eq!(store.get(id(5)).await.unwrap(), None);
}

pub(super) async fn a_key_of_other_work_names_its_first_task(store: &dyn TaskStore) {
    accept(store, 0, [given(1).key("k").payload(json!(1))]).await;
    let other_input = given(2).key("k").payload(json!(2));
    let other_type = given(3).key("k").payload(json!(1)).of("b");
    let taken = Submitted::KeyTaken(id(1));
    assert_eq!(submit(store, 1, [other_input, other_type]).await, [taken, taken]);
    let other_terms = given(4).key("k").payload(json!(1)).deadline(9).attempts(9);
    let answers = submit(store, 1, [other_terms]).await;
    assert_eq!(answers, [Submitted::Duplicate(id(1))], "the work is the same");
}

pub(super) async fn a_key_is_free_again_when_its_task_is_purged(store: &dyn TaskStore) {
    accept(store, 0, [given(1).key("k")]).await;
    let lease = claim_one(store, 1).await.lease;
    settle(store, 2, lease, dead(id(1), 1, 2)).await.unwrap();
    assert_eq!(submit(store, 3, [given(2).key("k")]).await, [Submitted::KeyTaken(id(1))]);
    assert_eq!(store.purge(vec![id(1)]).await.unwrap(), [id(1)]);
    accept(store, 4, [given(2).key("k"), given(1)]).await;
}

fn for_two(ms: u64) -> SubmitTerms {
    SubmitTerms { capacity: 2, ..terms(ms) }
}

pub(super) async fn a_full_type_takes_no_more(store: &dyn TaskStore) {
    let batch = [given(1), given(2), given(3), given(4).of("b"), given(5)];
    let (accepted, full) = (Submitted::Accepted, Submitted::Full { queued: 2 });
    let answers = submit_on(store, for_two(0), batch).await;
    assert_eq!(answers, [accepted, accepted, full, accepted, full], "each by itself");
    assert_eq!(store.get(id(3)).await.unwrap(), None);
    let none = SubmitTerms { capacity: 0, ..terms(0) };
    let answers = submit_on(store, none, [given(6).of("c")]).await;
    assert_eq!(answers, [Submitted::Full { queued: 0 }]);
    accept(store, 1, [given(3)]).await;
}

pub(super) async fn delayed_tasks_count_and_leased_ones_do_not(store: &dyn TaskStore) {
    accept(store, 0, [given(1)]).await;
    let lease = claim_one(store, 0).await.lease;
    let full = [Submitted::Full { queued: 2 }];
    let batch = [given(2), given(3).not_before(500)];
    assert_eq!(submit_on(store, for_two(1), batch).await, [Submitted::Accepted; 2]);
    assert_eq!(submit_on(store, for_two(1), [given(4)]).await, full);

    assert_eq!(claim_one(store, 2).await.lease.id, id(2));
    settle(store, 3, lease, success(id(1), 3)).await.unwrap();
    let answers = submit_on(store, for_two(4), [given(4), given(5)]).await;
    assert_eq!(answers, [Submitted::Accepted, full[0]]);
}

pub(super) async fn a_duplicate_is_answered_when_there_is_no_room(store: &dyn TaskStore) {
    let work = || given(1).key("k");
    let answers = submit_on(store, for_two(0), [work(), given(2), work(), given(3)]).await;
    assert_eq!(answers[2..], [Submitted::Duplicate(id(1)), Submitted::Full { queued: 2 }]);
}

pub(super) async fn a_task_waits_for_its_time(store: &dyn TaskStore) {
    accept(store, 0, [given(1).not_before(100), given(2).not_before(50)]).await;
    let waiting = record(store, 1).await;
    assert_eq!((waiting.state, waiting.at), (TaskState::Delayed, at(100)));
    assert!(claim_all(store, 100).await.is_empty(), "only a sweep says that it is due");

    let swept = store.sweep(at(99), Bounds::default()).await.unwrap();
    assert_eq!((swept.promoted, swept.next), (1, Some(at(100))));
    assert_eq!(ids(&claim_all(store, 99).await), [id(2)]);
    let swept = store.sweep(at(100), Bounds::default()).await.unwrap();
    assert_eq!(swept.promoted, 1);
    assert_eq!(ids(&claim_all(store, 100).await), [id(1)]);
}

pub(super) async fn a_time_that_is_over_delays_nothing(store: &dyn TaskStore) {
    accept(store, 50, [given(1).not_before(50), given(2).not_before(10)]).await;
    assert_eq!(claim_all(store, 50).await.len(), 2);
}

pub(super) async fn a_submitter_who_waits_is_answered_alike(store: &dyn TaskStore) {
    let with_result = SubmitTerms { promise: Durability::WithResult, ..terms(0) };
    let answers = submit_on(store, with_result, [given(1), given(1)]).await;
    assert_eq!(answers, [Submitted::Accepted, Submitted::Duplicate(id(1))]);
    assert_eq!(state(store, 1).await, TaskState::Waiting);
}

pub(super) async fn attempts_are_three_unless_said_otherwise(store: &dyn TaskStore) {
    accept(store, 0, [given(1), given(2).attempts(9)]).await;
    let most: Vec<u32> = claim_all(store, 0).await.iter().map(|t| t.counts.max_attempts).collect();
    assert_eq!(most, [3, 9]);
}
