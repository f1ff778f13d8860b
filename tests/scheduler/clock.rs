//! A clock that is set by an hour: what is relative stays so, and so does what
//! was said as a time of day.

use std::time::Duration;

use chimera_layer4::fabric::Task;
use chimera_layer4::fabric::queue::store::{Keep, Retention};
use chimera_layer4::fabric::queue::{DeadReason, SubmitOptions, TaskState};
use tokio::time::Instant;

use super::runner::{End, Step, trap, unavailable};
use super::store::Op;
use super::{World, ms, pass, secs, task, task_for, with};

const HOUR_MS: i64 = 3_600_000;
const WAYS: [i64; 2] = [HOUR_MS, -HOUR_MS];

#[tokio::test(start_paused = true)]
async fn a_run_is_made_again_as_soon_as_it_was_to_be() {
    for (set_by, several) in WAYS.into_iter().flat_map(|way| [(way, false), (way, true)]) {
        let world = World::new(1);
        let host = world.start();
        // Each of the hosts of a store sees that the clock was set.
        let _other = several.then(|| world.start());
        let task = task(&[Step::Fail(1, unavailable(Some(20_000))), Step::Succeed(1)]);
        host.submit(task.clone().into()).await.unwrap();
        pass(secs(5)).await;
        world.clock.set_by(set_by);
        // Either of them makes it again; this one hears only of its own runs.
        pass(secs(30)).await;
        assert_eq!(host.state(task.id).await, TaskState::Succeeded);
        let [first, again] = &world.runner.runs_of(task.id)[..] else { panic!() };
        let wait = again.begun - first.begun;
        assert!((secs(20)..secs(22)).contains(&wait), "{wait:?}, set by {set_by} ms");
    }
}

/// The store gets the end of the run when the clock has been set meanwhile.
#[tokio::test(start_paused = true)]
async fn a_run_that_ended_while_the_store_was_away_is_made_again_as_soon_as_it_was_to_be() {
    for set_by in WAYS {
        let world = World::new(1);
        let host = world.start();
        let task = task(&[Step::Fail(1, unavailable(Some(20_000))), Step::Succeed(1)]);
        world.disk.fail(&[Op::Settle]);
        host.submit(task.clone().into()).await.unwrap();
        pass(secs(5)).await;
        world.clock.set_by(set_by);
        pass(secs(5)).await;
        world.disk.fail(&[]);
        assert!(host.wait(task.id).await.unwrap().success);
        let [first, again] = &world.runner.runs_of(task.id)[..] else { panic!() };
        let wait = again.begun - first.begun;
        assert!((secs(20)..secs(24)).contains(&wait), "{wait:?}, set by {set_by} ms");
    }
}

/// The run ends when the store has moved its times and the host does not know yet.
#[tokio::test(start_paused = true)]
async fn a_run_that_ends_while_the_store_learns_the_time_is_made_again_as_soon_as_it_was_to_be() {
    for set_by in WAYS {
        let world = World::new(1);
        let host = world.start();
        let task = task(&[Step::Fail(8_000, unavailable(Some(20_000))), Step::Succeed(1)]);
        host.submit(task.clone().into()).await.unwrap();
        pass(secs(5)).await;
        world.disk.answer_late(Op::Clock, secs(4));
        world.clock.set_by(set_by);
        assert!(host.wait(task.id).await.unwrap().success);
        let [first, again] = &world.runner.runs_of(task.id)[..] else { panic!() };
        let wait = again.begun - first.begun;
        assert!((secs(28)..secs(30)).contains(&wait), "{wait:?}, set by {set_by} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_cannot_be_reported_changes_nothing_until_it_can() {
    for set_by in WAYS {
        let world = World::new(1);
        let host = world.start();
        let task = task(&[Step::Fail(1, unavailable(Some(20_000))), Step::Succeed(1)]);
        host.submit(task.clone().into()).await.unwrap();
        pass(secs(1)).await;
        world.disk.fail(&[Op::Clock]);
        world.clock.set_by(set_by);
        pass(secs(30)).await;
        assert_eq!(world.runner.runs().len(), 1);
        world.disk.fail(&[]);
        pass(secs(2)).await;
        assert_eq!(host.state(task.id).await, TaskState::Succeeded);
    }
}

#[tokio::test(start_paused = true)]
async fn a_time_of_day_stays_one() {
    for (set_by, starts_after) in [(HOUR_MS, secs(5)..secs(7)), (-HOUR_MS, secs(3660)..secs(3662))]
    {
        let world = World::new(1);
        let host = world.start();
        let now = world.clock.now();
        let later = task(&[Step::Succeed(1)]);
        let start = SubmitOptions { not_before: Some(now + secs(60)), ..SubmitOptions::default() };
        host.submit(with(later.clone(), start)).await.unwrap();
        let late = Task { deadline: Some(now + secs(60)), ..task_for("unknown", &[]) };
        host.submit(late.clone().into()).await.unwrap();
        let begun = Instant::now();
        pass(secs(5)).await;
        world.clock.set_by(set_by);
        host.wait(late.id).await.unwrap();
        assert!(starts_after.contains(&begun.elapsed()), "{:?}", begun.elapsed());
        assert_eq!(host.record(late.id).await.reason, Some(DeadReason::Expired));
        host.wait(later.id).await.unwrap();
        let began = world.runner.runs_of(later.id)[0].begun - begun;
        assert!(starts_after.contains(&began), "{began:?}, set by {set_by} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_keeps_its_place_and_its_age() {
    let world = World::new(0);
    let host = world.start();
    let (first, second) = (task(&[Step::Succeed(1)]), task(&[Step::Succeed(1)]));
    host.submit(first.clone().into()).await.unwrap();
    pass(secs(5)).await;
    world.clock.set_by(-HOUR_MS);
    pass(secs(2)).await;
    host.submit(second.clone().into()).await.unwrap();
    let oldest = host.stats().await.unwrap().oldest_waiting[0].1;
    assert!((secs(6)..secs(8)).contains(&oldest), "{oldest:?}");
    world.runner.set_slots("echo", 1);
    host.capacity_changed();
    host.wait(second.id).await.unwrap();
    let order: Vec<_> = world.runner.runs().into_iter().map(|run| run.id).collect();
    assert_eq!(order, [first.id, second.id]);
}

#[tokio::test(start_paused = true)]
async fn the_lease_of_a_dead_host_ends_when_it_was_to() {
    for set_by in WAYS {
        let world = World::new(1);
        let host = world.start();
        let task = task(&[Step::Hang, Step::Succeed(1)]);
        host.submit(task.clone().into()).await.unwrap();
        pass(secs(1)).await;
        host.kill();
        let next = world.start();
        let begun = Instant::now();
        pass(secs(2)).await;
        world.clock.set_by(set_by);
        assert!(next.wait(task.id).await.unwrap().success);
        assert!((secs(27)..secs(33)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    }
}

/// How many runs of a broken type there are in two minutes, with the clock set
/// in between, and how long a mended one is kept waiting then.
async fn probes(set_by: i64) -> (usize, Duration) {
    let world = World::new(2);
    world.runner.set_broken("echo", Some(trap()));
    let host = world.start();
    host.submit_batch((0..100).map(|_| task(&[]).into()).collect()).await.unwrap();
    pass(secs(30)).await;
    world.clock.set_by(set_by);
    pass(secs(90)).await;
    let runs = world.runner.runs();
    assert!(runs.iter().all(|run| matches!(run.end, Some(End::Returned(_)))));
    world.runner.set_broken("echo", None);
    let healed = Instant::now();
    while world.runner.runs().len() == runs.len() {
        pass(ms(100)).await;
    }
    (runs.len(), healed.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_breaker_is_open_for_as_long_as_it_was_to_be() {
    let (runs, _) = probes(0).await;
    for set_by in WAYS {
        let (with_it_set, healed) = probes(set_by).await;
        assert!(runs.abs_diff(with_it_set) <= 2, "{with_it_set}, {runs} without");
        assert!(healed <= secs(60), "{healed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_ended_is_kept_for_as_long_at_the_least() {
    for set_by in WAYS {
        let mut world = World::new(1);
        let keep = Keep { count: 100, age: secs(1800) };
        world.options.retention = Retention { ended: keep, dead: keep };
        let host = world.start();
        let done = task(&[Step::Succeed(1)]);
        host.execute(done.clone().into()).await.unwrap();
        pass(secs(5)).await;
        world.clock.set_by(set_by);
        pass(secs(1700)).await;
        assert_eq!(host.state(done.id).await, TaskState::Succeeded, "set by {set_by} ms");
        pass(secs(200) + ms(2 * HOUR_MS.unsigned_abs())).await;
        assert_eq!(host.get(done.id).await.unwrap(), None, "but not for ever");
    }
}
