//! What survives: leases, set clocks, shutdowns, hosts that go down, stores
//! that are away.

use std::time::Duration;

use chimera_layer4::fabric::queue::store::{StoreError, TaskStore};
use chimera_layer4::fabric::queue::{AttemptError, DeadReason, TaskState};
use chimera_layer4::fabric::{FabricError, Fault, HostFault, Task};
use tokio::time::Instant;

use super::log::Log;
use super::runner::{End, Step, genome, trap, unavailable};
use super::store::{Op, WRITES};
use super::{World, ms, pass, secs, task};

const HOUR_MS: i64 = 3_600_000;

/// What there is in each state of a life, in its order.
async fn counts(world: &World) -> [u64; 7] {
    let stats = world.disk.rows().stats().await.unwrap();
    let mut counts = stats.by_state.into_iter().map(|(_, count)| count);
    TaskState::ALL.map(|_| counts.next().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_host_with_a_run_in_hand_wakes_no_oftener_than_it_must() {
    let world = World::new(1);
    let host = world.start();
    host.submit(task(&[Step::Hang]).into()).await.unwrap();
    pass(secs(60)).await;
    let asked = [Op::Sweep, Op::Extend, Op::Claim].map(|op| world.disk.asked(op));
    assert!((55..70).contains(&asked[0]), "{asked:?}");
    assert!((5..8).contains(&asked[1]), "{asked:?}");
    assert!(asked[2] < 5, "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn heartbeats_keep_the_lease_of_a_long_run() {
    let mut world = World::new(1);
    world.options.lease = secs(3);
    let host = world.start();
    let long = task(&[Step::Succeed(30_000)]);
    assert!(host.execute(long.clone().into()).await.unwrap().success);
    let record = host.record(long.id).await;
    assert_eq!((record.attempts, record.crashes), (1, 0));
    assert_eq!(world.runner.runs().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_loses_no_run_in_hand() {
    for set_by in [HOUR_MS, -HOUR_MS] {
        let world = World::new(2);
        let host = world.start();
        let (before, after) = (task(&[Step::Succeed(200_000)]), task(&[Step::Succeed(200_000)]));
        let runs = [host.executor(before.clone())];
        pass(secs(7)).await;
        world.clock.set_by(set_by);
        let runs = runs.into_iter().chain([host.executor(after.clone())]);
        for (run, task) in runs.zip([before, after]) {
            assert!(run.await.unwrap().unwrap().success);
            let record = host.record(task.id).await;
            assert_eq!((record.attempts, record.crashes), (1, 0), "set by {set_by} ms");
        }
        assert_eq!(world.runner.runs().len(), 2);
    }
}

/// The store has the settlement, its answer is on its way, and a heartbeat
/// names the lease that the settlement ended.
#[tokio::test(start_paused = true)]
async fn a_heartbeat_that_comes_after_a_settlement_warns_of_nothing() {
    let log = Log::listen();
    let later = Step::Fail(2900, unavailable(Some(60_000)));
    let rows = [(Step::Succeed(2900), TaskState::Succeeded), (later, TaskState::Delayed)];
    for (step, state) in rows {
        let mut world = World::new(1);
        world.options.lease = secs(9);
        world.disk.answer_late(Op::Settle, secs(2));
        let host = world.start();
        let task = task(&[step]);
        host.submit(task.clone().into()).await.unwrap();
        pass(ms(3100)).await;
        assert_eq!((host.state(task.id).await, host.in_hand()), (state, 1), "not answered yet");
        assert_eq!(world.disk.asked(Op::Extend), 1, "its lease was among those extended");
        pass(secs(2)).await;
        assert_eq!(host.in_hand(), 0);
    }
    assert_eq!(log.lines(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_lease_was_lost_is_ended_and_changes_nothing() {
    let log = Log::listen();
    let mut world = World::new(1);
    world.options.lease = secs(9);
    let cut_off = world.start();
    let lost = task(&[Step::Succeed(60_000), Step::Succeed(100)]);
    cut_off.submit(lost.clone().into()).await.unwrap();
    pass(secs(1)).await;
    // It still runs, but the others cannot know.
    cut_off.handle.fail(&[Op::Extend, Op::Sweep, Op::Claim]);
    let other = world.start();
    pass(secs(10)).await;
    assert_eq!(world.runner.runs_of(lost.id).len(), 2);
    let record = other.record(lost.id).await;
    assert_eq!((record.state, record.crashes), (TaskState::Succeeded, 1));
    assert_eq!(record.failed_attempts[0].error, AttemptError::Lost);
    assert_eq!(record.failed_attempts[0].genome, Some(genome()));

    cut_off.handle.fail(&[]);
    pass(secs(4)).await;
    let [first, _] = &world.runner.runs_of(lost.id)[..] else { panic!() };
    assert!(matches!(first.end, Some(End::Dropped(_))), "its run was dropped: {first:?}");
    assert_eq!((world.runner.running(), cut_off.in_hand()), (0, 0));
    assert_eq!(other.record(lost.id).await, record);
    let lines = log.lines();
    assert_eq!(lines.iter().filter(|line| line.contains("lease of a run was lost")).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_result_that_comes_too_late_changes_nothing() {
    let mut world = World::new(1);
    world.options.lease = secs(9);
    let cut_off = world.start();
    let lost = task(&[Step::Succeed(11_000), Step::Succeed(5000)]);
    cut_off.submit(lost.clone().into()).await.unwrap();
    pass(secs(1)).await;
    cut_off.handle.fail(&[Op::Extend, Op::Sweep, Op::Claim]);
    let other = world.start();
    pass(secs(20)).await;
    let runs = world.runner.runs_of(lost.id);
    assert!(runs.iter().all(|run| matches!(run.end, Some(End::Returned(_)))), "{runs:?}");
    let record = other.record(lost.id).await;
    assert_eq!(record.result.unwrap().output.to_value()["attempt"], 2);
    assert_eq!(world.disk.endings(lost.id), 1);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_lets_runs_finish_and_gives_back_the_rest() {
    let world = World::new(2);
    let host = world.start();
    let tasks = [task(&[Step::Succeed(3000)]), task(&[Step::Hang]), task(&[])];
    for task in &tasks {
        host.submit(task.clone().into()).await.unwrap();
    }
    let waiters = tasks.each_ref().map(|task| host.waiter(task.id));
    pass(ms(10)).await;
    let asked = Instant::now();
    let closing = async {
        host.shutdown(secs(5)).await;
        assert_eq!(asked.elapsed(), secs(5));
    };
    let refused = async {
        pass(secs(1)).await;
        let late = host.submit(task(&[]).into()).await;
        assert!(matches!(late, Err(FabricError::NotRunning { .. })), "{late:?}");
    };
    tokio::join!(closing, refused);

    let [finished, dismissed @ ..] = waiters;
    assert!(finished.await.unwrap().unwrap().success);
    for waiter in dismissed {
        assert!(matches!(waiter.await.unwrap(), Err(FabricError::NotRunning { .. })));
    }
    assert_eq!((world.runner.running(), host.in_hand()), (0, 0));
    let states = [(TaskState::Succeeded, 1), (TaskState::Waiting, 0), (TaskState::Waiting, 0)];
    for (task, expected) in tasks.iter().zip(states) {
        let record = world.disk.rows().get(task.id).await.unwrap().unwrap();
        assert_eq!((record.state, record.attempts), expected);
        assert_eq!((record.crashes, record.failed_attempts.len()), (0, 0));
    }
    host.shutdown(secs(5)).await;
    assert_eq!(asked.elapsed(), secs(5), "twice is the same as once");
    let late = host.execute(task(&[]).into()).await;
    assert!(matches!(late, Err(FabricError::NotRunning { .. })));
    let late = host.wait(tasks[1].id).await;
    assert!(matches!(late, Err(FabricError::Store(StoreError::Closed))));
    host.start();
    pass(secs(60)).await;
    assert_eq!(world.runner.runs().len(), 2, "it does not start again");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_with_nothing_in_hand_does_not_wait() {
    for started in [false, true] {
        let world = World::new(0);
        let host = if started { world.start() } else { world.host() };
        host.submit(task(&[]).into()).await.unwrap();
        let asked = Instant::now();
        host.shutdown(secs(5)).await;
        assert_eq!(asked.elapsed(), Duration::ZERO);
        assert_eq!(counts(&world).await, [1, 0, 0, 0, 0, 0, 0]);
    }
}

/// Claims that are on their way when the shutdown comes are not left behind.
#[tokio::test(start_paused = true)]
async fn a_shutdown_leaves_no_lease_behind_and_nothing_that_runs() {
    for after in 0..120 {
        let world = World::new(3);
        if after % 2 == 0 {
            world.runner.set_genome("echo", genome());
        }
        world.disk.set_latency(after, ms(15));
        let host = world.start();
        for _ in 0..20 {
            host.scheduler.submit(task(&[Step::Succeed(10)]).into()).await.unwrap();
        }
        pass(ms(after)).await;
        host.shutdown(ms(after % 20)).await;
        let runs = world.runner.runs().len();
        pass(secs(60)).await;
        assert_eq!(world.runner.runs().len(), runs, "one begins afterwards, {after}");
        assert_eq!(world.runner.running(), 0);
        let [waiting, _, claimed, running, succeeded, ..] = counts(&world).await;
        assert_eq!((claimed, running, waiting + succeeded), (0, 0, 20), "{after}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_also_when_the_store_cannot_write() {
    let mut world = World::new(2);
    world.options.lease = secs(9);
    let host = world.start();
    let tasks = [task(&[Step::Succeed(1000), Step::Succeed(1)]), task(&[Step::Hang, Step::trap()])];
    for task in &tasks {
        host.submit(task.clone().into()).await.unwrap();
    }
    pass(ms(10)).await;
    world.disk.fail(&WRITES);
    let asked = Instant::now();
    host.shutdown(secs(5)).await;
    assert!(asked.elapsed() <= secs(15), "{:?}", asked.elapsed());
    // What could not be written is done again.
    world.disk.fail(&[]);
    let next = world.start();
    for task in &tasks {
        next.wait(task.id).await.unwrap();
        assert_eq!(world.disk.endings(task.id), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_host_had_in_hand_is_taken_over_when_its_leases_end() {
    let world = World::new(3);
    let host = world.start();
    let tasks: Vec<_> =
        (0..10).map(|_| task(&[Step::Succeed(50_000), Step::Succeed(10)])).collect();
    for task in &tasks {
        host.submit(task.clone().into()).await.unwrap();
    }
    pass(secs(1)).await;
    host.kill();
    pass(secs(1)).await;
    assert_eq!((world.runner.running(), counts(&world).await[3]), (0, 3));

    let next = world.start();
    let begun = Instant::now();
    for task in &tasks {
        assert!(next.wait(task.id).await.unwrap().success);
    }
    assert!(begun.elapsed() >= secs(27), "no host takes a lease that is not over");
    let mut crashed = 0;
    for task in &tasks {
        let record = next.record(task.id).await;
        assert_eq!(record.attempts, 1 + record.crashes);
        assert_eq!(record.failed_attempts.len() as u32, record.crashes);
        crashed += record.crashes;
        assert_eq!(world.disk.endings(task.id), 1);
    }
    assert_eq!(crashed, 3);
}

#[tokio::test(start_paused = true)]
async fn a_scheduler_that_is_dropped_gives_back_what_it_has_in_hand() {
    let world = World::new(2);
    let host = world.start();
    let task = task(&[Step::Hang, Step::Succeed(1)]);
    host.submit(task.clone().into()).await.unwrap();
    pass(secs(1)).await;
    drop(host);
    pass(ms(1)).await;
    assert_eq!((world.runner.running(), counts(&world).await[0]), (0, 1));
    let next = world.start();
    assert!(next.wait(task.id).await.unwrap().success);
    assert_eq!(next.record(task.id).await.attempts, 1);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_brings_every_host_down_is_given_up() {
    let world = World::new(1);
    let poison = Task { ..task(&[Step::Hang]) };
    let bystander = task(&[Step::Succeed(1)]);
    let mut hosts = 0;
    let record = loop {
        let host = world.start();
        if hosts == 0 {
            host.submit(poison.clone().into()).await.unwrap();
            host.submit(bystander.clone().into()).await.unwrap();
        }
        hosts += 1;
        pass(secs(40)).await;
        let record = host.record(poison.id).await;
        if record.state.has_ended() {
            break record;
        }
        assert!(hosts < 10);
        host.kill();
    };
    assert_eq!((hosts, record.crashes), (4, 3));
    assert_eq!((record.state, record.reason), (TaskState::Dead, Some(DeadReason::HostCrash)));
    assert!(record.failed_attempts.iter().all(|attempt| attempt.error == AttemptError::Lost));
    let fault = record.result.unwrap().fault;
    assert_eq!(fault, Some(Fault::Host(HostFault::Crashed { times: 3 })));
    let bystander = world.disk.rows().get(bystander.id).await.unwrap().unwrap();
    assert_eq!((bystander.state, bystander.crashes), (TaskState::Succeeded, 0));
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_away_submitting_fails_at_once_and_runs_go_on_by_themselves() {
    let world = World::new(1);
    let host = world.start();
    let waiting: Vec<_> = (0..5).map(|_| task(&[Step::Succeed(2000)])).collect();
    for task in &waiting {
        host.submit(task.clone().into()).await.unwrap();
    }
    pass(secs(1)).await;
    // The first of them ends meanwhile, and what it brought is not lost.
    world.disk.fail(&WRITES);
    let away = Instant::now();
    for _ in 0..10 {
        pass(secs(10)).await;
        let asked = Instant::now();
        let refused = host.submit(task(&[]).into()).await;
        let unavailable =
            matches!(refused, Err(FabricError::Store(StoreError::Unavailable { .. })));
        assert!(unavailable && asked.elapsed() == Duration::ZERO, "{refused:?}");
    }
    assert_eq!(away.elapsed(), secs(100));
    assert_eq!(world.runner.runs().len(), 1);
    assert!(world.disk.asked(Op::Settle) + world.disk.asked(Op::Claim) < 1500, "no storm");

    world.disk.fail(&[]);
    let back = Instant::now();
    for task in &waiting {
        let result = host.wait(task.id).await.unwrap();
        assert_eq!((result.success, world.runner.runs_of(task.id).len()), (true, 1));
        assert_eq!(host.record(task.id).await.attempts, 1);
    }
    assert!(back.elapsed() < secs(9), "{:?}", back.elapsed());
}

/// Whenever the store comes back, heartbeats come before leases are looked at.
#[tokio::test(start_paused = true)]
async fn a_store_that_was_away_for_longer_than_a_lease_loses_no_run() {
    // Also where only heartbeats are not heard.
    let ways = (25..50).flat_map(|away| [(away, &WRITES[..]), (away, &[Op::Extend])]);
    for (away, ops) in ways {
        let world = World::new(1);
        let host = world.start();
        let long = task(&[Step::Succeed(120_000)]);
        let run = host.executor(long.clone());
        pass(ms(15_500)).await;
        world.disk.fail(ops);
        pass(secs(away)).await;
        world.disk.fail(&[]);
        assert!(run.await.unwrap().unwrap().success);
        let record = host.record(long.id).await;
        assert_eq!((record.attempts, record.crashes), (1, 0), "away for {away} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_waiter_gets_the_result_also_when_it_could_not_be_read_at_first() {
    let world = World::new(0);
    let host = world.start();
    let late = Task { deadline: Some(world.clock.now() + secs(5)), ..task(&[]) };
    let waiter = host.executor(late);
    pass(secs(4)).await;
    world.disk.fail(&[Op::Read]);
    pass(secs(10)).await;
    world.disk.fail(&[]);
    pass(secs(5)).await;
    assert!(waiter.is_finished(), "it got no result");
    assert!(!waiter.await.unwrap().unwrap().success);
}

#[tokio::test(start_paused = true)]
async fn a_slow_store_delays_tasks_by_its_own_time_only() {
    let mut world = World::new(1);
    world.options.in_hand = 1;
    world.disk.set_latency(1, ms(4));
    let host = world.start();
    let tasks: Vec<_> = (0..50).map(|_| task(&[Step::Succeed(10)])).collect();
    host.submit_batch(tasks.iter().cloned().map(Into::into).collect()).await.unwrap();
    let begun = Instant::now();
    for task in &tasks {
        host.wait(task.id).await.unwrap();
    }
    // A claim, a start and a settlement each, there and back.
    assert!(begun.elapsed() < ms(50 * (10 + 3 * 8)), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn cancelling_reaches_a_task_that_is_on_its_way_to_its_run() {
    for after in 0..40 {
        let world = World::new(1);
        world.disk.set_latency(after, ms(10));
        let host = world.start();
        let task = task(&[Step::Hang]);
        host.submit(task.clone().into()).await.unwrap();
        let waiter = host.waiter(task.id);
        pass(ms(after)).await;
        host.cancel(task.id).await.unwrap();
        let asked = Instant::now();
        assert_eq!(waiter.await.unwrap().unwrap().fault, Some(Fault::Cancelled));
        // A third of a lease at the most, where the claim was on its way.
        assert!(asked.elapsed() < secs(11), "{:?}", asked.elapsed());
        assert_eq!(world.disk.endings(task.id), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_outlives_its_host() {
    let world = World::new(1);
    let host = world.start();
    let task = task(&[Step::Fail(1, trap()), Step::Succeed(1)]);
    host.submit(task.clone().into()).await.unwrap();
    pass(ms(2)).await;
    assert_eq!(host.state(task.id).await, TaskState::Delayed);
    host.kill();
    let next = world.start();
    assert!(next.wait(task.id).await.unwrap().success);
    let record = next.record(task.id).await;
    assert_eq!((record.attempts, record.crashes), (2, 0));
}
