//! What becomes of tasks whose runs fail, and of the types that they are for.

use std::time::Duration;

use chimera_layer4::fabric::queue::{
    AttemptError, BreakerPolicy, BreakerState, DeadReason, RetryPolicy, Submission, SubmitOptions,
    TaskState,
};
use chimera_layer4::fabric::{
    Breach, Call, Digest, Fault, GuestFault, HostFault, LimitSource, Priority, QuotaKind, Task,
};
use tokio::time::Instant;
use uuid::Uuid;

use super::runner::{End, Run, Step, agent, genome, trap, unavailable, usage};
use super::{Host, World, ms, pass, secs, task, task_for, urgent, with};

/// A breaker that nothing opens.
const NEVER: BreakerPolicy = BreakerPolicy {
    window: 20,
    failure_share: 2.0,
    least: 10,
    open_for: Duration::from_secs(1),
    open_cap: Duration::from_secs(60),
    probes: 3,
};

fn tries(task: Task, max_attempts: u32) -> Submission {
    with(task, SubmitOptions { max_attempts: Some(max_attempts), ..SubmitOptions::default() })
}

fn returned(run: &Run) -> Instant {
    let Some(End::Returned(at)) = run.end else { panic!("it did not return: {run:?}") };
    at
}

/// The times between a run's end and the next one's beginning.
fn waits(runs: &[Run]) -> Vec<Duration> {
    runs.windows(2).map(|pair| pair[1].begun - returned(&pair[0])).collect()
}

fn breach(quota: QuotaKind) -> Fault {
    let (during, set_by) = (Call::ExecuteTask, LimitSource::Task);
    Breach { quota, during, set_by, detail: "scripted".into() }.into()
}

fn no_agent() -> Fault {
    HostFault::NoAgent { message: "scripted".into() }.into()
}

#[tokio::test(start_paused = true)]
async fn a_run_that_failed_is_made_again_after_a_jittered_backoff() {
    let (base, cap) = (ms(400), ms(3000));
    let mut firsts = Vec::new();
    for seed in 0..30 {
        let mut world = World::new(1);
        world.options.seed = seed;
        world.options.breaker = NEVER;
        world.options.retry = RetryPolicy::new(base, cap, 10).unwrap();
        let host = world.start();
        let failing = task(&[Step::trap()]);
        host.execute(tries(failing.clone(), 7)).await.unwrap();
        let waits = waits(&world.runner.runs_of(failing.id));
        assert_eq!(waits.len(), 6);
        for (index, wait) in waits.iter().enumerate() {
            let most = (base * (1 << index)).min(cap);
            assert!(*wait <= most + ms(3), "{wait:?} after failure {}", index + 1);
        }
        firsts.push(waits[0].as_millis());
    }
    let mean = firsts.iter().sum::<u128>() / firsts.len() as u128;
    assert!((120..280).contains(&mean), "{mean} ms of {base:?}");
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_names_a_time_is_not_asked_before_it() {
    let world = World::new(1);
    let host = world.start();
    let task = task(&[Step::Fail(1, unavailable(Some(5000))), Step::Succeed(1)]);
    assert!(host.execute(task.clone().into()).await.unwrap().success);
    let [wait] = waits(&world.runner.runs_of(task.id))[..] else { panic!() };
    assert!((ms(5000)..ms(5010)).contains(&wait), "{wait:?}");
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_has_every_attempt_with_its_error_its_use_and_its_genome() {
    let world = World::new(1);
    let host = world.start();
    let garbled: Fault =
        GuestFault::BadOutput { during: Call::ExecuteTask, reason: "scripted".into() }.into();
    let faults = [trap(), unavailable(None), garbled];
    let steps: Vec<_> = faults.iter().zip(10..).map(|(f, ms)| Step::Fail(ms, f.clone())).collect();
    let task = task(&steps);
    let result = host.execute(tries(task.clone(), 3)).await.unwrap();
    assert_eq!(result.fault.as_ref(), Some(&faults[2]));

    let record = host.record(task.id).await;
    let reason = Some(DeadReason::AttemptsExhausted);
    assert_eq!((record.state, record.reason, record.attempts), (TaskState::Dead, reason, 3));
    assert_eq!(record.result, Some(result));
    assert_eq!(record.failed_attempts.len(), 3);
    for (attempt, (fault, index)) in record.failed_attempts.iter().zip(faults.into_iter().zip(0..))
    {
        assert_eq!((attempt.number, &attempt.error), (index + 1, &AttemptError::Fault(fault)));
        assert_eq!(attempt.usage, Some(usage(u64::from(index) + 10)));
        assert_eq!((attempt.genome, attempt.agent_id), (Some(genome()), Some(agent())));
    }
    assert!(record.failed_attempts.is_sorted_by_key(|attempt| attempt.ended_at));
}

#[tokio::test(start_paused = true)]
async fn what_another_run_would_not_mend_is_not_run_again() {
    let invalid = GuestFault::InvalidInput { during: Call::ExecuteTask, message: "no".into() };
    let failed = GuestFault::Failed { during: Call::ExecuteTask, message: "no".into() };
    let rows = [
        (invalid.into(), DeadReason::InvalidInput),
        (failed.into(), DeadReason::Failed),
        (breach(QuotaKind::Memory), DeadReason::OverQuota),
        (breach(QuotaKind::ExecutionTime), DeadReason::OverQuota),
        (breach(QuotaKind::Deadline), DeadReason::Expired),
    ];
    let world = World::new(1);
    let host = world.start();
    for (fault, reason) in rows {
        let task = task(&[Step::Fail(1, fault.clone()), Step::Succeed(1)]);
        assert_eq!(host.execute(task.clone().into()).await.unwrap().fault, Some(fault));
        assert_eq!(host.record(task.id).await.reason, Some(reason));
        assert_eq!(world.runner.runs_of(task.id).len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_type_that_fails_all_at_once_is_retried_within_its_budget_and_nothing_is_dropped() {
    let mut world = World::new(200);
    world.options.breaker = NEVER;
    world.options.retry = RetryPolicy::new(ms(100), secs(20), 10).unwrap();
    let host = world.start();
    let begun = Instant::now();
    let tasks: Vec<_> = (0..100).map(|_| task(&[Step::trap(), Step::Succeed(1)])).collect();
    host.submit_batch(tasks.iter().cloned().map(Into::into).collect()).await.unwrap();
    for task in &tasks {
        assert!(host.wait(task.id).await.unwrap().success);
    }
    let again: Vec<_> = tasks.iter().map(|t| world.runner.runs_of(t.id)[1].begun - begun).collect();
    let soon = again.iter().filter(|after| **after < ms(200)).count();
    // Ten at first, and a fifth for each first attempt.
    assert_eq!(soon, 10 + 20);
    assert!(again.iter().filter(|after| **after >= ms(200)).all(|after| *after >= secs(20)));
}

/// How many tasks of `echo` end in a minute.
async fn ended_in_a_minute(world: &World, host: &Host) -> usize {
    let batch: Vec<_> = (0..800).map(|_| task(&[Step::Succeed(100)]).into()).collect();
    host.submit_batch(batch).await.unwrap();
    pass(secs(60)).await;
    world.runner.runs().iter().filter(|run| run.agent_type == "echo" && run.end.is_some()).count()
}

#[tokio::test(start_paused = true)]
async fn a_type_that_always_traps_is_given_a_rest_and_the_others_do_not_notice() {
    let world = World::new(1);
    let alone = ended_in_a_minute(&world, &world.start()).await;

    let world = World::new(1);
    world.runner.set_slots("broken", 4);
    world.runner.set_broken("broken", Some(trap()));
    let host = world.start();
    let broken: Vec<_> = (0..500).map(|_| task_for("broken", &[]).into()).collect();
    host.submit_batch(broken).await.unwrap();
    let beside = ended_in_a_minute(&world, &host).await;
    assert!(beside * 10 >= alone * 9, "{beside} beside it, {alone} alone");

    let runs = world.runner.runs().iter().filter(|run| run.agent_type == "broken").count();
    assert!((10..30).contains(&runs), "{runs}");
    let stats = host.stats().await.unwrap();
    let of = |name| stats.types.iter().find(|of_type| of_type.agent_type == name).unwrap();
    assert_ne!(of("broken").breaker, BreakerState::Closed);
    assert!(of("broken").breaker_opened > 3);
    assert_eq!((of("echo").breaker, of("echo").breaker_opened), (BreakerState::Closed, 0));
}

#[tokio::test(start_paused = true)]
async fn a_type_that_rested_is_probed_by_one_run_at_a_time_and_trusted_again() {
    for slots in [1, 2, 5] {
        let mut world = World::new(slots);
        world.options.retry = RetryPolicy::new(ms(10), ms(10), 10).unwrap();
        world.runner.set_broken("echo", Some(trap()));
        let host = world.start();
        let tasks: Vec<_> = (0..30).map(|_| tries(task(&[Step::Succeed(50)]), 100)).collect();
        let ids: Vec<_> = tasks.iter().map(|one| one.task.id).collect();
        host.submit_batch(tasks).await.unwrap();
        pass(ms(300)).await;
        assert_eq!(host.stats().await.unwrap().types[0].breaker, BreakerState::Open);
        let before = world.runner.runs().len();
        pass(secs(20)).await;
        let probes = world.runner.runs().split_off(before);
        assert!((3..10).contains(&probes.len()), "{} probes with {slots} slots", probes.len());

        world.runner.set_broken("echo", None);
        for id in ids {
            assert!(host.wait(id).await.unwrap().success);
        }
        let healed = world.runner.runs().split_off(before + probes.len());
        for pair in healed[..3].windows(2) {
            assert!(pair[1].begun >= returned(&pair[0]), "two probes at a time");
        }
        let stats = &host.stats().await.unwrap().types[0];
        assert_eq!(stats.breaker, BreakerState::Closed);
        // With four or more one is kept for critical tasks.
        let at_once = if slots < 4 { slots } else { slots - 1 };
        let side_by_side = |run: &Run| {
            healed.iter().filter(|o| o.begun <= run.begun && returned(o) > run.begun).count()
        };
        assert_eq!(healed.iter().map(side_by_side).max(), Some(at_once));
    }
}

const GENOMES: [&str; 2] = ["champion", "candidate"];

/// Tasks for a minute, one each 100 ms, of which one in twenty is the candidate's.
async fn a_minute_of_a_trial(host: &Host) -> Vec<Task> {
    let mut tasks = Vec::new();
    for number in 0..600_u128 {
        let id = Uuid::from_u128(number + 1).into();
        let task = Task { id, ..task(&[Step::Succeed(10)]) };
        host.submit(tries(task.clone(), 20)).await.unwrap();
        tasks.push(task);
        pass(ms(100)).await;
    }
    tasks
}

#[tokio::test(start_paused = true)]
async fn each_genome_has_a_breaker_of_its_own_and_its_tasks_go_to_the_other_while_it_is_open() {
    let [champion, candidate] = GENOMES.map(|name| Digest::of(name.as_bytes()));
    for broken in [champion, candidate] {
        let world = World::new(4);
        world.runner.put_on_trial("echo", [champion, candidate], 20, Some(broken));
        let host = world.start();
        let tasks = a_minute_of_a_trial(&host).await;
        for task in &tasks {
            assert!(host.wait(task.id).await.unwrap().success);
        }
        let runs = world.runner.runs();
        let of = |genome| runs.iter().filter(|run| run.genome == genome).count();
        assert!((10..30).contains(&of(broken)), "ten, and a probe now and again: {}", of(broken));
        let stats = &host.stats().await.unwrap().types[0];
        assert_ne!(stats.breaker, BreakerState::Closed, "the worst of both");
        let opened = |genome| {
            let breaker = stats.breakers.iter().find(|breaker| breaker.genome == genome).unwrap();
            (breaker.state != BreakerState::Closed, breaker.opened)
        };
        let well = if broken == champion { candidate } else { champion };
        assert_eq!(opened(well), (false, 0));
        assert_eq!(opened(broken), (true, stats.breaker_opened));
        assert!(stats.breaker_opened > 3);

        // The genome that takes over has a breaker of its own.
        world.runner.end_trial("echo", well);
        host.capacity_changed();
        pass(ms(1)).await;
        let stats = &host.stats().await.unwrap().types[0];
        assert_eq!((stats.breaker, stats.breakers.len()), (BreakerState::Closed, 1));
        assert!(stats.breaker_opened > 3, "what was counted stays");
    }
}

#[tokio::test(start_paused = true)]
async fn with_every_breaker_open_tasks_wait_and_each_genome_is_probed_by_one_run() {
    let [champion, candidate] = GENOMES.map(|name| Digest::of(name.as_bytes()));
    let world = World::new(4);
    world.runner.put_on_trial("echo", [champion, candidate], 2, None);
    world.runner.set_broken("echo", Some(trap()));
    let host = world.start();
    let batch: Vec<_> = (0..100).map(|_| tries(task(&[Step::Succeed(50)]), 100)).collect();
    let ids: Vec<_> = batch.iter().map(|one| one.task.id).collect();
    host.submit_batch(batch).await.unwrap();
    pass(secs(30)).await;
    let runs = world.runner.runs();
    assert!((20..50).contains(&runs.len()), "{}", runs.len());
    for genome in [champion, candidate] {
        assert!(runs.iter().filter(|run| run.genome == genome).count() >= 10);
    }
    world.runner.set_broken("echo", None);
    for id in ids {
        assert!(host.wait(id).await.unwrap().success);
    }
    let healed = world.runner.runs().split_off(runs.len());
    for genome in [champion, candidate] {
        let of: Vec<_> = healed.iter().filter(|run| run.genome == genome).collect();
        for pair in of.iter().take(3).collect::<Vec<_>>().windows(2) {
            assert!(pair[1].begun >= returned(pair[0]), "two probes of one genome at a time");
        }
    }
    assert_eq!(host.stats().await.unwrap().types[0].running, 0);
}

/// What was on its way when the breaker opened may take as long as its limit allows.
#[tokio::test(start_paused = true)]
async fn runs_from_before_a_breaker_opened_keep_no_probe_away() {
    let world = World::new(12);
    let host = world.start();
    let long = task(&[Step::Succeed(100_000)]);
    host.submit(long.clone().into()).await.unwrap();
    let failing: Vec<_> = (0..10).map(|_| tries(task(&[Step::trap()]), 1)).collect();
    host.submit_batch(failing).await.unwrap();
    pass(ms(100)).await;
    assert_eq!(host.stats().await.unwrap().types[0].breaker, BreakerState::Open);
    assert_eq!((world.runner.running(), world.runner.runs().len()), (1, 11));

    let begun = Instant::now();
    let batch: Vec<_> = (0..6).map(|_| task(&[Step::Succeed(50)])).collect();
    let ids: Vec<_> = batch.iter().map(|task| task.id).collect();
    host.submit_batch(batch.into_iter().map(Into::into).collect()).await.unwrap();
    for id in ids {
        assert!(host.wait(id).await.unwrap().success);
    }
    assert!(begun.elapsed() < secs(3), "{:?}", begun.elapsed());
    assert_eq!(host.stats().await.unwrap().types[0].breaker, BreakerState::Closed);
    assert_eq!(host.state(long.id).await, TaskState::Running, "it was not waited for");
    for pair in world.runner.runs()[11..14].windows(2) {
        assert!(pair[1].begun >= returned(&pair[0]), "two probes at a time");
    }
}

/// A probe counts until the breaker opens again, here by an older run that fails.
#[tokio::test(start_paused = true)]
async fn each_opening_has_a_probe_of_its_own() {
    let mut world = World::new(12);
    world.options.breaker.open_cap = secs(1);
    let host = world.start();
    // Ends while the first probe is on its way, some ten seconds later.
    let late = task(&[Step::Fail(10_000, trap())]);
    host.submit(tries(late.clone(), 1)).await.unwrap();
    let failing: Vec<_> = (0..10).map(|_| tries(task(&[Step::trap()]), 1)).collect();
    host.submit_batch(failing).await.unwrap();
    pass(ms(100)).await;
    let probes: Vec<_> = (0..2).map(|_| task(&[Step::Succeed(100_000)])).collect();
    host.submit_batch(probes.into_iter().map(Into::into).collect()).await.unwrap();
    pass(secs(9)).await;
    assert_eq!((world.runner.running(), world.runner.runs().len()), (2, 12), "one probe");
    pass(secs(5)).await;
    assert_eq!(host.stats().await.unwrap().types[0].breaker_opened, 2);
    assert_eq!((world.runner.running(), world.runner.runs().len()), (2, 13), "and another");
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_the_host_is_no_attempt() {
    let world = World::new(1);
    world.runner.fail_to_prepare("echo", vec![no_agent(); 4]);
    let host = world.start();
    let full: Fault = HostFault::NoRoom { message: "scripted".into() }.into();
    let task = task(&[Step::Fail(1, full.clone()), Step::Fail(1, full.clone()), Step::Succeed(1)]);
    assert!(host.execute(tries(task.clone(), 1)).await.unwrap().success);
    let record = host.record(task.id).await;
    assert_eq!((record.state, record.attempts), (TaskState::Succeeded, 1));
    let errors: Vec<_> = record.failed_attempts.into_iter().map(|attempt| attempt.error).collect();
    let expected = [no_agent(), no_agent(), no_agent(), no_agent(), full.clone(), full];
    assert_eq!(errors, expected.map(AttemptError::Fault));
    assert_eq!(host.stats().await.unwrap().types[0].breaker_opened, 0);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_fails_a_task_too_often_gives_it_up() {
    let mut world = World::new(1);
    world.options.retry = RetryPolicy::new(ms(10), secs(1), 2).unwrap();
    world.runner.fail_to_prepare("echo", vec![no_agent(); 3]);
    let host = world.start();
    let task = task(&[]);
    assert_eq!(host.execute(task.clone().into()).await.unwrap().fault, Some(no_agent()));
    let record = host.record(task.id).await;
    assert_eq!((record.reason, record.failed_attempts.len()), (Some(DeadReason::HostFault), 3));
    assert_eq!(world.runner.runs(), []);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_fails_to_start_costs_its_task_an_attempt() {
    let world = World::new(1);
    world.runner.fail_to_prepare("echo", vec![trap()]);
    let host = world.start();
    let task = task(&[Step::Succeed(1)]);
    assert!(host.execute(task.clone().into()).await.unwrap().success);
    let record = host.record(task.id).await;
    assert_eq!((record.attempts, record.failed_attempts.len()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_stopped_gives_its_task_back_uncounted() {
    let world = World::new(1);
    let host = world.start();
    let task = task(&[Step::Fail(5, Fault::Stopped), Step::Succeed(1)]);
    assert!(host.execute(tries(task.clone(), 1)).await.unwrap().success);
    let record = host.record(task.id).await;
    assert_eq!((record.attempts, record.failed_attempts.len()), (1, 0));
}

/// The host's own code must not, but if it does the task is not kept for ever.
#[tokio::test(start_paused = true)]
async fn a_runner_that_panics_costs_a_crash_and_not_a_slot() {
    let mut world = World::new(1);
    world.options.lease = secs(3);
    let host = world.start();
    let task = task(&[Step::Panic, Step::Succeed(1)]);
    let waiter = host.executor(task.clone());
    pass(secs(10)).await;
    assert!(waiter.is_finished(), "{:?}", host.record(task.id).await);
    assert!(waiter.await.unwrap().unwrap().success);
    let record = host.record(task.id).await;
    assert_eq!((record.crashes, record.attempts), (1, 2));
    assert_eq!(host.in_hand(), 0);
    assert_eq!(host.stats().await.unwrap().types[0].running, 0);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_was_taken_back_is_not_retried() {
    let world = World::new(1);
    let host = world.start();
    let task = urgent(Priority::High, &[Step::trap()]);
    host.submit(tries(task.clone(), 50)).await.unwrap();
    let waiter = host.waiter(task.id);
    pass(ms(2)).await;
    assert_eq!(host.state(task.id).await, TaskState::Delayed, "between two runs");
    assert!(host.cancel(task.id).await.unwrap());
    assert_eq!(waiter.await.unwrap().unwrap().fault, Some(Fault::Cancelled));
    pass(secs(120)).await;
    assert_eq!(world.runner.runs().len(), 1);
}
