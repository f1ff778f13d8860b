//! Tasks taken back, dead letters put back, and what is kept of the ended.

use super::{
    Given, LEASE, ROOMY, accept, all_in, asking, at, claim_all, claim_one, dead, given, id, ids,
    ms, numbered, record, retry, room, run_one, settle, state, submit, success, terms,
};
use crate::Fault;
use crate::scheduler::store::{
    CancelAnswer, Keep, Retention, Settled, StoreError, Submitted, TaskStore,
};
use crate::scheduler::{Bounds, Settlement, TaskState};

pub(super) async fn a_queued_task_is_cancelled_at_once(store: &dyn TaskStore) {
    accept(store, 0, [given(1), given(2).not_before(50), given(3)]).await;
    for n in [1, 2] {
        assert_eq!(store.cancel(id(n), at(7)).await.unwrap(), CancelAnswer::Cancelled);
        let ended = record(store, n).await;
        assert_eq!((ended.state, ended.at, ended.reason), (TaskState::Cancelled, at(7), None));
        let result = ended.result.unwrap();
        assert_eq!((result.task_id, result.fault), (id(n), Some(Fault::Cancelled)));
        assert_eq!(result.completed_at, at(7).to_system_time());
    }
    assert_eq!(store.sweep(at(50), Bounds::default()).await.unwrap().promoted, 0);
    assert_eq!(ids(&claim_all(store, 51).await), [id(3)]);
}

pub(super) async fn a_task_in_hand_is_asked_to_stop(store: &dyn TaskStore) {
    accept(store, 0, [given(1), given(2)]).await;
    let lease = claim_all(store, 0).await[1].lease;
    store.start(vec![lease], None).await.unwrap();
    for n in [1, 2, 1] {
        assert_eq!(store.cancel(id(n), at(1)).await.unwrap(), CancelAnswer::Requested);
    }
    assert_eq!(state(store, 1).await, TaskState::Claimed);
    assert_eq!(state(store, 2).await, TaskState::Running);
    assert_eq!(store.start(vec![lease], None).await.unwrap().len(), 1);
    let held = record(store, 2).await;
    assert_eq!((held.at, held.result), (at(LEASE), None), "its lease goes on");
}

pub(super) async fn what_has_ended_is_not_cancelled(store: &dyn TaskStore) {
    accept(store, 0, [given(1)]).await;
    let lease = run_one(store, 1).await;
    settle(store, 2, lease, success(id(1), 2)).await.unwrap();
    accept(store, 3, [given(2)]).await;
    let lease = run_one(store, 3).await;
    settle(store, 4, lease, dead(id(2), 1, 4)).await.unwrap();
    accept(store, 5, [given(3)]).await;
    store.cancel(id(3), at(5)).await.unwrap();
    for (n, state) in (1..).zip([TaskState::Succeeded, TaskState::Dead, TaskState::Cancelled]) {
        let before = record(store, n).await;
        assert_eq!(store.cancel(id(n), at(9)).await.unwrap(), CancelAnswer::Ended(state));
        assert_eq!(record(store, n).await, before);
    }
    assert_eq!(store.cancel(id(9), at(9)).await.unwrap(), CancelAnswer::Unknown);
}

/// Tasks 1 to 7, one in each state, in the order of [`TaskState::ALL`].
async fn one_in_each_state(store: &dyn TaskStore) {
    accept(store, 0, (3..=7).map(given)).await;
    let claimed = claim_all(store, 1).await;
    store.start(vec![claimed[1].lease], None).await.unwrap();
    let settlements = [
        success(id(5), 2),
        dead(id(6), 1, 2),
        Settlement::Cancelled(super::result(id(7), 2, None)),
    ];
    for (task, settlement) in claimed[2..].iter().zip(settlements) {
        settle(store, 2, task.lease, settlement).await.unwrap();
    }
    accept(store, 3, [given(1), given(2).not_before(500)]).await;
    for (n, expected) in (1..).zip(TaskState::ALL) {
        assert_eq!(state(store, n).await, expected);
    }
}

pub(super) async fn only_dead_letters_are_put_back(store: &dyn TaskStore) {
    one_in_each_state(store).await;
    let all = numbered([7, 6, 5, 4, 99, 3, 2, 1, 6]);
    assert_eq!(store.requeue(all, at(4)).await.unwrap(), [id(6)]);
    assert_eq!(state(store, 6).await, TaskState::Waiting);
    assert_eq!(state(store, 5).await, TaskState::Succeeded);
    assert_eq!(store.requeue(Vec::new(), at(4)).await.unwrap(), []);
}

pub(super) async fn a_task_put_back_begins_anew(store: &dyn TaskStore) {
    accept(store, 0, [given(1).attempts(2).deadline(60_000).key("k")]).await;
    let lease = run_one(store, 0).await;
    store.sweep(at(LEASE), Bounds::default()).await.unwrap();
    let second = run_one(store, LEASE).await;
    settle(store, 1001, second, dead(id(1), 2, 1001)).await.unwrap();
    let ended = record(store, 1).await;
    assert_eq!((ended.attempts, ended.crashes, ended.failed_attempts.len()), (2, 1, 2));

    assert_eq!(store.requeue(vec![id(1)], at(2000)).await.unwrap(), [id(1)]);
    let anew = record(store, 1).await;
    assert_eq!((anew.state, anew.at), (TaskState::Waiting, at(2000)));
    assert_eq!((anew.attempts, anew.crashes, anew.max_attempts), (0, 0, 2));
    assert_eq!((anew.reason, anew.result), (None, None));
    assert_eq!(anew.failed_attempts, ended.failed_attempts, "its history stays");
    assert_eq!(anew.submitted_at, at(0));
    assert_eq!(anew.task, ended.task);

    let third = claim_one(store, 2001).await;
    assert!(third.lease.fence > second.fence && second.fence > lease.fence);
    assert_eq!(third.counts.attempt, 1);
    assert!(settle(store, 2002, second, success(id(1), 2002)).await.is_err());
    settle(store, 2003, third.lease, success(id(1), 2003)).await.unwrap();
    let again = submit(store, 2004, [given(1).key("k")]).await;
    assert_eq!(again, [Submitted::Duplicate(id(1))]);
}

pub(super) async fn a_deadline_that_is_over_does_not_come_back(store: &dyn TaskStore) {
    accept(store, 0, [given(1).deadline(10), given(2).deadline(90)]).await;
    store.sweep(at(10), Bounds::default()).await.unwrap();
    let lease = claim_one(store, 11).await.lease;
    settle(store, 12, lease, dead(id(2), 1, 12)).await.unwrap();
    assert_eq!(store.requeue(numbered([1, 2]), at(20)).await.unwrap(), numbered([1, 2]));
    let swept = store.sweep(at(20), Bounds::default()).await.unwrap();
    assert_eq!((swept.ended, swept.next), (vec![], Some(at(90))), "one is ahead");
    let swept = store.sweep(at(90), Bounds::default()).await.unwrap();
    assert_eq!((swept.ended, swept.next), (vec![id(2)], None));
    assert_eq!(ids(&claim_all(store, 91).await), [id(1)]);
}

pub(super) async fn what_is_given_back_keeps_its_place_and_a_dead_letter_goes_behind(
    store: &dyn TaskStore,
) {
    accept(store, 0, [given(3), given(2), given(1)]).await;
    let first = claim_all(store, 0).await;
    for task in &first {
        let settlement = match task.lease.id == id(3) {
            true => dead(id(3), 1, 1),
            false => Settlement::GiveBack,
        };
        settle(store, 1, task.lease, settlement).await.unwrap();
    }
    store.requeue(vec![id(3)], at(5)).await.unwrap();
    assert_eq!(ids(&claim_all(store, 6).await), numbered([2, 1, 3]));
}

pub(super) async fn only_ended_tasks_are_purged(store: &dyn TaskStore) {
    one_in_each_state(store).await;
    let all = numbered([1, 2, 3, 4, 5, 99, 6, 7, 7]);
    assert_eq!(store.purge(all).await.unwrap(), numbered([5, 6, 7]));
    for n in 1..=7 {
        assert_eq!(store.get(id(n)).await.unwrap().is_some(), n <= 4, "task {n}");
    }
    assert_eq!(store.purge(Vec::new()).await.unwrap(), []);
}

pub(super) async fn what_is_purged_may_be_submitted_again(store: &dyn TaskStore) {
    accept(store, 0, [given(1)]).await;
    let lease = run_one(store, 0).await;
    settle(store, 1, lease, retry(2, 1, 1)).await.unwrap();
    store.cancel(id(1), at(2)).await.unwrap();
    assert_eq!(store.purge(vec![id(1)]).await.unwrap(), [id(1)]);
    accept(store, 3, [given(1).attempts(9)]).await;
    let anew = record(store, 1).await;
    assert_eq!((anew.state, anew.submitted_at), (TaskState::Waiting, at(3)));
    assert_eq!((anew.attempts, anew.max_attempts, anew.result), (0, 9, None));
    assert_eq!(anew.failed_attempts, [], "nothing of the former is left");
}

/// Ends tasks one by one, task `n` at `n` milliseconds.
async fn end(store: &dyn TaskStore, numbers: std::ops::RangeInclusive<u32>, how: TaskState) {
    for n in numbers {
        let now = u64::from(n);
        accept(store, now, [given(n)]).await;
        let settlement = match how {
            TaskState::Dead => dead(id(n), 1, now),
            TaskState::Cancelled => Settlement::Cancelled(super::result(id(n), now, None)),
            _ => success(id(n), now),
        };
        let lease = claim_one(store, now).await.lease;
        assert_eq!(settle(store, now, lease, settlement).await, Ok(how));
    }
}

fn keep(count: u64, age_ms: u64) -> Keep {
    Keep { count, age: ms(age_ms) }
}

async fn kept(store: &dyn TaskStore, state: TaskState) -> Vec<u32> {
    let rows = store.list(all_in(state)).await.unwrap();
    rows.iter().map(|row| row.id.as_uuid().as_u128() as u32).collect()
}

pub(super) async fn the_newest_of_each_state_are_kept(store: &dyn TaskStore) {
    end(store, 1..=5, TaskState::Succeeded).await;
    end(store, 11..=15, TaskState::Dead).await;
    end(store, 21..=25, TaskState::Cancelled).await;
    accept(store, 30, [given(30)]).await;
    let retention = Retention { ended: keep(2, 1_000_000), dead: keep(4, 1_000_000) };
    assert_eq!(store.retain(at(40), retention).await.unwrap(), 3 + 1 + 3);
    assert_eq!(kept(store, TaskState::Succeeded).await, [4, 5]);
    assert_eq!(kept(store, TaskState::Dead).await, [12, 13, 14, 15]);
    assert_eq!(kept(store, TaskState::Cancelled).await, [24, 25]);
    assert_eq!(store.get(id(1)).await.unwrap(), None);
    assert_eq!(store.retain(at(40), retention).await.unwrap(), 0);

    let none = Retention { ended: keep(0, 1_000_000), dead: keep(0, 1_000_000) };
    assert_eq!(store.retain(at(40), none).await.unwrap(), 8);
    assert_eq!(state(store, 30).await, TaskState::Waiting, "a waiting task is not touched");
}

pub(super) async fn what_ended_long_ago_is_forgotten(store: &dyn TaskStore) {
    end(store, 1..=5, TaskState::Succeeded).await;
    end(store, 11..=15, TaskState::Dead).await;
    accept(store, 16, [given(16)]).await;
    let by_age = |age| Retention { ended: keep(1000, age), dead: keep(1000, 10_000) };
    assert_eq!(store.retain(at(100), by_age(97)).await.unwrap(), 3);
    assert_eq!(kept(store, TaskState::Succeeded).await, [4, 5], "within 97 ms before 100");
    assert_eq!(store.retain(at(100), by_age(97)).await.unwrap(), 0);
    assert_eq!(store.retain(at(9_000), by_age(5)).await.unwrap(), 2);
    assert_eq!(kept(store, TaskState::Dead).await, [11, 12, 13, 14, 15], "longer than the rest");
    assert_eq!(store.retain(at(10_013), by_age(5)).await.unwrap(), 3);
    assert_eq!(kept(store, TaskState::Dead).await, [14, 15]);
    assert_eq!(state(store, 16).await, TaskState::Waiting, "however old");
}

pub(super) async fn retention_works_in_bounded_steps(store: &dyn TaskStore) {
    const MANY: u64 = 1500;
    accept(store, 0, (1..=MANY as u32).map(given)).await;
    let claimed = claim_all(store, 1).await;
    let settled = claimed.iter().map(|task| Settled {
        lease: task.lease,
        settlement: success(task.lease.id, 2),
        genome: None,
    });
    let verdicts = store.settle(settled.collect(), at(2)).await.unwrap();
    assert!(verdicts.iter().all(|verdict| *verdict == Ok(TaskState::Succeeded)));
    let retention = Retention { ended: keep(100, 1_000_000), dead: keep(0, 0) };
    let mut rounds = Vec::new();
    while rounds.last() != Some(&0) {
        rounds.push(store.retain(at(3), retention).await.unwrap());
    }
    assert_eq!(rounds.iter().sum::<u64>(), MANY - 100, "{rounds:?}");
    assert!(rounds.len() > 2, "one round does not hold up claims for long: {rounds:?}");
    assert_eq!(kept(store, TaskState::Succeeded).await.len(), 100);
}

pub(super) async fn a_forgotten_task_frees_its_key(store: &dyn TaskStore) {
    accept(store, 0, [given(1).key("k")]).await;
    store.cancel(id(1), at(1)).await.unwrap();
    let all = Retention { ended: keep(0, 0), dead: keep(0, 0) };
    assert_eq!(store.retain(at(2), all).await.unwrap(), 1);
    accept(store, 3, [given(2).key("k"), given(1)]).await;
}

pub(super) async fn a_closed_store_takes_and_tells_nothing(store: &dyn TaskStore) {
    accept(store, 0, [given(1)]).await;
    let lease = claim_one(store, 1).await.lease;
    store.close().await;
    store.close().await;
    let Given(submission) = given(2);
    let settled = Settled { lease, settlement: Settlement::GiveBack, genome: None };
    let closed = StoreError::Closed;
    assert_eq!(store.submit(vec![submission], terms(2)).await.unwrap_err(), closed);
    assert_eq!(store.claim(asking(2, [room("a", 1)], ROOMY)).await.unwrap_err(), closed);
    assert_eq!(store.start(vec![lease], None).await.unwrap_err(), closed);
    assert_eq!(store.extend(vec![lease], at(9)).await.unwrap_err(), closed);
    assert_eq!(store.settle(vec![settled], at(2)).await.unwrap_err(), closed);
    assert_eq!(store.cancel(id(1), at(2)).await.unwrap_err(), closed);
    assert_eq!(store.requeue(vec![id(1)], at(2)).await.unwrap_err(), closed);
    assert_eq!(store.purge(vec![id(1)]).await.unwrap_err(), closed);
    assert_eq!(store.sweep(at(2), Bounds::default()).await.unwrap_err(), closed);
    assert_eq!(store.retain(at(2), Retention::default()).await.unwrap_err(), closed);
    assert_eq!(store.get(id(1)).await.unwrap_err(), closed);
    assert_eq!(store.list(all_in(TaskState::Waiting)).await.unwrap_err(), closed);
    assert_eq!(store.stats().await.unwrap_err(), closed);
}
