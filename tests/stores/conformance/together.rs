//! Several who ask at once: each has its own answer, as if one came after the
//! other.

use std::cell::RefCell;
use std::collections::HashMap;

use chimera_layer4::TaskId;
use chimera_layer4::queue::TaskState;
use chimera_layer4::queue::store::{Submitted, TaskStore};
use serde_json::json;

use super::on_every_store;
use crate::stores::{
    ROOMY, accept, claim, given, id, record, room, settle, state, submit, submit_on, success, terms,
};

on_every_store! {
    a_task_submitted_by_all_at_once_is_taken_once,
    a_key_named_by_all_at_once_is_taken_once,
    no_more_fit_in_because_they_come_together,
    each_task_is_handed_to_one_of_those_who_ask,
    one_end_of_many_is_accepted,
}

const TASKS: u32 = 40;

async fn a_task_submitted_by_all_at_once_is_taken_once(store: &dyn TaskStore) {
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
    let (a, b, c, d) = tokio::join!(client(1), client(2), client(3), client(4));
    assert_eq!(a + b + c + d, TASKS);
}

async fn a_key_named_by_all_at_once_is_taken_once(store: &dyn TaskStore) {
    let client = async |n: u32| submit(store, 0, [given(n).key("k").payload(json!(1))]).await[0];
    let (a, b, c, d) = tokio::join!(client(1), client(2), client(3), client(4));
    let answers = [a, b, c, d];
    let (first, _) = (1..).zip(answers).find(|(_, a)| *a == Submitted::Accepted).unwrap();
    let others = answers.iter().filter(|answer| **answer == Submitted::Duplicate(id(first)));
    assert_eq!(others.count(), 3, "{answers:?}");
}

async fn no_more_fit_in_because_they_come_together(store: &dyn TaskStore) {
    let few = chimera_layer4::queue::store::SubmitTerms { capacity: 7, ..terms(0) };
    let client = async |n: u32| {
        let batch = (0..5).map(|task| given(n * 10 + task));
        let answers = submit_on(store, few, batch).await;
        answers.iter().filter(|answer| **answer == Submitted::Accepted).count()
    };
    let (a, b, c) = tokio::join!(client(1), client(2), client(3));
    assert_eq!(a + b + c, 7);
}

async fn each_task_is_handed_to_one_of_those_who_ask(store: &dyn TaskStore) {
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
    tokio::join!(worker(1), worker(2), worker(3), worker(4));
    assert_eq!(handed.borrow().len(), TASKS as usize);
}

async fn one_end_of_many_is_accepted(store: &dyn TaskStore) {
    accept(store, 0, [given(1)]).await;
    let lease = claim(store, 1, [room("a", 1)], 1).await.tasks[0].lease;
    let end = async |ms| settle(store, ms, lease, success(id(1), ms)).await.is_ok();
    let cancel = async || store.cancel(id(1), super::super::at(2)).await.unwrap();
    let (a, b, c, _) = tokio::join!(end(3), end(4), end(5), cancel());
    assert_eq!([a, b, c].iter().filter(|accepted| **accepted).count(), 1);
    let result = record(store, 1).await.result.unwrap();
    let expected = [3, 4, 5][[a, b, c].iter().position(|accepted| *accepted).unwrap()];
    assert_eq!(result.completed_at, super::super::at(expected).to_system_time());
    assert_eq!(state(store, 1).await, TaskState::Succeeded);
}
