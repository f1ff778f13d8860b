//! Lists and counts.

use super::{
    CLASSES, LEASE, accept, all_in, at, check_counts, claim, claim_all, claim_one, dead, given, id,
    numbered, retry, room, run_one, settle, success,
};
use crate::scheduler::store::{Filter, Order, TaskStore};
use crate::scheduler::{Bounds, DeadReason, TaskState};
use crate::{Priority, TaskId};

async fn listed(store: &dyn TaskStore, filter: Filter) -> Vec<TaskId> {
    store.list(filter).await.unwrap().iter().map(|row| row.id).collect()
}

pub(super) async fn a_list_shows_each_task_where_it_is(store: &dyn TaskStore) {
    accept(store, 3, [given(1).of("b").class(Priority::High)]).await;
    let claimed = claim(store, 4, [room("b", 1)], 1).await.tasks.remove(0);
    settle(store, 5, claimed.lease, dead(id(1), 1, 5)).await.unwrap();
    let rows = store.list(all_in(TaskState::Dead)).await.unwrap();
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!((row.id, &*row.agent_type, row.priority), (id(1), "b", Priority::High));
    assert_eq!((row.state, row.at, row.submitted_at), (TaskState::Dead, at(5), at(3)));
    assert_eq!((row.attempts, row.reason), (1, Some(DeadReason::Failed)));
}

pub(super) async fn a_list_is_in_the_order_of_its_times(store: &dyn TaskStore) {
    accept(store, 2, [given(5), given(3)]).await;
    accept(store, 3, [given(1)]).await;
    accept(store, 3, [given(9).not_before(50), given(8).not_before(40)]).await;
    let waiting = listed(store, all_in(TaskState::Waiting)).await;
    assert_eq!(waiting, numbered([3, 5, 1]), "of one time in the order of identities");
    assert_eq!(listed(store, all_in(TaskState::Delayed)).await, numbered([8, 9]));
    let leases = claim_all(store, 4).await;
    store.extend(vec![leases[0].lease], at(LEASE * 9)).await.unwrap();
    assert_eq!(listed(store, all_in(TaskState::Claimed)).await, numbered([1, 3, 5]));
}

pub(super) async fn pages_add_up_to_the_whole(store: &dyn TaskStore) {
    for n in 1..=25_u32 {
        // Four of each time, so that pages end in the middle of one.
        accept(store, u64::from(n / 4), [given(100 - n)]).await;
    }
    let whole = store.list(all_in(TaskState::Waiting)).await.unwrap();
    assert_eq!(whole.len(), 25);
    for limit in [1, 3, 24, 25, 26] {
        let mut pages = Vec::new();
        let mut after = None;
        loop {
            let page = Filter { limit, after, ..all_in(TaskState::Waiting) };
            let page = store.list(page).await.unwrap();
            let Some(last) = page.last() else { break };
            assert!(page.len() <= limit);
            after = Some((last.at, last.id));
            pages.extend(page);
            assert!(pages.len() <= whole.len(), "no task is on two pages");
        }
        assert_eq!(pages, whole, "in pages of {limit}");
    }
    let nothing = Filter { limit: 0, ..all_in(TaskState::Waiting) };
    assert_eq!(listed(store, nothing).await, []);
}

pub(super) async fn a_list_of_every_state_is_in_the_order_of_submission(store: &dyn TaskStore) {
    // A clock that is set back changes nothing about the order.
    accept(store, 9, [given(3), given(1).not_before(50)]).await;
    accept(store, 5, [given(2).of("b"), given(4).class(Priority::High)]).await;
    claim_all(store, 1).await;
    let all = Filter::of(None);
    assert_eq!(listed(store, all.clone()).await, numbered([3, 1, 2, 4]));
    let newest = Filter { order: Order::Newest, ..all.clone() };
    assert_eq!(listed(store, newest.clone()).await, numbered([4, 2, 1, 3]));
    let high = Filter { priority: Some(Priority::High), ..all.clone() };
    assert_eq!(listed(store, high).await, numbered([4]));
    let of_type = Filter { agent_type: Some("b".into()), ..newest.clone() };
    assert_eq!(listed(store, of_type).await, numbered([2]));

    // After a task that is gone a page leaves nothing out.
    let gone = Some((at(5), id(77)));
    assert_eq!(listed(store, Filter { after: gone, ..all }).await, numbered([3, 1, 2, 4]));
    assert_eq!(listed(store, Filter { after: gone, ..newest }).await, numbered([4, 2, 1, 3]));
}

pub(super) async fn pages_from_the_newest_are_those_from_the_oldest_reversed(
    store: &dyn TaskStore,
) {
    for n in 1..=25_u32 {
        accept(store, u64::from(n / 4), [given(100 - n)]).await;
    }
    for n in 1..=9_u32 {
        accept(store, 30, [given(200 + n).not_before(u64::from(40 + n / 4))]).await;
    }
    for state in [None, Some(TaskState::Waiting), Some(TaskState::Delayed)] {
        let mut whole = store.list(Filter::of(state)).await.unwrap();
        whole.reverse();
        for limit in [1, 3, 7, 100] {
            let mut page = Filter { order: Order::Newest, limit, ..Filter::of(state) };
            let mut pages = Vec::new();
            loop {
                let found = store.list(page.clone()).await.unwrap();
                let Some(last) = found.last() else { break };
                page.after = Some(page.place(last));
                pages.extend(found);
                assert!(pages.len() <= whole.len(), "no task is on two pages");
            }
            assert_eq!(pages, whole, "{state:?} in pages of {limit}");
        }
    }
}

pub(super) async fn a_list_of_one_reason_has_no_other(store: &dyn TaskStore) {
    accept(store, 0, [given(1), given(2), given(3).deadline(5)]).await;
    let leases = claim(store, 1, [room("a", 2)], 2).await.tasks;
    for (handed, n) in leases.iter().zip(1_u32..) {
        settle(store, 2, handed.lease, dead(id(n), 1, 2)).await.unwrap();
    }
    store.sweep(at(10), Bounds::default()).await.unwrap();
    let of = |reason| Filter { reason: Some(reason), ..all_in(TaskState::Dead) };
    assert_eq!(listed(store, of(DeadReason::Failed)).await, numbered([1, 2]));
    assert_eq!(listed(store, of(DeadReason::Expired)).await, numbered([3]));
    assert_eq!(listed(store, of(DeadReason::HostCrash)).await, []);
}

pub(super) async fn a_list_of_one_type_has_no_other(store: &dyn TaskStore) {
    accept(store, 0, [given(1), given(2).of("b"), given(3), given(4).of("b")]).await;
    let of_type = |agent_type: &str| Filter {
        agent_type: Some(agent_type.into()),
        ..all_in(TaskState::Waiting)
    };
    assert_eq!(listed(store, of_type("b")).await, numbered([2, 4]));
    let after = Some((at(0), id(2)));
    assert_eq!(listed(store, Filter { after, ..of_type("b") }).await, [id(4)]);
    assert_eq!(listed(store, Filter { limit: 1, ..of_type("a") }).await, [id(1)]);
    assert_eq!(listed(store, of_type("unheard of")).await, []);
}

pub(super) async fn a_list_of_nothing_is_empty(store: &dyn TaskStore) {
    accept(store, 0, [given(1)]).await;
    for state in TaskState::ALL.into_iter().filter(|state| *state != TaskState::Waiting) {
        assert_eq!(listed(store, all_in(state)).await, [], "{state}");
    }
}

pub(super) async fn counts_follow_every_change(store: &dyn TaskStore) {
    let of = |n: u32| ["a", "b", "c"][n as usize % 3];
    let class = |n: u32| CLASSES[n as usize % CLASSES.len()];
    accept(store, 0, (1..=30).map(|n| given(n).of(of(n)).class(class(n)))).await;
    accept(store, 1, (31..=36).map(|n| given(n).of(of(n)).not_before(40).deadline(5000))).await;
    check_counts(store).await;
    let claimed = claim(store, 2, ["a", "b", "c"].map(|name| room(name, 6)), 100).await.tasks;
    check_counts(store).await;
    let lease = |n: usize| claimed[n].lease;
    store.start((0..12).map(lease).collect(), None).await.unwrap();
    settle(store, 3, lease(0), success(lease(0).id, 3)).await.unwrap();
    settle(store, 3, lease(1), dead(lease(1).id, 1, 3)).await.unwrap();
    settle(store, 3, lease(2), retry(30, 1, 3)).await.unwrap();
    check_counts(store).await;
    for n in 3..6 {
        store.cancel(lease(n).id, at(4)).await.unwrap();
    }
    store.cancel(id(33), at(4)).await.unwrap();
    check_counts(store).await;
    store.requeue(vec![lease(1).id], at(5)).await.unwrap();
    store.sweep(at(45), Bounds::default()).await.unwrap();
    check_counts(store).await;
    store.sweep(at(2 + LEASE), Bounds::default()).await.unwrap();
    check_counts(store).await;
    store.sweep(at(6000), Bounds::default()).await.unwrap();
    store.purge(vec![lease(0).id, lease(3).id]).await.unwrap();
    check_counts(store).await;
}

pub(super) async fn the_oldest_who_waits_is_named_for_each_class(store: &dyn TaskStore) {
    let oldest = async || store.stats().await.unwrap().oldest_waiting;
    accept(store, 1, [given(1)]).await;
    accept(store, 3, [given(4).not_before(99)]).await;
    accept(store, 5, [given(2), given(3).of("b").class(Priority::Low)]).await;
    let expected = [(Priority::Normal, at(1)), (Priority::Low, at(5))];
    assert_eq!(oldest().await, expected);
    assert_eq!(claim(store, 6, [room("a", 1)], 1).await.tasks[0].lease.id, id(1));
    assert_eq!(oldest().await, [(Priority::Normal, at(5)), (Priority::Low, at(5))]);
    run_one(store, 7).await;
    assert_eq!(oldest().await, [(Priority::Low, at(5))]);
    store.sweep(at(99), Bounds::default()).await.unwrap();
    assert_eq!(oldest().await[0], (Priority::Normal, at(99)), "since it may run");
    assert_eq!(claim_one(store, 100).await.lease.id, id(4));
}
