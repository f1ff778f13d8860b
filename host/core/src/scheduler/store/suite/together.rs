//! Several callers at once: each has its own answer, as if one came after the
//! other.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::task::Poll;

use serde_json::json;

use super::{
    ROOMY, accept, at, claim, given, id, record, room, settle, state, submit, submit_on, success,
    terms,
};
use crate::TaskId;
use crate::scheduler::TaskState;
use crate::scheduler::store::{SubmitTerms, Submitted, TaskStore};

const TASKS: u32 = 40;

pub(super) async fn a_task_submitted_by_all_at_once_is_taken_once(store: &dyn TaskStore) {
    let client = async |n: u32| {
        let mut accepted = 0;
        for task in 1..=TASKS {
            let task = given(task).payload(json!({ "from": n }));
            match submit(store, 0, [task]).await[..] {
                [Submitted::Accepted] => accepted += 1,
                [Submitted::IdTaken] => {}
                ref other => panic!("{other:?}"),
            }
        }
        accepted
    };
    let accepted = all_of([1, 2, 3, 4].map(client)).await;
    assert_eq!(accepted.iter().sum::<u32>(), TASKS);
}

pub(super) async fn a_key_named_by_all_at_once_is_taken_once(store: &dyn TaskStore) {
    let client = async |n: u32| submit(store, 0, [given(n).key("k").payload(json!(1))]).await[0];
    let answers = all_of([1, 2, 3, 4].map(client)).await;
    let (first, _) = (1..).zip(answers).find(|(_, a)| *a == Submitted::Accepted).unwrap();
    let others = answers.iter().filter(|answer| **answer == Submitted::Duplicate(id(first)));
    assert_eq!(others.count(), 3, "{answers:?}");
}

pub(super) async fn no_more_fit_in_because_they_come_together(store: &dyn TaskStore) {
    let few = SubmitTerms { capacity: 7, ..terms(0) };
    let client = async |n: u32| {
        let batch = (0..5).map(|task| given(n * 10 + task));
        let answers = submit_on(store, few, batch).await;
        answers.iter().filter(|answer| **answer == Submitted::Accepted).count()
    };
    let accepted = all_of([1, 2, 3].map(client)).await;
    assert_eq!(accepted.iter().sum::<usize>(), 7);
}

pub(super) async fn each_task_is_handed_to_one_of_those_who_ask(store: &dyn TaskStore) {
    accept(store, 0, (1..=TASKS).map(given)).await;
    let handed: RefCell<HashMap<TaskId, u32>> = RefCell::default();
    let worker = async |n: u32| {
        loop {
            let tasks = claim(store, 1, [room("a", ROOMY)], 3).await.tasks;
            if tasks.is_empty() {
                break;
            }
            for task in tasks {
                let before = handed.borrow_mut().insert(task.lease.id, n);
                assert_eq!(before, None, "{} was handed out before", task.lease.id);
                let verdict = settle(store, 2, task.lease, success(task.lease.id, 2)).await;
                assert_eq!(verdict, Ok(TaskState::Succeeded));
            }
        }
    };
    all_of([1, 2, 3, 4].map(worker)).await;
    assert_eq!(handed.borrow().len(), TASKS as usize);
}

pub(super) async fn one_end_of_many_is_accepted(store: &dyn TaskStore) {
    accept(store, 0, [given(1)]).await;
    let lease = claim(store, 1, [room("a", 1)], 1).await.tasks[0].lease;
    let end = async |ms: u64| match ms {
        2 => store.cancel(id(1), at(2)).await.map(|_| false).unwrap(),
        ms => settle(store, ms, lease, success(id(1), ms)).await.is_ok(),
    };
    let accepted = all_of([3, 4, 5, 2].map(end)).await;
    assert_eq!(accepted.iter().filter(|accepted| **accepted).count(), 1);
    let result = record(store, 1).await.result.unwrap();
    let expected = [3, 4, 5][accepted.iter().position(|accepted| *accepted).unwrap()];
    assert_eq!(result.completed_at, at(expected).to_system_time());
    assert_eq!(state(store, 1).await, TaskState::Succeeded);
}

/// Polls each of these until all have ended: while one waits for the store, the others ask it.
async fn all_of<T, const N: usize>(asking: [impl Future<Output = T>; N]) -> [T; N] {
    let mut asking = asking.map(|future| (Box::pin(future), None));
    poll_fn(|context| {
        for (future, answer) in asking.iter_mut().filter(|(_, answer)| answer.is_none()) {
            if let Poll::Ready(its) = future.as_mut().poll(context) {
                *answer = Some(its);
            }
        }
        match asking.iter().all(|(_, answer)| answer.is_some()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
    asking.map(|(_, answer)| answer.unwrap())
}
