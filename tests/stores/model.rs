//! Whatever is asked of them in whatever order, the stores answer alike.
//!
//! The memory store is the model: what is on disk must give the same answers,
//! operation by operation, and show the same tasks at the end. The universe is
//! small, so that identities, keys and times meet often.

use std::collections::{HashMap, HashSet};

use chimera_layer4::fabric::queue::record::TaskSummary;
use chimera_layer4::fabric::queue::settle::Counts;
use chimera_layer4::fabric::queue::store::{
    CancelAnswer, ClaimRequest, Claimed, Durability, Extension, Filter, Keep, Lease, MemoryStore,
    Order, Retention, Settled, StoreStats, SubmitTerms, Submitted, Swept, TaskStore, TypeSlots,
    Verdict,
};
use chimera_layer4::fabric::queue::{
    Bounds, DeadReason, Settlement, TaskRecord, TaskState, Timestamp, TransitionError,
};
use chimera_layer4::fabric::stores::sqlite::Recovered;
use chimera_layer4::fabric::{Digest, TaskId};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::json;

use super::{
    CLASSES, Given, ROOMY, at, check_counts, dead, disk, failed, given, id, ms, owner, result,
    room, run,
};

const IDS: u32 = 16;
const TYPES: [&str; 3] = ["a", "b", "c"];
const KEYS: [&str; 3] = ["k", "l", "m"];
/// Reached within a case.
const BOUNDS: Bounds = Bounds { crashes: 2, lost_claims: 3 };
/// A few steps of [`any_step`] long.
const LEASE: u64 = 100;

#[derive(Clone, Debug)]
enum Op {
    Submit { batch: Vec<Wish>, capacity: usize, promise: Durability },
    Claim { rooms: Vec<Slots>, most: usize },
    Start { leases: Vec<Pick>, genome: bool },
    Extend { leases: Vec<Pick> },
    Settle { ends: Vec<(Pick, End)> },
    Cancel(u32),
    Requeue(Vec<u32>),
    Purge(Vec<u32>),
    Sweep,
    Retain { count: u64, age: u64 },
    Get(u32),
    List { filter: Filter, after: Option<u32> },
    Stats,
}

/// A task to be submitted. What it waits for, it waits for so many milliseconds.
#[derive(Clone, Debug)]
struct Wish {
    n: u32,
    agent_type: &'static str,
    class: usize,
    key: Option<&'static str>,
    payload: u8,
    delay: Option<u64>,
    deadline: Option<u64>,
    attempts: u32,
}

#[derive(Clone, Debug)]
struct Slots {
    agent_type: &'static str,
    free: usize,
    reserved: usize,
    starts: bool,
}

/// A lease that was handed out once, or one that never was.
#[derive(Clone, Debug)]
struct Pick {
    which: Index,
    /// Prefers those handed out last, which more often still hold.
    recent: bool,
    forged: bool,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Success,
    Retry,
    RetryHost,
    GiveBack,
    Dead,
    Cancelled,
}

/// What a store answers to any operation.
#[derive(Debug, PartialEq)]
enum Answer {
    Submit(Vec<Submitted>),
    Claim(Vec<Claimed>, Vec<TaskId>),
    Start(Vec<Result<(), TransitionError>>),
    Extend(Extension),
    Settle(Vec<Verdict>),
    Cancel(CancelAnswer),
    Ids(Vec<TaskId>),
    Sweep(Swept),
    Retain(u64),
    Get(Option<Box<TaskRecord>>),
    List(Vec<TaskSummary>),
    Stats(StoreStats),
}

// === What is asked

fn any_step() -> impl Strategy<Value = (u64, Op)> {
    (0_u64..20, any_op())
}

fn any_op() -> impl Strategy<Value = Op> {
    let numbers = || vec(0..IDS, 0..6);
    let promise = select(vec![Durability::Durable, Durability::WithResult]);
    let submit = (vec(any_wish(), 0..5), 0_usize..8, promise)
        .prop_map(|(batch, capacity, promise)| Op::Submit { batch, capacity, promise });
    let claim =
        (vec(any_room(), 0..5), 0_usize..10).prop_map(|(rooms, most)| Op::Claim { rooms, most });
    let start = (vec(any_pick(), 0..3), any::<bool>())
        .prop_map(|(leases, genome)| Op::Start { leases, genome });
    let end = select(vec![
        End::Success,
        End::Retry,
        End::RetryHost,
        End::GiveBack,
        End::Dead,
        End::Cancelled,
    ]);
    let settle = vec((any_pick(), end), 0..4).prop_map(|ends| Op::Settle { ends });
    let types = proptest::option::of(select(TYPES.to_vec()));
    let state = proptest::option::of(select(TaskState::ALL.to_vec()));
    let reason = proptest::option::weighted(0.2, select(DeadReason::ALL.to_vec()));
    let order = select(vec![Order::Oldest, Order::Newest]);
    let list = (state, types, reason, order, 0_usize..8, proptest::option::of(0..IDS)).prop_map(
        |(state, agent_type, reason, order, limit, after)| {
            let agent_type = agent_type.map(str::to_owned);
            let any = Filter::of(state);
            Op::List { filter: Filter { agent_type, reason, order, limit, ..any }, after }
        },
    );
    prop_oneof![
        8 => submit,
        8 => claim,
        6 => start,
        3 => vec(any_pick(), 0..4).prop_map(|leases| Op::Extend { leases }),
        10 => settle,
        3 => (0..IDS).prop_map(Op::Cancel),
        3 => numbers().prop_map(Op::Requeue),
        3 => numbers().prop_map(Op::Purge),
        4 => Just(Op::Sweep),
        1 => (0_u64..4, 0_u64..400).prop_map(|(count, age)| Op::Retain { count, age }),
        2 => (0..IDS).prop_map(Op::Get),
        2 => list,
        1 => Just(Op::Stats),
    ]
}

fn any_wish() -> impl Strategy<Value = Wish> {
    let rarely = |range: std::ops::Range<u64>| proptest::option::weighted(0.25, range);
    let key = proptest::option::weighted(0.3, select(KEYS.to_vec()));
    let what = (0..IDS, select(TYPES.to_vec()), 0..CLASSES.len(), key, 0_u8..2);
    (what, rarely(0..80), rarely(1..300), 1_u32..4).prop_map(|(what, delay, deadline, attempts)| {
        let (n, agent_type, class, key, payload) = what;
        Wish { n, agent_type, class, key, payload, delay, deadline, attempts }
    })
}

fn any_room() -> impl Strategy<Value = Slots> {
    (select(TYPES.to_vec()), 0_usize..6, 0_usize..2, any::<bool>()).prop_map(
        |(agent_type, free, reserved, starts)| Slots { agent_type, free, reserved, starts },
    )
}

fn any_pick() -> impl Strategy<Value = Pick> {
    let forged = proptest::bool::weighted(0.05);
    let recent = proptest::bool::weighted(0.9);
    (any::<Index>(), recent, forged).prop_map(|(which, recent, forged)| Pick {
        which,
        recent,
        forged,
    })
}

// === What is known of a case

/// The leases that were handed out, and what follows from the answers so far.
#[derive(Default)]
struct Case {
    now: u64,
    handed: Vec<(Lease, Counts)>,
    finishes: HashMap<TaskId, usize>,
    accepted: u64,
    forgotten: u64,
}

impl Case {
    fn time(&self) -> Timestamp {
        at(self.now)
    }

    fn lease(&self, pick: &Pick) -> (Lease, Counts) {
        let recent = self.handed.len().saturating_sub(3);
        let from = if pick.recent { &self.handed[recent..] } else { &self.handed[..] };
        if pick.forged || from.is_empty() {
            let n = pick.which.index(IDS as usize) as u32;
            let counts = Counts { attempt: 1, max_attempts: 1, host_faults: 0 };
            return (Lease { id: id(n), fence: 1000 }, counts);
        }
        *pick.which.get(from)
    }

    fn leases(&self, picks: &[Pick]) -> Vec<Lease> {
        picks.iter().map(|pick| self.lease(pick).0).collect()
    }

    fn given(&self, wish: &Wish) -> Given {
        let Wish { n, agent_type, class, key, payload, delay, deadline, attempts } = wish;
        let mut given = given(*n).of(agent_type).class(CLASSES[*class]).attempts(*attempts);
        given = given.payload(json!({ "text": payload }));
        if let Some(key) = key {
            given = given.key(key);
        }
        if let Some(delay) = delay {
            given = given.not_before(self.now + delay);
        }
        if let Some(deadline) = deadline {
            given = given.deadline(self.now + deadline);
        }
        given
    }

    fn request(&self, rooms: &[Slots], most: usize) -> ClaimRequest {
        let rooms = rooms.iter().map(|given| TypeSlots {
            reserved: given.reserved,
            starts: given.starts.then(|| Digest::of(given.agent_type.as_bytes())),
            ..room(given.agent_type, given.free)
        });
        let until = at(self.now + LEASE);
        ClaimRequest { owner: owner(), now: self.time(), until, rooms: rooms.collect(), most }
    }

    fn settled(&self, pick: &Pick, end: End) -> Settled {
        let (lease, counts) = self.lease(pick);
        let (now, of, number) = (self.now, lease.id, counts.attempt);
        let (due, failed) = (at(now + 25), failed(number, now));
        let settlement = match end {
            End::Success => {
                Settlement::Succeeded(result(of, now, Some(json!({ "at": now, "float": 0.1 }))))
            }
            // As `settle` decides: no retry follows the last attempt.
            End::Retry if counts.attempt < counts.max_attempts => {
                Settlement::Retry { at: due, failed, host: false }
            }
            End::RetryHost => Settlement::Retry { at: due, failed, host: true },
            End::GiveBack => Settlement::GiveBack,
            End::Retry | End::Dead => dead(of, number, now),
            End::Cancelled => Settlement::Cancelled(result(of, now, None)),
        };
        Settled { lease, settlement, genome: None }
    }

    async fn ask(&self, store: &dyn TaskStore, op: &Op) -> Answer {
        let now = self.time();
        let ids = |numbers: &[u32]| numbers.iter().copied().map(id).collect();
        match op {
            Op::Submit { batch, capacity, promise } => {
                let batch = batch.iter().map(|wish| self.given(wish).0).collect();
                let terms = SubmitTerms { now, capacity: *capacity, promise: *promise };
                Answer::Submit(store.submit(batch, terms).await.unwrap())
            }
            Op::Claim { rooms, most } => {
                let claim = store.claim(self.request(rooms, *most)).await.unwrap();
                Answer::Claim(claim.tasks, claim.ended)
            }
            Op::Start { leases, genome } => {
                let genome = genome.then(|| Digest::of(b"started"));
                Answer::Start(store.start(self.leases(leases), genome).await.unwrap())
            }
            Op::Extend { leases } => {
                let until = at(self.now + LEASE);
                Answer::Extend(store.extend(self.leases(leases), until).await.unwrap())
            }
            Op::Settle { ends } => {
                let settled = ends.iter().map(|(pick, end)| self.settled(pick, *end)).collect();
                Answer::Settle(store.settle(settled, now).await.unwrap())
            }
            Op::Cancel(n) => Answer::Cancel(store.cancel(id(*n), now).await.unwrap()),
            Op::Requeue(ns) => Answer::Ids(store.requeue(ids(ns), now).await.unwrap()),
            Op::Purge(ns) => Answer::Ids(store.purge(ids(ns)).await.unwrap()),
            Op::Sweep => Answer::Sweep(store.sweep(now, BOUNDS).await.unwrap()),
            Op::Retain { count, age } => {
                let ended = Keep { count: *count, age: ms(*age) };
                let dead = Keep { count: count + 2, age: ms(age * 2) };
                let retention = Retention { ended, dead };
                Answer::Retain(store.retain(now, retention).await.unwrap())
            }
            Op::Get(n) => Answer::Get(store.get(id(*n)).await.unwrap().map(Box::new)),
            Op::List { filter, after } => {
                let after = match after {
                    Some(n) => {
                        let last = store.get(id(*n)).await.unwrap();
                        let time = |last: TaskRecord| match filter.state {
                            Some(_) => last.at,
                            None => last.submitted_at,
                        };
                        // Also of a task that is gone.
                        Some((last.map_or(at(u64::from(*n)), time), id(*n)))
                    }
                    None => None,
                };
                let filter = Filter { after, ..filter.clone() };
                Answer::List(store.list(filter).await.unwrap())
            }
            Op::Stats => Answer::Stats(store.stats().await.unwrap()),
        }
    }

    /// Takes note of an answer, and of what must hold with all before it.
    fn learn(&mut self, op: &Op, answer: &Answer, claimable: &HashSet<TaskId>) {
        match (op, answer) {
            (Op::Submit { batch, .. }, Answer::Submit(answers)) => {
                for (wish, answer) in batch.iter().zip(answers) {
                    if *answer == Submitted::Accepted {
                        self.accepted += 1;
                        self.finishes.remove(&id(wish.n));
                    }
                }
            }
            (_, Answer::Claim(tasks, ended)) => {
                for task in tasks {
                    assert!(claimable.contains(&task.lease.id), "{} did not wait", task.lease.id);
                    self.handed.push((task.lease, task.counts));
                }
                assert!(ended.iter().all(|id| claimable.contains(id)), "{ended:?} did not wait");
            }
            (Op::Settle { ends }, Answer::Settle(verdicts)) => {
                for ((pick, _), verdict) in ends.iter().zip(verdicts) {
                    if *verdict == Ok(TaskState::Succeeded) {
                        let id = self.lease(pick).0.id;
                        let finishes = self.finishes.entry(id).or_default();
                        *finishes += 1;
                        assert_eq!(*finishes, 1, "{id} was finished twice");
                    }
                }
            }
            (Op::Purge(_), Answer::Ids(purged)) => self.forgotten += purged.len() as u64,
            (_, Answer::Retain(forgotten)) => self.forgotten += forgotten,
            _ => {}
        }
    }
}

async fn waiting(store: &dyn TaskStore) -> HashSet<TaskId> {
    let rows = store.list(super::all_in(TaskState::Waiting)).await.unwrap();
    rows.iter().map(|row| row.id).collect()
}

/// What must be true of any store at any time.
async fn check_invariants(store: &dyn TaskStore, case: &Case) {
    check_counts(store).await;
    let stats = store.stats().await.unwrap();
    let kept: u64 = stats.by_state.iter().map(|(_, count)| count).sum();
    assert_eq!(kept, case.accepted - case.forgotten, "each accepted task is kept once");
    for n in 0..IDS {
        let Some(record) = store.get(id(n)).await.unwrap() else { continue };
        assert!(record.attempts <= record.max_attempts, "{record:?}");
        assert_eq!(record.result.is_some(), record.state.has_ended(), "{record:?}");
        assert_eq!(record.reason.is_some(), record.state == TaskState::Dead, "{record:?}");
        assert!(record.crashes <= BOUNDS.crashes, "{record:?}");
        if record.state == TaskState::Succeeded {
            assert_eq!(case.finishes.get(&id(n)), Some(&1), "{record:?}");
        }
    }
}

async fn assert_same(model: &dyn TaskStore, store: &dyn TaskStore) {
    for n in 0..IDS {
        assert_eq!(store.get(id(n)).await.unwrap(), model.get(id(n)).await.unwrap());
    }
    assert_eq!(store.stats().await.unwrap(), model.stats().await.unwrap());
}

/// Everything that waits is handed out, and nothing else.
async fn check_the_rest_is_claimable(model: &dyn TaskStore, store: &dyn TaskStore, case: &Case) {
    let claimable = waiting(model).await;
    let rooms: Vec<_> = TYPES.iter().map(|name| room(name, ROOMY)).collect();
    let request = ClaimRequest { rooms, ..case.request(&[], ROOMY) };
    let mut handed = Vec::new();
    for store in [model, store] {
        let claim = store.claim(request.clone()).await.unwrap();
        let ids = claim.tasks.iter().map(|task| task.lease.id).chain(claim.ended);
        assert_eq!(ids.collect::<HashSet<_>>(), claimable);
        handed.push(claim.tasks);
    }
    assert_eq!(handed[0], handed[1]);
}

async fn play(store: &dyn TaskStore, steps: &[(u64, Op)]) -> (MemoryStore, Case) {
    let (model, mut case) = (MemoryStore::default(), Case::default());
    for (step, (passes, op)) in steps.iter().enumerate() {
        case.now += passes;
        let claimable = waiting(&model).await;
        let expected = case.ask(&model, op).await;
        let answer = case.ask(store, op).await;
        assert_eq!(answer, expected, "step {step} at {} ms: {op:?}", case.now);
        case.learn(op, &answer, &claimable);
    }
    assert_same(&model, store).await;
    check_invariants(&model, &case).await;
    check_invariants(store, &case).await;
    (model, case)
}

#[test]
fn memory_keeps_what_must_always_hold() {
    super::check(64, vec(any_step(), 100), |steps| {
        run(async {
            let store = MemoryStore::default();
            let (model, case) = play(&store, &steps).await;
            check_the_rest_is_claimable(&model, &store, &case).await;
        });
    });
}

#[test]
fn sqlite_answers_as_memory_does_and_after_a_restart_too() {
    super::check(64, vec(any_step(), 100), |steps| {
        let folder = disk::folder();
        run(async {
            let (store, _) = disk::open(folder.path()).await.unwrap();
            let (model, mut case) = play(&store, &steps).await;
            check_the_rest_is_claimable(&model, &store, &case).await;

            // Opening loses all leases, so they are lost in both before.
            case.now += LEASE;
            let expected = case.ask(&model, &Op::Sweep).await;
            assert_eq!(case.ask(&store, &Op::Sweep).await, expected);
            store.close().await;
            let (store, recovered) = disk::open(folder.path()).await.unwrap();
            assert_eq!(recovered, Recovered::default());
            assert_same(&model, &store).await;
            check_invariants(&store, &case).await;
        });
    });
}
