//! Maintenance sweeps: tasks that are due, leases that are lost, deadlines that are over.

use super::{
    LEASE, accept, at, claim_all, claim_one, given, id, ids, numbered, record, retry, run_one,
    settle, state, success,
};
use crate::scheduler::store::{Swept, TaskStore};
use crate::scheduler::{AttemptError, Bounds, DeadReason, Settlement, TaskState};
use crate::{Digest, Fault, HostFault};

const B: Bounds = Bounds { crashes: 3, lost_claims: 10 };

pub(super) async fn nothing_to_do_is_done(store: &dyn TaskStore) {
    assert_eq!(store.sweep(at(0), B).await.unwrap(), Swept::default());
    accept(store, 0, [given(1)]).await;
    assert_eq!(
        store.sweep(at(9), B).await.unwrap(),
        Swept::default(),
        "a waiting task has no time"
    );
}

pub(super) async fn what_is_due_waits_from_then_on(store: &dyn TaskStore) {
    let late = (1..=3).map(|n| given(n).not_before(100 - u64::from(n)));
    accept(store, 0, late.chain([given(4)])).await;
    let swept = store.sweep(at(98), B).await.unwrap();
    assert_eq!((swept.promoted, swept.next), (2, Some(at(99))));
    let promoted = record(store, 3).await;
    assert_eq!((promoted.state, promoted.at), (TaskState::Waiting, at(98)));
    assert_eq!(store.sweep(at(200), B).await.unwrap().promoted, 1);
    assert_eq!(ids(&claim_all(store, 201).await), numbered([4, 2, 3, 1]));
}

pub(super) async fn a_lost_claim_is_given_back(store: &dyn TaskStore) {
    accept(store, 0, [given(1)]).await;
    let former = claim_one(store, 0).await.lease;
    let swept = store.sweep(at(LEASE), B).await.unwrap();
    assert_eq!((swept.lost, swept.ended, swept.next), (1, vec![], None));
    let back = record(store, 1).await;
    assert_eq!((back.state, back.at), (TaskState::Waiting, at(LEASE)));
    assert_eq!((back.attempts, back.crashes), (0, 0));
    assert_eq!(back.failed_attempts, [], "no run was made");
    let again = claim_one(store, LEASE).await;
    assert!(again.lease.fence > former.fence);
    assert_eq!(again.counts.attempt, 1);
}

pub(super) async fn a_lost_run_is_made_again(store: &dyn TaskStore) {
    accept(store, 0, [given(1)]).await;
    let lease = claim_one(store, 0).await.lease;
    let genome = Digest::of(b"it");
    store.start(vec![lease], Some(genome)).await.unwrap();
    let swept = store.sweep(at(LEASE + 5), B).await.unwrap();
    assert_eq!((swept.lost, swept.ended.len()), (1, 0));
    let back = record(store, 1).await;
    assert_eq!((back.state, back.attempts, back.crashes), (TaskState::Waiting, 1, 1));
    let [lost] = &back.failed_attempts[..] else { panic!("{:?}", back.failed_attempts) };
    assert_eq!((lost.number, &lost.error, lost.ended_at), (1, &AttemptError::Lost, at(LEASE + 5)));
    assert_eq!((&lost.usage, lost.genome, lost.agent_id), (&None, Some(genome), None));
    let again = claim_one(store, LEASE + 6).await;
    assert_eq!(again.counts.attempt, 2);
}

pub(super) async fn a_lease_lasts_to_its_last_millisecond(store: &dyn TaskStore) {
    accept(store, 0, [given(1)]).await;
    let lease = run_one(store, 0).await;
    let swept = store.sweep(at(LEASE - 1), B).await.unwrap();
    assert_eq!((swept.lost, swept.next), (0, Some(at(LEASE))));
    // No sweep has found it lost yet, so its holder can still settle it.
    let verdict = settle(store, LEASE + 99, lease, success(id(1), 9)).await;
    assert_eq!(verdict, Ok(TaskState::Succeeded));
    assert_eq!(store.sweep(at(LEASE * 2), B).await.unwrap(), Swept::default());
}

pub(super) async fn three_lost_runs_are_too_many(store: &dyn TaskStore) {
    accept(store, 0, [given(1).attempts(9)]).await;
    for losses in 1..=3 {
        run_one(store, losses * 10_000).await;
        let swept = store.sweep(at(losses * 10_000 + LEASE), B).await.unwrap();
        assert_eq!(swept.lost, 1);
        assert_eq!(swept.ended, if losses == 3 { vec![id(1)] } else { vec![] });
    }
    let ended = record(store, 1).await;
    assert_eq!((ended.state, ended.reason), (TaskState::Dead, Some(DeadReason::HostCrash)));
    assert_eq!((ended.attempts, ended.crashes), (3, 3));
    let numbers: Vec<u32> = ended.failed_attempts.iter().map(|lost| lost.number).collect();
    assert_eq!(numbers, [1, 2, 3]);
    let result = ended.result.unwrap();
    assert_eq!(result.fault, Some(HostFault::Crashed { times: 3 }.into()));
    assert!(!result.success && result.error.is_some());
}

pub(super) async fn ten_lost_claims_are_too_many(store: &dyn TaskStore) {
    accept(store, 0, [given(1).attempts(1)]).await;
    for losses in 1..=10 {
        claim_one(store, losses * 10_000).await;
        let swept = store.sweep(at(losses * 10_000 + LEASE), B).await.unwrap();
        assert_eq!(swept.ended, if losses == 10 { vec![id(1)] } else { vec![] });
    }
    let ended = record(store, 1).await;
    assert_eq!((ended.state, ended.reason), (TaskState::Dead, Some(DeadReason::HostCrash)));
    assert_eq!((ended.attempts, ended.crashes), (0, 0));
    assert_eq!(ended.result.unwrap().fault, Some(HostFault::Crashed { times: 10 }.into()));
}

pub(super) async fn bounds_are_the_callers(store: &dyn TaskStore) {
    accept(store, 0, [given(1), given(2)]).await;
    let first = claim_all(store, 0).await[0].lease;
    store.start(vec![first], None).await.unwrap();
    let strict = Bounds { crashes: 1, lost_claims: 1 };
    let mut swept = store.sweep(at(LEASE), strict).await.unwrap();
    swept.ended.sort();
    assert_eq!(swept, Swept { lost: 2, ended: numbered([1, 2]), ..Swept::default() });
}

pub(super) async fn a_last_attempt_that_is_lost_is_the_end(store: &dyn TaskStore) {
    accept(store, 0, [given(1).attempts(2)]).await;
    let lease = run_one(store, 0).await;
    settle(store, 1, lease, retry(2, 1, 1)).await.unwrap();
    store.sweep(at(2), B).await.unwrap();
    run_one(store, 2).await;
    let swept = store.sweep(at(2 + LEASE), B).await.unwrap();
    assert_eq!(swept.ended, [id(1)]);
    let ended = record(store, 1).await;
    assert_eq!(ended.reason, Some(DeadReason::AttemptsExhausted));
    assert_eq!((ended.attempts, ended.crashes, ended.failed_attempts.len()), (2, 1, 2));
}

pub(super) async fn a_lost_task_that_was_to_be_cancelled_is_cancelled(store: &dyn TaskStore) {
    accept(store, 0, [given(1).attempts(1), given(2)]).await;
    let claimed = claim_all(store, 0).await;
    store.start(vec![claimed[0].lease], None).await.unwrap();
    for n in [1, 2] {
        store.cancel(id(n), at(1)).await.unwrap();
    }
    let mut swept = store.sweep(at(LEASE), B).await.unwrap();
    swept.ended.sort();
    assert_eq!((swept.lost, swept.ended), (2, numbered([1, 2])));
    for n in [1, 2] {
        let ended = record(store, n).await;
        assert_eq!((ended.state, ended.reason), (TaskState::Cancelled, None));
        assert_eq!(ended.result.unwrap().fault, Some(Fault::Cancelled));
    }
}

pub(super) async fn a_deadline_ends_what_is_queued_and_only_that(store: &dyn TaskStore) {
    let held = |n| given(n).deadline(10);
    accept(store, 0, [held(1), held(2)]).await;
    let leases = claim_all(store, 0).await;
    store.start(vec![leases[0].lease], None).await.unwrap();
    accept(store, 0, [held(3), held(4).not_before(5), held(5).deadline(11), given(6)]).await;
    let early = store.sweep(at(4), B).await.unwrap();
    assert_eq!((early.ended.len(), early.next), (0, Some(at(5))));

    let mut swept = store.sweep(at(10), B).await.unwrap();
    swept.ended.sort();
    assert_eq!((swept.ended, swept.promoted, swept.lost), (numbered([3, 4]), 0, 0));
    assert_eq!(swept.next, Some(at(11)));
    for n in [3, 4] {
        let ended = record(store, n).await;
        assert_eq!((ended.state, ended.reason), (TaskState::Dead, Some(DeadReason::Expired)));
        assert_eq!(ended.failed_attempts[0].error, AttemptError::Expired);
        assert_eq!(ended.result.unwrap().fault.unwrap().code(), "past-deadline");
    }
    assert_eq!(state(store, 1).await, TaskState::Running, "a run is ended by its own limit");
    assert_eq!(state(store, 2).await, TaskState::Claimed);

    // Given back, it is queued and its deadline is over.
    settle(store, 20, leases[1].lease, Settlement::GiveBack).await.unwrap();
    let swept = store.sweep(at(20), B).await.unwrap();
    assert_eq!(swept.ended, numbered([2, 5]));
}

pub(super) async fn the_next_event_is_named(store: &dyn TaskStore) {
    let next = async |now| store.sweep(at(now), B).await.unwrap().next;
    accept(store, 0, [given(1)]).await;
    assert_eq!(next(0).await, None);
    accept(store, 0, [given(2).deadline(9000)]).await;
    assert_eq!(next(1).await, Some(at(9000)), "a deadline of one that waits");
    accept(store, 1, [given(3).deadline(8000).not_before(5000)]).await;
    assert_eq!(next(2).await, Some(at(5000)), "a start");
    assert_eq!(claim_all(store, 3).await.len(), 2);
    assert_eq!(next(4).await, Some(at(3 + LEASE)), "the end of a lease");
    store.cancel(id(3), at(5)).await.unwrap();
    assert_eq!(next(6).await, Some(at(3 + LEASE)), "what has ended has no events");
}

pub(super) async fn a_sweep_is_bounded_and_says_that_more_is_left(store: &dyn TaskStore) {
    let many = 1..=600_u32;
    accept(store, 0, many.clone().map(|n| given(n).not_before(5))).await;
    accept(store, 0, many.clone().map(|n| given(1000 + n).of("b").deadline(5))).await;
    accept(store, 0, many.map(|n| given(2000 + n).of("c"))).await;
    let room = super::room("c", 600);
    assert_eq!(super::claim(store, 0, [room], 600).await.tasks.len(), 600);
    let now = at(LEASE);
    let (mut promoted, mut lost, mut ended, mut rounds) = (0, 0, 0, 0);
    loop {
        let swept = store.sweep(now, B).await.unwrap();
        promoted += swept.promoted;
        lost += swept.lost;
        ended += swept.ended.len();
        rounds += 1;
        match swept.next {
            Some(next) if next <= now => assert!(rounds < 100, "a sweep gets on"),
            next => break assert_eq!(next, None),
        }
    }
    assert_eq!((promoted, lost, ended), (600, 600, 600));
    assert!(rounds > 1, "one sweep does not hold up claims for long");
}

pub(super) async fn a_clock_that_is_set_moves_what_is_relative(store: &dyn TaskStore) {
    const MINUTE: i64 = 60_000;
    accept(store, 100_000, [given(1), given(2).not_before(105_000)]).await;
    let lease = claim_one(store, 100_000).await.lease;
    accept(store, 100_000, [given(3)]).await;
    settle(store, 100_020, lease, retry(101_000, 1, 100_020)).await.unwrap();
    let times = async || {
        let mut times = Vec::new();
        for n in 1..=3 {
            times.push(record(store, n).await.at);
        }
        times
    };
    let before = [101_000, 105_000, 100_000].map(at);
    assert_eq!(times().await, before);
    store.clock_was_set(7, 300).await.unwrap();
    assert_eq!(times().await, before, "it is not exact");
    store.clock_was_set(300, 300 - MINUTE).await.unwrap();
    assert_eq!(times().await, [41_000, 105_000, 40_000].map(at));
    assert_eq!(store.sweep(at(41_000), B).await.unwrap().promoted, 1);
    store.clock_was_set(300 - MINUTE, 300).await.unwrap();
    assert_eq!(times().await, [101_000, 105_000, 100_000].map(at));
    assert_eq!(ids(&claim_all(store, 101_000).await), numbered([3, 1]));
}
