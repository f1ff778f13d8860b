//! What a store does with its queue beside answering: counting anew, taking over the leases of
//! a host that is gone, ending what cannot be read, following the clock.

use std::convert::Infallible;
use std::mem;
use std::sync::Arc;

use super::*;
use crate::scheduler::machine::Bounds;
use crate::scheduler::record::DeadReason;
use crate::scheduler::store::memory::MemoryRows;
use crate::scheduler::store::requests::{NewTask, Settled, StoreStats, SubmitTerms, Submitted};
use crate::scheduler::store::suite::{
    Given, ROOMY, asking, at, given, id, retry, room, success, terms,
};
use crate::{Digest, Fault, HostFault, Task};

type Queue = TaskQueue<MemoryRows>;

fn queue() -> Queue {
    sure(TaskQueue::new(MemoryRows::default()))
}

fn sure<T>(answer: Result<T, Infallible>) -> T {
    let Ok(answer) = answer;
    answer
}

fn new(given: Given) -> NewTask<Arc<Task>> {
    NewTask::of(given.0, Arc::new)
}

fn submit(queue: &mut Queue, ms: u64, batch: impl IntoIterator<Item = Given>) -> Vec<Submitted> {
    let batch: Vec<_> = batch.into_iter().map(new).collect();
    sure(queue.submit(&batch, terms(ms)))
}

/// Claims so many tasks of type `a`.
fn claim(queue: &mut Queue, ms: u64, most: usize) -> Vec<Lease> {
    let claim = sure(queue.claim(&asking(ms, [room("a", ROOMY)], most)));
    claim.tasks.iter().map(|task| task.lease).collect()
}

fn settle(queue: &mut Queue, ms: u64, lease: Lease, settlement: crate::scheduler::Settlement) {
    let settled = Settled { lease, settlement, genome: None };
    let answers = sure(queue.settle(&[settled], at(ms)));
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
}

fn state(queue: &mut Queue, n: u32) -> TaskState {
    let row = sure(queue.rows().find(id(n)));
    row.unwrap_or_else(|| panic!("task {n} is not there")).progress.state
}

fn stats(queue: &mut Queue) -> StoreStats {
    sure(queue.stats())
}

/// Tasks of two types and three classes, some of them in each state.
fn mixed() -> Queue {
    let mut queue = queue();
    submit(&mut queue, 0, (1..=4).map(given));
    let leases = claim(&mut queue, 1, 4);
    sure(queue.start(&leases[..2], None));
    settle(&mut queue, 2, leases[0], success(leases[0].id, 2));
    submit(&mut queue, 3, (5..=7).map(given));
    submit(&mut queue, 4, (8..=10).map(|n| given(n).of("b").class(Priority::Critical)));
    submit(&mut queue, 5, (11..=12).map(|n| given(n).of("b").class(Priority::Low).not_before(900)));
    sure(queue.cancel(id(10), at(6)));
    queue
}

#[test]
fn counting_anew_finds_what_was_counted_on_the_way() {
    let mut queue = mixed();
    let before = stats(&mut queue);
    assert_eq!(before.queued_by_type, [("a".to_owned(), 3), ("b".to_owned(), 4)]);
    sure(queue.recount());
    assert_eq!(stats(&mut queue), before);
    // A store that is opened has rows and no counts.
    let rows = mem::take(queue.rows());
    let mut opened = sure(TaskQueue::new(rows));
    assert_eq!(stats(&mut opened), before);
    assert_eq!(claim(&mut opened, 7, ROOMY).len(), 3);
    let of_b = sure(opened.claim(&asking(7, [room("b", ROOMY)], ROOMY)));
    assert_eq!(of_b.tasks.len(), 2);
}

#[test]
fn a_type_is_as_full_after_counting_anew() {
    let mut queue = queue();
    submit(&mut queue, 0, [given(1), given(2).not_before(100)]);
    sure(queue.recount());
    let terms = SubmitTerms { capacity: 3, ..terms(1) };
    let answers = sure(queue.submit(&[new(given(3)), new(given(4))], terms));
    assert_eq!(answers, [Submitted::Accepted, Submitted::Full { queued: 3 }]);
}

/// Rows of a transaction that is rolled back are as before, and so must the counts be.
#[test]
fn what_is_counted_is_put_back_with_the_rows() {
    let mut queue = mixed();
    let (before, counted) = (stats(&mut queue), queue.counted());
    sure(queue.clock_was_set(0, 7));
    submit(&mut queue, 10, (20..=22).map(given));
    assert_ne!(stats(&mut queue), before);
    queue.put_back(counted);
    let counts =
        |stats: StoreStats| (stats.by_state, stats.waiting_by_priority, stats.queued_by_type);
    assert_eq!(counts(stats(&mut queue)), counts(before));
    let ahead = |queue: &Queue| format!("{:?}", queue.counted());
    assert!(ahead(&queue).contains("ahead: None"), "{}", ahead(&queue));
}

#[test]
fn all_leases_of_a_host_that_is_gone_are_lost() {
    let mut queue = queue();
    submit(&mut queue, 0, (1..=600).map(given));
    let leases = claim(&mut queue, 1, 590);
    let genome = Digest::of(b"genome");
    sure(queue.start(&leases[..290], Some(genome)));
    sure(queue.cancel(leases[0].id, at(2)));
    sure(queue.cancel(leases[300].id, at(2)));

    // Long before the leases are over.
    let swept = sure(queue.lose_all(at(3), Bounds::default()));
    assert_eq!((swept.lost, swept.promoted), (590, 0));
    let mut ended = swept.ended;
    ended.sort();
    assert_eq!(ended, [leases[0].id, leases[300].id]);
    let stats = stats(&mut queue);
    let expected = [598, 0, 0, 0, 0, 0, 2];
    assert_eq!(stats.by_state.iter().map(|(_, count)| *count).collect::<Vec<_>>(), expected);

    let ran = queue.rows().record(leases[1].id).unwrap();
    assert_eq!((ran.attempts, ran.crashes, ran.failed_attempts.len()), (1, 1, 1));
    let attempt = &ran.failed_attempts[0];
    assert_eq!((attempt.number, &attempt.error), (1, &AttemptError::Lost));
    assert_eq!((attempt.genome, attempt.ended_at), (Some(genome), at(3)));
    let claimed = queue.rows().record(leases[400].id).unwrap();
    assert_eq!((claimed.attempts, claimed.crashes), (0, 0));
    assert!(claimed.failed_attempts.is_empty());
    assert!(queue.rows().record(leases[0].id).unwrap().result.is_some(), "cancelled");
    assert!(sure(queue.start(&leases[400..401], None))[0].is_err(), "the fence has moved on");
}

#[test]
fn a_task_that_is_lost_too_often_is_dead_for_the_reason() {
    let bounds = Bounds { crashes: 2, lost_claims: 3 };
    for (start, losses, attempts, reason) in [
        (true, 2, 9, DeadReason::HostCrash),
        (false, 3, 9, DeadReason::HostCrash),
        (true, 1, 1, DeadReason::AttemptsExhausted),
    ] {
        let mut queue = queue();
        submit(&mut queue, 0, [given(1).attempts(attempts)]);
        for loss in 1..=losses {
            let leases = claim(&mut queue, loss, 1);
            if start {
                sure(queue.start(&leases, None));
            }
            let swept = sure(queue.lose_all(at(loss), bounds));
            let ended = if loss == losses { vec![id(1)] } else { Vec::new() };
            assert_eq!((swept.lost, swept.ended), (1, ended), "{reason}: {loss}");
        }
        let record = queue.rows().record(id(1)).unwrap();
        assert_eq!((record.state, record.reason), (TaskState::Dead, Some(reason)));
        let fault = record.result.and_then(|result| result.fault);
        let times = u32::try_from(losses).unwrap();
        assert_eq!(fault, Some(Fault::Host(HostFault::Crashed { times })));
    }
}

#[test]
fn what_cannot_be_read_is_a_dead_letter_whatever_it_was() {
    let mut queue = mixed();
    let mut condemn = |n| sure(queue.condemn(id(n), "damaged", at(9)));
    // Succeeded, running, claimed, waiting, delayed, cancelled; and of all that, once.
    for n in [1, 2, 3, 5, 11, 10] {
        assert!(condemn(n), "{n}");
        assert!(!condemn(n), "{n} again");
    }
    assert!(!condemn(999), "there is none");
    let record = queue.rows().record(id(2)).unwrap();
    assert_eq!((record.state, record.at), (TaskState::Dead, at(9)));
    assert_eq!(record.reason, Some(DeadReason::Unreadable));
    let fault = HostFault::Unreadable { reason: "damaged".into() }.into();
    let attempt = record.failed_attempts.last().unwrap();
    assert_eq!((attempt.number, &attempt.error), (1, &AttemptError::Fault(fault)));
    assert!(queue.rows().record(id(1)).unwrap().result.is_some(), "what is stored stays");
    let late = Settled {
        lease: Lease { id: id(2), fence: 1 },
        settlement: success(id(2), 10),
        genome: None,
    };
    assert!(sure(queue.settle(&[late], at(10)))[0].is_err());
    let counted = stats(&mut queue);
    sure(queue.recount());
    assert_eq!(stats(&mut queue), counted);
}

/// A clock is never exact: half a second is the least that counts as a step.
#[test]
fn a_clock_that_is_set_by_half_a_second_moves_what_is_relative() {
    let since = |queue: &mut Queue| sure(queue.rows().find(id(1))).unwrap().progress.at;
    for (steps, moved) in [
        (&[(0, 499)][..], 0),
        (&[(0, 500)], 500),
        (&[(0, -499)], 0),
        (&[(0, -500)], -500),
        // Two hosts report the same step.
        (&[(0, 700), (0, 700)], 700),
        (&[(0, 700), (700, 1500)], 1500),
        (&[(300, 700)], 0),
        (&[(i64::MIN, i64::MAX)], i64::MAX),
    ] {
        let mut queue = queue();
        submit(&mut queue, 1000, [given(1)]);
        for (was, is) in steps {
            sure(queue.clock_was_set(*was, *is));
        }
        assert_eq!(since(&mut queue), at(1000).set_by(moved), "{steps:?}");
    }
}

#[test]
fn a_retry_waits_as_long_as_it_was_to_though_the_clock_was_set_back_meanwhile() {
    let mut queue = queue();
    submit(&mut queue, 0, [given(1), given(2).not_before(90_000)]);
    let lease = claim(&mut queue, 1, 1)[0];
    // It failed at 50,000 and is due 300 later.
    settle(&mut queue, 50_000, lease, retry(50_300, 1, 50_000));
    let due = |queue: &mut Queue, n| sure(queue.rows().find(id(n))).unwrap().progress.at;

    for (now, due_at) in [(60_000, 50_300), (50_200, 50_300), (50_000, 50_300)] {
        sure(queue.make_up(at(now)));
        assert_eq!(due(&mut queue, 1), at(due_at), "at {now}");
    }
    sure(queue.make_up(at(20_000)));
    assert_eq!(due(&mut queue, 1), at(20_300));
    // The submitter named its time of day.
    assert_eq!(due(&mut queue, 2), at(90_000));
}

#[test]
fn a_sweep_does_each_thing_in_its_time() {
    let mut queue = queue();
    let bounds = Bounds::default();
    submit(&mut queue, 0, [given(1), given(2).not_before(200), given(3).deadline(300)]);
    let leases = claim(&mut queue, 0, 1);
    assert_eq!(leases[0].id, id(1));
    let next = |queue: &mut Queue, ms| {
        let swept = sure(queue.sweep(at(ms), bounds));
        (swept.promoted, swept.lost, swept.ended, swept.next)
    };
    assert_eq!(next(&mut queue, 199), (0, 0, vec![], Some(at(200))));
    assert_eq!(next(&mut queue, 200), (1, 0, vec![], Some(at(300))));
    assert_eq!(next(&mut queue, 300), (0, 0, vec![id(3)], Some(at(1000))));
    assert_eq!(next(&mut queue, 1000), (0, 1, vec![], None));
    let states = [1, 2, 3].map(|n| state(&mut queue, n));
    assert_eq!(states, [TaskState::Waiting, TaskState::Waiting, TaskState::Dead]);
    let expired = queue.rows().record(id(3)).unwrap();
    assert_eq!((expired.reason, expired.attempts), (Some(DeadReason::Expired), 0));
    assert_eq!(expired.failed_attempts[0].error, AttemptError::Expired);
}
