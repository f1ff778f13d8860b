//! Claims: in which order they hand out tasks, and what they hand out.

use std::collections::BTreeMap;

use super::{
    CLASSES, LEASE, accept, at, claim, claim_all, claim_one, given, id, ids, numbered, record,
    room, settle, state,
};
use crate::scheduler::store::{Claim, TaskStore, TypeSlots};
use crate::scheduler::{Attempt, AttemptError, Bounds, DeadReason, Submission, TaskState};
use crate::telemetry::LogTail;
use crate::{Digest, Priority, QuotaKind};

/// So many tasks of each class, all of type `a`.
async fn backlog(store: &dyn TaskStore, of_each: u32) {
    let mut batch = Vec::new();
    for n in 0..of_each {
        for (class, priority) in (0..).zip(CLASSES) {
            batch.push(given(n * 5 + class + 1).class(priority));
        }
    }
    accept(store, 0, batch).await;
}

fn by_class(claims: &[Claim]) -> [usize; 5] {
    let tasks = || claims.iter().flat_map(|claim| &claim.tasks);
    CLASSES.map(|class| tasks().filter(|task| task.body.priority == class).count())
}

pub(super) async fn a_backlog_is_shared_16_8_4_2_1(store: &dyn TaskStore) {
    backlog(store, 180).await;
    let mut claims = Vec::new();
    for most in [310, 7, 1, 2, 21] {
        claims.push(claim(store, 1, [room("a", 1000)], most).await);
    }
    assert_eq!(by_class(&claims[..1]), [160, 80, 40, 20, 10]);
    assert_eq!(by_class(&claims[1..]), [16, 8, 4, 2, 1], "one round in four claims");
}

pub(super) async fn a_backlog_is_shared_however_few_slots_are_free(store: &dyn TaskStore) {
    backlog(store, 35).await;
    let mut claims = Vec::new();
    for free in [1, 1, 1, 2, 3, 5, 7, 11, 13, 17, 1] {
        claims.push(claim(store, 1, [room("a", free), room("b", 3)], 1000).await);
    }
    assert_eq!(by_class(&claims), [32, 16, 8, 4, 2]);
}

pub(super) async fn a_class_with_nothing_to_do_gives_its_turn_away(store: &dyn TaskStore) {
    let low = |n| given(n).class(Priority::Low);
    let background = |n| given(n).class(Priority::Background);
    accept(store, 0, (1..=20).map(low).chain((21..=40).map(background))).await;
    let claims = [claim(store, 1, [room("a", 100)], 12).await];
    assert_eq!(by_class(&claims), [0, 0, 0, 8, 4]);
    let claims = [claim(store, 1, [room("a", 100)], 100).await];
    assert_eq!(by_class(&claims), [0, 0, 0, 12, 16], "nothing is left");
}

pub(super) async fn types_take_turns_whatever_their_backlog(store: &dyn TaskStore) {
    accept(store, 0, (1..=200).map(given)).await;
    accept(store, 1, (201..=210).map(|n| given(n).of("b"))).await;
    accept(store, 2, (211..=220).map(|n| given(n).of("c"))).await;
    let rooms = [room("a", 100), room("b", 100), room("c", 100)];
    let first = claim(store, 3, rooms.clone(), 15).await;
    assert_eq!(by_type(&first), [("a", 5), ("b", 5), ("c", 5)].into());
    let second = claim(store, 3, rooms, 100).await;
    assert_eq!(by_type(&second), [("a", 90), ("b", 5), ("c", 5)].into());
}

fn by_type(claim: &Claim) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for task in &claim.tasks {
        *counts.entry(task.body.target_agent_type.as_str()).or_default() += 1;
    }
    counts
}

pub(super) async fn one_slot_waits_for_a_critical_task(store: &dyn TaskStore) {
    let reserved = |free| TypeSlots { reserved: 1, ..room("a", free) };
    accept(store, 0, (1..=9).map(|n| given(n).class(Priority::High))).await;
    assert_eq!(claim(store, 1, [reserved(4)], 100).await.tasks.len(), 3);
    assert!(claim(store, 1, [reserved(1)], 100).await.tasks.is_empty());
    accept(store, 2, [given(10).class(Priority::Critical)]).await;
    let claimed = claim(store, 3, [reserved(1)], 100).await;
    assert_eq!(ids(&claimed.tasks), [id(10)]);
    assert_eq!(claim(store, 4, [room("a", 2)], 100).await.tasks.len(), 2, "where none is");
}

pub(super) async fn no_more_is_handed_out_than_there_is_room_for(store: &dyn TaskStore) {
    accept(store, 0, (1..=9).map(given)).await;
    accept(store, 0, (11..=19).map(|n| given(n).of("b"))).await;
    let rooms = [room("a", 2), room("b", 3)];
    let claimed = claim(store, 1, rooms.clone(), 100).await;
    assert_eq!(by_type(&claimed), [("a", 2), ("b", 3)].into());
    assert_eq!(claim(store, 1, rooms.clone(), 4).await.tasks.len(), 4);
    assert!(claim(store, 1, rooms, 0).await.tasks.is_empty());
    assert!(claim(store, 1, [], 100).await.tasks.is_empty());
}

pub(super) async fn a_type_without_room_delays_no_other_type(store: &dyn TaskStore) {
    accept(store, 0, (1..=9).map(|n| given(n).class(Priority::Critical))).await;
    accept(store, 0, [given(10).of("b").class(Priority::Background)]).await;
    let rooms = [room("a", 0), room("b", 5), room("unheard of", 5)];
    assert_eq!(ids(&claim(store, 1, rooms, 100).await.tasks), [id(10)]);
    assert!(claim(store, 1, [room("b", 5)], 100).await.tasks.is_empty(), "nor is it named");
}

pub(super) async fn a_task_is_handed_out_once(store: &dyn TaskStore) {
    accept(store, 0, (1..=5).map(given)).await;
    let mut handed = Vec::new();
    for most in [2, 2, 2] {
        handed.extend(ids(&claim(store, 1, [room("a", 9)], most).await.tasks));
    }
    assert_eq!(handed, numbered(1..=5));
    assert!(claim_all(store, LEASE * 5).await.is_empty(), "not before a sweep finds it lost");
}

pub(super) async fn a_claim_names_the_lease_and_the_runs_so_far(store: &dyn TaskStore) {
    accept(store, 3, [given(1).attempts(5)]).await;
    let handed = claim_one(store, 4).await;
    assert_eq!(handed.lease.id, id(1));
    let counts = handed.counts;
    assert_eq!((counts.attempt, counts.max_attempts, counts.host_faults), (1, 5, 0));
    assert!(!handed.started);
    assert_eq!((handed.submitted_at, &*handed.body), (at(3), &given(1).0.task));

    let claimed = record(store, 1).await;
    assert_eq!((claimed.state, claimed.at), (TaskState::Claimed, at(4 + LEASE)));
    assert_eq!((claimed.attempts, claimed.submitted_at), (1, at(3)));

    // Each claim draws a fence above all before it.
    settle(store, 5, handed.lease, super::retry(6, 1, 5)).await.unwrap();
    store.sweep(at(6), Bounds::default()).await.unwrap();
    let again = claim_one(store, 6).await;
    assert!(again.lease.fence > handed.lease.fence);
    assert_eq!(again.counts.attempt, 2);
}

pub(super) async fn a_claim_may_be_a_start(store: &dyn TaskStore) {
    accept(store, 0, [given(1), given(2).of("b")]).await;
    let genome = Digest::of(b"the only one");
    let rooms = [TypeSlots { starts: Some(genome), ..room("a", 1) }, room("b", 1)];
    let claimed = claim(store, 1, rooms, 9).await.tasks;
    let started = claimed.iter().map(|task| (task.lease.id, task.started));
    assert_eq!(started.collect::<BTreeMap<_, _>>(), [(id(1), true), (id(2), false)].into());
    assert_eq!(state(store, 1).await, TaskState::Running);
    assert_eq!(state(store, 2).await, TaskState::Claimed);

    // The genome is on record for the attempt that is lost with its host.
    store.sweep(at(1 + LEASE), Bounds::default()).await.unwrap();
    let attempts = record(store, 1).await.failed_attempts;
    assert_eq!(attempts.iter().map(|lost| lost.genome).collect::<Vec<_>>(), [Some(genome)]);
}

pub(super) async fn a_task_past_its_deadline_is_not_handed_out(store: &dyn TaskStore) {
    accept(store, 0, [given(1).deadline(10), given(2).deadline(11), given(3)]).await;
    let claimed = claim(store, 10, [room("a", 9)], 9).await;
    assert_eq!(claimed.ended, [id(1)]);
    assert_eq!(ids(&claimed.tasks), [id(2), id(3)]);

    let expired = record(store, 1).await;
    assert_eq!((expired.state, expired.at), (TaskState::Dead, at(10)));
    assert_eq!((expired.reason, expired.attempts), (Some(DeadReason::Expired), 0));
    let result = expired.result.unwrap();
    assert_eq!(result.fault.unwrap().code(), QuotaKind::Deadline.code());
    assert_eq!(result.completed_at, at(10).to_system_time());
    let attempt = Attempt {
        number: 0,
        ended_at: at(10),
        error: AttemptError::Expired,
        usage: None,
        genome: None,
        agent_id: None,
        log: LogTail::default(),
    };
    assert_eq!(expired.failed_attempts, [attempt]);
}

pub(super) async fn a_deadline_that_passes_in_the_queue_takes_no_turn_of_another_claim(
    store: &dyn TaskStore,
) {
    accept(store, 0, (1..=5).map(|n| given(n).deadline(10)).chain((6..=8).map(given))).await;
    let mut handed = Vec::new();
    for _ in 0..4 {
        let claimed = claim(store, 20, [room("a", 2)], 2).await;
        handed.extend(ids(&claimed.tasks));
    }
    assert_eq!(handed, numbered(6..=8));
    let Submission { task, .. } = given(1).0;
    assert_eq!(record(store, 1).await.task.payload, task.payload, "its input is kept");
}
