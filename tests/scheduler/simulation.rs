//! Whole lives of hosts, drawn from a seed: tasks of every kind, agents that
//! fail, stores that are slow or away, clocks that are set, hosts that go down
//! with tasks in flight. When all works again, each task that was accepted must
//! have ended once, with the result that its waiters got.

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use chimera_layer4::fabric::queue::store::{Filter, TaskStore};
use chimera_layer4::fabric::queue::{
    BreakerPolicy, RetryPolicy, Submission, SubmitOptions, TaskRecord, TaskState,
};
use chimera_layer4::fabric::{Priority, ResourceQuota, Task, TaskId};
use fastrand::Rng;
use parking_lot::Mutex;
use tokio::runtime::Builder;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::runner::{End, Run, Step, genome, payload, trap};
use super::store::{Op, WRITES};
use super::submitters::{
    Ledger, any_step, execute, gone, last_step, no_room, open, submit_and_wait, track,
};
use super::{Host, World, ms, pass, secs};

/// Enough to find most of what was ever wrong, in seconds.
const SEEDS: u64 = 200;
const MANY_SEEDS: u64 = 20_000;
/// Virtual time within which everything ends once all is mended.
const PATIENCE: Duration = Duration::from_secs(3600);

const TYPES: [&str; 4] = ["echo", "a", "b", "c"];

#[test]
fn whatever_happens_each_task_that_was_taken_ends_once() {
    simulate_all(0..SEEDS);
}

#[test]
#[ignore = "takes minutes"]
fn long_whatever_happens_each_task_that_was_taken_ends_once() {
    simulate_all(0..MANY_SEEDS);
}

#[test]
fn a_seed_says_all_that_happens() {
    for seed in [3, 14, 15] {
        let (first, again) = (simulate(seed), simulate(seed));
        assert_eq!(first, again, "seed {seed}");
    }
}

fn simulate_all(seeds: Range<u64>) {
    let mut totals = Totals::default();
    let mut failed = Vec::new();
    for seed in seeds {
        let life = panic::catch_unwind(AssertUnwindSafe(|| simulate(seed)));
        let Ok(life) = life else { panic!("seed {seed} panicked") };
        totals.add(&life.totals);
        if !life.complaints.is_empty() {
            println!("seed {seed}:\n  {}", life.complaints.join("\n  "));
            failed.push(seed);
        }
    }
    println!("{totals:?}");
    assert!(failed.is_empty(), "seeds {failed:?}");
}

/// What happened, summed over lives.
#[derive(Clone, Debug, Default, PartialEq)]
struct Totals {
    tasks: u64,
    taken: u64,
    refused: u64,
    runs: u64,
    crashes: u64,
    shutdowns: u64,
    outages: u64,
    clocks_set: u64,
    requeued: u64,
    succeeded: u64,
    dead: u64,
    cancelled: u64,
    lost: u64,
    doubled: u64,
}

impl Totals {
    fn add(&mut self, other: &Totals) {
        self.tasks += other.tasks;
        self.taken += other.taken;
        self.refused += other.refused;
        self.runs += other.runs;
        self.crashes += other.crashes;
        self.shutdowns += other.shutdowns;
        self.outages += other.outages;
        self.clocks_set += other.clocks_set;
        self.requeued += other.requeued;
        self.succeeded += other.succeeded;
        self.dead += other.dead;
        self.cancelled += other.cancelled;
        self.lost += other.lost;
        self.doubled += other.doubled;
    }
}

/// One life, as far as two of the same seed must agree.
#[derive(Debug, PartialEq)]
struct Life {
    totals: Totals,
    complaints: Vec<String>,
    /// Each run, with the times of its beginning and end.
    runs: Vec<String>,
}

fn simulate(seed: u64) -> Life {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut simulation = Simulation::new(seed);
        simulation.live().await;
        simulation.mend().await;
        simulation.judge().await
    })
}

struct Simulation {
    chance: Rng,
    world: World,
    hosts: Vec<Up>,
    begun: Instant,
    ledger: Arc<Mutex<Ledger>>,
    /// Every submission so far, taken or not.
    submitted: Vec<Submission>,
    slots: BTreeMap<&'static str, usize>,
    /// How far the clock was set ahead at the most.
    furthest_ms: i64,
    set_by_ms: i64,
    /// Nothing is away nor slow, and no slot was taken away.
    orderly: bool,
    totals: Totals,
}

/// A host that is up, and those who talk to it.
struct Up {
    host: Host,
    clients: Vec<JoinHandle<()>>,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let mut chance = Rng::with_seed(seed);
        let slots: BTreeMap<_, _> = TYPES.iter().map(|name| (*name, chance.usize(1..=6))).collect();
        let mut world = World::new(0);
        world.options.seed = seed;
        world.options.lease = secs(chance.u64(1..=12));
        world.options.capacity = if chance.bool() { 1000 } else { chance.usize(5..60) };
        world.options.in_hand = if chance.bool() { 4096 } else { chance.usize(1..=10) };
        let base = ms(chance.u64(1..500));
        world.options.retry = RetryPolicy::new(base, secs(5), chance.u32(0..6)).unwrap();
        let open_cap = secs(5);
        world.options.breaker = BreakerPolicy { open_cap, ..BreakerPolicy::default() };
        world.options.bounds.crashes = chance.u32(1..=4);
        let orderly = chance.u8(0..4) == 0;
        if !orderly && chance.bool() {
            world.disk.set_latency(seed, ms(chance.u64(1..40)));
        }
        for (name, slots) in &slots {
            world.runner.set_slots(name, *slots);
            if chance.bool() {
                world.runner.set_genome(name, genome());
            }
        }
        let mut simulation = Self {
            chance,
            world,
            hosts: Vec::new(),
            begun: Instant::now(),
            ledger: Arc::default(),
            submitted: Vec::new(),
            slots,
            furthest_ms: 0,
            set_by_ms: 0,
            orderly,
            totals: Totals::default(),
        };
        let two = !orderly && simulation.chance.u8(0..5) == 0;
        (0..1 + usize::from(two)).for_each(|_| simulation.start());
        simulation
    }

    fn start(&mut self) {
        self.hosts.push(Up { host: self.world.start(), clients: Vec::new() });
    }

    // === What happens

    async fn live(&mut self) {
        let tasks = self.chance.usize(100..=300);
        let haste = self.chance.u64(1..400);
        let mut mended = Instant::now();
        while self.submitted.len() < tasks {
            pass(ms(self.chance.u64(0..=haste))).await;
            if Instant::now() >= mended {
                self.world.disk.fail(&[]);
            }
            match self.chance.u32(0..1000) {
                0..800 => self.submit(),
                800..870 => self.cancel().await,
                870..890 => self.requeue().await,
                890..910 => self.break_or_heal(),
                910..930 => self.fail_to_prepare(),
                _ if self.orderly => {}
                930..950 => self.crash().await,
                950..960 => self.shut_down().await,
                960..965 => self.drop_host().await,
                965..985 => mended = Instant::now() + self.outage(),
                985..993 => self.set_clock(),
                _ => self.change_slots(),
            }
        }
    }

    fn task(&mut self) -> Task {
        let chance = &mut self.chance;
        let mut steps: Vec<Step> = (0..chance.usize(0..4)).map(|_| any_step(chance)).collect();
        steps.push(last_step(chance));
        let later = self.world.clock.now() + ms(chance.u64(1..20_000));
        Task {
            id: Uuid::from_u128(chance.u128(..)).into(),
            priority: [
                Priority::Critical,
                Priority::High,
                Priority::Normal,
                Priority::Low,
                Priority::Background,
            ][chance.usize(0..5)],
            payload: payload(&steps).into(),
            created_at: self.world.clock.now(),
            deadline: (chance.u8(0..5) == 0).then_some(later),
            resource_quota: ResourceQuota::default(),
            source_layer: String::new(),
            target_agent_type: TYPES[chance.usize(0..TYPES.len())].to_owned(),
            metadata: BTreeMap::new(),
        }
    }

    fn submission(&mut self) -> Submission {
        if self.chance.u8(0..30) == 0 && !self.submitted.is_empty() {
            return self.submitted[self.chance.usize(0..self.submitted.len())].clone();
        }
        let mut task = self.task();
        let now = self.world.clock.now();
        let chance = &mut self.chance;
        let key = (chance.u8(0..8) == 0).then(|| format!("key {}", chance.u8(0..8)));
        if key.is_some() && chance.bool() {
            // The same work as some others under that key.
            task.payload = payload(&[Step::Succeed(50)]).into();
            task.target_agent_type = TYPES[0].to_owned();
        }
        let options = SubmitOptions {
            idempotency_key: key,
            not_before: (chance.u8(0..6) == 0).then(|| now + ms(chance.u64(0..10_000))),
            max_attempts: chance.bool().then(|| chance.u32(1..6)),
        };
        Submission { task, options }
    }

    fn submit(&mut self) {
        let count = if self.chance.u8(0..20) == 0 { self.chance.usize(2..10) } else { 1 };
        let batch: Vec<Submission> = (0..count).map(|_| self.submission()).collect();
        self.submitted.extend(batch.iter().cloned());
        let gives_up = (self.chance.u8(0..6) == 0).then(|| ms(self.chance.u64(0..4000)));
        let how = if count == 1 { self.chance.u8(0..8) } else { self.chance.u8(3..8) };
        let index = self.chance.usize(0..self.hosts.len());
        let Up { host, clients } = &mut self.hosts[index];
        let scheduler = Arc::clone(&host.scheduler);
        let ledger = Arc::clone(&self.ledger);
        clients.push(tokio::spawn(async move {
            let client = async {
                match how {
                    0..3 => execute(&scheduler, batch, &ledger).await,
                    3..5 => track(&scheduler, batch, &ledger).await,
                    _ => submit_and_wait(&scheduler, batch, how < 7, &ledger).await,
                }
            };
            let _ = timeout(gives_up.unwrap_or(PATIENCE * 10), client).await;
        }));
    }

    fn any_submitted(&mut self) -> Option<TaskId> {
        let index = self.chance.usize(0..self.submitted.len().max(1));
        self.submitted.get(index).map(|submission| submission.task.id)
    }

    async fn cancel(&mut self) {
        let Some(id) = self.any_submitted() else { return };
        let host = self.any_host();
        let _ = self.hosts[host].host.cancel(id).await;
    }

    async fn requeue(&mut self) {
        let ids = (0..5).filter_map(|_| self.any_submitted()).collect();
        let host = self.any_host();
        let _ = self.hosts[host].host.requeue(ids).await;
    }

    fn any_host(&mut self) -> usize {
        self.chance.usize(0..self.hosts.len())
    }

    fn any_type(&mut self) -> &'static str {
        TYPES[self.chance.usize(0..TYPES.len())]
    }

    fn break_or_heal(&mut self) {
        let agent_type = self.any_type();
        let broken = self.chance.bool().then(trap);
        self.world.runner.set_broken(agent_type, broken);
    }

    fn fail_to_prepare(&mut self) {
        let agent_type = self.any_type();
        let fault = if self.chance.bool() { trap() } else { no_room() };
        let faults = vec![fault; self.chance.usize(0..5)];
        self.world.runner.fail_to_prepare(agent_type, faults);
    }

    fn change_slots(&mut self) {
        let agent_type = self.any_type();
        self.world.runner.set_slots(agent_type, self.chance.usize(0..6));
        self.hosts.iter().for_each(|up| up.host.capacity_changed());
    }

    fn set_clock(&mut self) {
        let by_ms = self.chance.i64(-3_600_000..3_600_000);
        self.world.clock.set_by(by_ms);
        self.set_by_ms += by_ms;
        self.furthest_ms = self.furthest_ms.max(self.set_by_ms);
        self.totals.clocks_set += 1;
    }

    fn outage(&mut self) -> Duration {
        let some = |chance: &mut Rng| WRITES.into_iter().filter(|_| chance.bool()).collect();
        let mut ops: Vec<Op> =
            if self.chance.bool() { WRITES.into() } else { some(&mut self.chance) };
        if self.chance.bool() {
            ops.push(Op::Read);
        }
        self.world.disk.fail(&ops);
        self.totals.outages += 1;
        ms(self.chance.u64(0..20_000))
    }

    async fn crash(&mut self) {
        let host = self.any_host();
        let Up { host, clients } = self.hosts.swap_remove(host);
        host.handle.kill();
        gone(clients).await;
        host.kill();
        self.totals.crashes += 1;
        pass(ms(self.chance.u64(0..3000))).await;
        self.start();
    }

    async fn shut_down(&mut self) {
        let index = self.any_host();
        let Up { host, clients } = self.hosts.swap_remove(index);
        let limit = ms(self.chance.u64(0..3000));
        let asked = Instant::now();
        host.shutdown(limit).await;
        assert!(asked.elapsed() <= limit + secs(7), "{:?}", asked.elapsed());
        gone(clients).await;
        self.totals.shutdowns += 1;
        self.start();
    }

    async fn drop_host(&mut self) {
        let index = self.any_host();
        gone(self.hosts.swap_remove(index).clients).await;
        self.start();
    }

    // === How it ends

    /// Takes away all that fails, and lets everything end.
    async fn mend(&mut self) {
        self.world.disk.fail(&[]);
        for (name, slots) in &self.slots {
            self.world.runner.set_slots(name, *slots);
            self.world.runner.set_broken(name, None);
            self.world.runner.fail_to_prepare(name, Vec::new());
        }
        // What is due by a clock that was ahead once is due again.
        self.world.clock.set_by(self.furthest_ms - self.set_by_ms);
        self.hosts.iter().for_each(|up| up.host.capacity_changed());
        let mended = Instant::now();
        // What is on its way arrives.
        pass(secs(5)).await;
        while !self.is_quiet().await && mended.elapsed() < PATIENCE {
            pass(secs(20)).await;
            // Some never end by themselves.
            for id in self.list(TaskState::Running).await {
                if self.record(id).await.task.payload.to_string().contains("hang") {
                    let _ = self.hosts[0].host.cancel(id).await;
                }
            }
        }
        // Results that could not be read at first.
        pass(secs(5)).await;
    }

    async fn is_quiet(&self) -> bool {
        let mut open = 0;
        for state in TaskState::ALL.into_iter().filter(|state| !state.has_ended()) {
            open += self.list(state).await.len();
        }
        open == 0 && self.hosts.iter().all(|up| up.host.in_hand() == 0)
    }

    async fn list(&self, state: TaskState) -> Vec<TaskId> {
        let filter = Filter::of(Some(state));
        let listed = self.world.disk.rows().list(filter).await.unwrap();
        listed.into_iter().map(|summary| summary.id).collect()
    }

    async fn record(&self, id: TaskId) -> TaskRecord {
        self.world.disk.rows().get(id).await.unwrap().unwrap()
    }

    async fn judge(mut self) -> Life {
        let mut complaints = Vec::new();
        let mut counted = Vec::new();
        for state in TaskState::ALL {
            let ids = self.list(state).await;
            counted.push((state, ids.len() as u64));
            for id in ids {
                self.judge_task(id, &mut complaints).await;
            }
        }
        let [.., (_, succeeded), (_, dead), (_, cancelled)] = counted[..] else { panic!() };
        self.judge_hosts(&counted, &mut complaints).await;
        let runs = self.world.runner.runs();
        let (taken, refused) = {
            let ledger = open(&self.ledger);
            (ledger.taken.clone(), ledger.refused)
        };
        for id in &taken {
            if self.world.disk.rows().get(*id).await.unwrap().is_none() {
                self.totals.lost += 1;
                complaints.push(format!("{id} was taken and is gone"));
            }
        }
        self.totals.tasks = self.submitted.len() as u64;
        self.totals.taken = taken.len() as u64;
        self.totals.refused = refused;
        self.totals.runs = runs.len() as u64;
        (self.totals.succeeded, self.totals.dead, self.totals.cancelled) =
            (succeeded, dead, cancelled);
        let times = |run: &Run| {
            let end = run.end.map(|end| match end {
                End::Returned(at) => ("returned", at - self.begun),
                End::Dropped(at) => ("dropped", at - self.begun),
            });
            format!("{} began {:?} {end:?}", run.id, run.begun - self.begun)
        };
        let runs = runs.iter().map(times).collect();
        Life { runs, totals: self.totals.clone(), complaints }
    }

    async fn judge_task(&mut self, id: TaskId, complaints: &mut Vec<String>) {
        let record = self.record(id).await;
        let (disk, bounds) = (&self.world.disk, self.world.options.bounds);
        let (endings, requeued) = (disk.endings(id), disk.requeued(id));
        self.totals.requeued += requeued as u64;
        let mut complain = |wrong: &str| {
            let runs = self.world.runner.runs_of(id);
            complaints.push(format!("{id} {wrong}: {endings} endings, {record:?}, {runs:#?}"));
        };
        if !record.state.has_ended() {
            self.totals.lost += 1;
            return complain("does not end");
        }
        if endings != requeued + 1 {
            self.totals.doubled += 1;
            complain("ended not once");
        }
        let Some(result) = &record.result else { return complain("has no result") };
        if result.success != (record.state == TaskState::Succeeded) || result.task_id != id {
            complain("has a result of another kind");
        }
        if (record.state == TaskState::Dead) != record.reason.is_some() {
            complain("has a reason that does not fit");
        }
        if record.attempts > record.max_attempts || record.crashes > bounds.crashes {
            complain("was tried too often");
        }
        if open(&self.ledger).told.get(&id).into_iter().flatten().any(|told| told != result)
            && requeued == 0
        {
            complain("ended otherwise than was told");
        }
        let waited = self.hosts[0].host.wait(id).await;
        if waited.ok().as_ref() != Some(result) {
            complain("ended with another result than a waiter gets now");
        }
    }

    async fn judge_hosts(&self, counted: &[(TaskState, u64)], complaints: &mut Vec<String>) {
        for Up { host, clients } in &self.hosts {
            let stats = host.stats().await.unwrap();
            let waiting: u64 = stats.waiting_by_priority.iter().map(|(_, count)| count).sum();
            let running: usize = stats.types.iter().map(|of_type| of_type.running).sum();
            if stats.by_state != counted
                || (waiting, running, stats.active_tasks) != (0, 0, 0)
                || !stats.queued_by_type.is_empty()
                || !stats.oldest_waiting.is_empty()
            {
                complaints.push(format!("the stats are wrong: {stats:#?}, but {counted:?}"));
            }
            let waits = clients.iter().filter(|client| !client.is_finished()).count();
            if waits > 0 && self.hosts.len() == 1 {
                complaints.push(format!("{waits} submitters still wait"));
            }
        }
        if self.world.runner.running() > 0 {
            complaints.push("a run goes on that no host tracks".into());
        }
        for (name, slots) in self.slots.iter().filter(|_| self.orderly) {
            let most = self.world.runner.most_at_once(name);
            if most > *slots {
                complaints.push(format!("{most} runs of {name} at once in {slots} slots"));
            }
        }
    }
}
