//! What the holder of a lease may do, and that no other caller may.

use serde_json::json;

use super::{
    LEASE, accept, at, claim_all, claim_one, dead, failed, given, id, ids, numbered, record,
    result, retry, run_one, settle, state, success,
};
use crate::scheduler::store::{CancelAnswer, Extension, Lease, Settled, TaskStore};
use crate::scheduler::{Bounds, DeadReason, Settlement, TaskState, TransitionError};
use crate::{Digest, Fault};

fn stale(lease: Lease, fence: u64) -> Lease {
    Lease { fence, ..lease }
}

pub(super) async fn a_claimed_task_is_started_once(store: &dyn TaskStore) {
    accept(store, 0, [given(1)]).await;
    let lease = claim_one(store, 1).await.lease;
    assert_eq!(store.start(vec![lease], None).await.unwrap(), [Ok(())]);
    let running = record(store, 1).await;
    assert_eq!((running.state, running.at), (TaskState::Running, at(1 + LEASE)));
    assert_eq!(running.attempts, 1);
    let again = Err(TransitionError::State(TaskState::Running));
    assert_eq!(store.start(vec![lease], None).await.unwrap(), [again]);
}

pub(super) async fn starts_are_answered_one_by_one(store: &dyn TaskStore) {
    accept(store, 0, (1..=3).map(given)).await;
    let claimed = claim_all(store, 1).await;
    let [one, two, three] = [0, 1, 2].map(|n| claimed[n].lease);
    settle(store, 2, two, success(id(2), 2)).await.unwrap();
    let unknown = Lease { id: id(9), fence: 1 };
    let offered = three.fence + 1;
    let leases = vec![one, two, stale(three, offered), unknown, three, one];
    let expected = [
        Ok(()),
        Err(TransitionError::State(TaskState::Succeeded)),
        Err(TransitionError::Fence { offered, current: three.fence }),
        Err(TransitionError::Fence { offered: 1, current: 0 }),
        Ok(()),
        Err(TransitionError::State(TaskState::Running)),
    ];
    assert_eq!(store.start(leases, None).await.unwrap(), expected);
    assert_eq!(store.start(Vec::new(), None).await.unwrap(), []);
}

pub(super) async fn a_heartbeat_extends_the_lease(store: &dyn TaskStore) {
    accept(store, 0, [given(1), given(2)]).await;
    let claimed = claim_all(store, 0).await;
    let one = claimed[0].lease;
    let extended = store.extend(vec![one], at(5000)).await.unwrap();
    assert_eq!(extended, Extension::default());
    let swept = store.sweep(at(LEASE), Bounds::default()).await.unwrap();
    assert_eq!((swept.lost, swept.next), (1, Some(at(5000))));
    assert_eq!(state(store, 1).await, TaskState::Claimed);
    assert_eq!(state(store, 2).await, TaskState::Waiting);
    let swept = store.sweep(at(5000), Bounds::default()).await.unwrap();
    assert_eq!(swept.lost, 1);
}

pub(super) async fn a_heartbeat_returns_losses_and_cancellations(store: &dyn TaskStore) {
    accept(store, 0, (1..=4).map(given)).await;
    let claimed = claim_all(store, 0).await;
    let [one, two, three, four] = [0, 1, 2, 3].map(|n| claimed[n].lease);
    settle(store, 1, one, success(id(1), 1)).await.unwrap();
    store.start(vec![two], None).await.unwrap();
    store.cancel(id(2), at(1)).await.unwrap();
    store.cancel(id(4), at(1)).await.unwrap();
    let unknown = Lease { id: id(9), fence: 1 };
    let leases = vec![one, two, three, stale(three, three.fence + 1), unknown, four];
    let heard = store.extend(leases, at(2000)).await.unwrap();
    let expected = Extension { lost: numbered([1, 3, 9]), cancelled: numbered([2, 4]) };
    assert_eq!(heard, expected);
    let again = store.extend(vec![four], at(2500)).await.unwrap();
    assert_eq!(again.cancelled, [id(4)], "until it is stopped");
    assert_eq!(record(store, 2).await.at, at(2000), "what is to be stopped still has time");
}

pub(super) async fn a_success_is_kept_with_its_result(store: &dyn TaskStore) {
    accept(store, 0, [given(1)]).await;
    let lease = run_one(store, 1).await;
    let output = json!({ "text": "größer", "n": 0.1, "list": [1, 2, { "deep": null }] });
    let result = result(id(1), 7, Some(output));
    let verdict = settle(store, 8, lease, Settlement::Succeeded(result.clone())).await;
    assert_eq!(verdict, Ok(TaskState::Succeeded));
    let ended = record(store, 1).await;
    assert_eq!((ended.state, ended.at), (TaskState::Succeeded, at(8)));
    assert_eq!(ended.result, Some(result));
    assert_eq!((ended.reason, ended.failed_attempts.len()), (None, 0));
    assert!(claim_all(store, 9).await.is_empty());
}

pub(super) async fn a_claim_may_end_without_a_start(store: &dyn TaskStore) {
    accept(store, 0, [given(1)]).await;
    let lease = claim_one(store, 1).await.lease;
    assert_eq!(settle(store, 2, lease, success(id(1), 2)).await, Ok(TaskState::Succeeded));
}

pub(super) async fn settlements_are_answered_one_by_one(store: &dyn TaskStore) {
    accept(store, 0, (1..=5).map(given)).await;
    let claimed = claim_all(store, 1).await;
    let lease = |n: u32| claimed[n as usize - 1].lease;
    let settled = |lease: Lease, settlement| Settled { lease, settlement, genome: None };
    let batch = vec![
        settled(lease(1), success(id(1), 2)),
        settled(lease(2), retry(50, 1, 2)),
        settled(lease(1), dead(id(1), 1, 2)),
        settled(Lease { id: id(9), fence: 4 }, Settlement::GiveBack),
        settled(lease(3), Settlement::GiveBack),
        settled(lease(4), dead(id(4), 1, 2)),
        settled(lease(5), Settlement::Cancelled(result(id(5), 2, None))),
    ];
    let expected = [
        Ok(TaskState::Succeeded),
        Ok(TaskState::Delayed),
        Err(TransitionError::State(TaskState::Succeeded)),
        Err(TransitionError::Fence { offered: 4, current: 0 }),
        Ok(TaskState::Waiting),
        Ok(TaskState::Dead),
        Ok(TaskState::Cancelled),
    ];
    assert_eq!(store.settle(batch, at(2)).await.unwrap(), expected);
    assert_eq!(store.settle(Vec::new(), at(2)).await.unwrap(), []);
    assert_eq!(record(store, 5).await.result, Some(result(id(5), 2, None)));
}

/// Every way in which a run may be said to have ended.
fn ends(n: u32) -> [Settlement; 6] {
    [
        Settlement::Succeeded(result(id(n), 99, Some(json!("late")))),
        retry(99, 9, 99),
        Settlement::Retry { at: at(99), failed: failed(9, 99), host: true },
        Settlement::GiveBack,
        dead(id(n), 9, 99),
        Settlement::Cancelled(result(id(n), 99, None)),
    ]
}

pub(super) async fn an_end_is_accepted_once(store: &dyn TaskStore) {
    accept(store, 0, [given(1)]).await;
    let lease = run_one(store, 1).await;
    settle(store, 2, lease, success(id(1), 2)).await.unwrap();
    let ended = record(store, 1).await;
    for settlement in ends(1) {
        let refused = Err(TransitionError::State(TaskState::Succeeded));
        assert_eq!(settle(store, 3, lease, settlement).await, refused);
    }
    assert_eq!(record(store, 1).await, ended);
}

pub(super) async fn a_former_holder_changes_nothing(store: &dyn TaskStore) {
    accept(store, 0, [given(1)]).await;
    let former = run_one(store, 0).await;
    store.sweep(at(LEASE), Bounds::default()).await.unwrap();
    for settlement in ends(1) {
        let refused = Err(TransitionError::State(TaskState::Waiting));
        assert_eq!(settle(store, LEASE, former, settlement).await, refused, "no host holds it");
    }
    let current = claim_one(store, LEASE + 1).await.lease;
    let held = record(store, 1).await;
    let refused = TransitionError::Fence { offered: former.fence, current: current.fence };
    for settlement in ends(1) {
        assert_eq!(settle(store, LEASE + 2, former, settlement).await, Err(refused));
    }
    assert_eq!(store.start(vec![former], None).await.unwrap(), [Err(refused)]);
    assert_eq!(store.extend(vec![former], at(99_999)).await.unwrap().lost, [id(1)]);
    assert_eq!(record(store, 1).await, held);
    let verdict = settle(store, LEASE + 3, current, success(id(1), 2)).await;
    assert_eq!(verdict, Ok(TaskState::Succeeded));
}

pub(super) async fn a_retry_waits_for_its_time(store: &dyn TaskStore) {
    accept(store, 0, [given(1)]).await;
    let lease = run_one(store, 1).await;
    assert_eq!(settle(store, 2, lease, retry(40, 1, 2)).await, Ok(TaskState::Delayed));
    let delayed = record(store, 1).await;
    assert_eq!((delayed.at, delayed.attempts, delayed.result), (at(40), 1, None));
    store.sweep(at(39), Bounds::default()).await.unwrap();
    assert!(claim_all(store, 39).await.is_empty());
    let swept = store.sweep(at(40), Bounds::default()).await.unwrap();
    assert_eq!((swept.promoted, swept.next), (1, None));
    assert_eq!(claim_one(store, 40).await.counts.attempt, 2);
}

pub(super) async fn a_retry_keeps_what_failed(store: &dyn TaskStore) {
    accept(store, 0, [given(1)]).await;
    for number in 1..=2_u32 {
        let ms = u64::from(number) * 10;
        let lease = run_one(store, ms).await;
        settle(store, ms + 1, lease, retry(ms + 2, number, ms + 1)).await.unwrap();
        store.sweep(at(ms + 2), Bounds::default()).await.unwrap();
    }
    let lease = run_one(store, 30).await;
    settle(store, 31, lease, success(id(1), 31)).await.unwrap();
    assert_eq!(record(store, 1).await.failed_attempts, [failed(1, 11), failed(2, 21)]);
}

pub(super) async fn a_fault_of_the_host_takes_no_attempt(store: &dyn TaskStore) {
    accept(store, 0, [given(1).attempts(1)]).await;
    for faults in 0..4_u32 {
        let ms = u64::from(faults) * 10;
        let handed = claim_one(store, ms).await;
        assert_eq!((handed.counts.attempt, handed.counts.host_faults), (1, faults));
        let failed = failed(1, ms);
        let settlement = Settlement::Retry { at: at(ms + 5), failed, host: true };
        assert_eq!(settle(store, ms, handed.lease, settlement).await, Ok(TaskState::Delayed));
        assert_eq!(record(store, 1).await.attempts, 0);
        store.sweep(at(ms + 5), Bounds::default()).await.unwrap();
    }
    assert_eq!(record(store, 1).await.failed_attempts.len(), 4);
}

pub(super) async fn what_is_given_back_was_never_claimed(store: &dyn TaskStore) {
    accept(store, 0, [given(5), given(4), given(3)]).await;
    let claimed = claim_all(store, 1).await;
    assert_eq!(ids(&claimed), numbered([5, 4, 3]));
    for task in claimed.iter().rev() {
        let verdict = settle(store, 2, task.lease, Settlement::GiveBack).await;
        assert_eq!(verdict, Ok(TaskState::Waiting));
    }
    let back = record(store, 5).await;
    assert_eq!((back.attempts, back.failed_attempts.len()), (0, 0));
    let again = claim_all(store, 3).await;
    assert_eq!(ids(&again), numbered([5, 4, 3]), "each has its old place");
    assert!(again.iter().all(|task| task.counts.attempt == 1));
}

pub(super) async fn a_dead_letter_says_why(store: &dyn TaskStore) {
    accept(store, 0, [given(1)]).await;
    let lease = run_one(store, 1).await;
    let result = result(id(1), 2, None);
    let reason = DeadReason::OverQuota;
    let settlement = Settlement::Dead { reason, failed: failed(1, 2), result: result.clone() };
    assert_eq!(settle(store, 3, lease, settlement).await, Ok(TaskState::Dead));
    let ended = record(store, 1).await;
    assert_eq!((ended.reason, ended.at), (Some(reason), at(3)));
    assert_eq!(ended.result, Some(result));
    assert_eq!(ended.failed_attempts, [failed(1, 2)]);
}

pub(super) async fn a_task_in_hand_is_cancelled_by_its_runner(store: &dyn TaskStore) {
    accept(store, 0, (1..=6).map(given)).await;
    let claimed = claim_all(store, 1).await;
    for task in &claimed {
        let answer = store.cancel(task.lease.id, at(2)).await.unwrap();
        assert_eq!(answer, CancelAnswer::Requested);
    }
    // Only a run that came to its end first ends otherwise.
    use TaskState::{Cancelled, Dead, Succeeded};
    let expected = [Succeeded, Cancelled, Cancelled, Cancelled, Dead, Cancelled];
    for ((n, task), expected) in (1..).zip(&claimed).zip(expected) {
        let settlement = ends(n)[n as usize - 1].clone();
        assert_eq!(settle(store, 99, task.lease, settlement).await, Ok(expected), "task {n}");
        assert_eq!(store.cancel(id(n), at(100)).await.unwrap(), CancelAnswer::Ended(expected));
    }
    for n in 2..=4 {
        let result = record(store, n).await.result.unwrap();
        assert_eq!(result.fault, Some(Fault::Cancelled), "task {n}");
    }
    assert_eq!(record(store, 2).await.failed_attempts, [failed(9, 99)], "it had failed, too");
}

pub(super) async fn the_genome_of_a_start_is_kept(store: &dyn TaskStore) {
    accept(store, 0, [given(1)]).await;
    let lease = claim_one(store, 0).await.lease;
    let genome = Digest::of(b"started with");
    assert_eq!(store.start(vec![lease], Some(genome)).await.unwrap(), [Ok(())]);
    assert_eq!(record(store, 1).await.genome, Some(genome));
    store.sweep(at(LEASE), Bounds::default()).await.unwrap();
    assert_eq!(record(store, 1).await.failed_attempts[0].genome, Some(genome));
}
