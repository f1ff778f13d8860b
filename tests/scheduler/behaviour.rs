//! What a submitter sees: answers, order, deadlines, keys, cancelling.

use std::collections::BTreeMap;
use std::time::Duration;

use chimera_layer4::fabric::queue::store::Filter;
use chimera_layer4::fabric::queue::{AttemptError, DeadReason, SubmitOptions, TaskState};
use chimera_layer4::fabric::{
    Call, FabricError, Fault, GuestFault, Priority, QuotaKind, Task, utils,
};
use serde_json::json;
use tokio::time::Instant;

use super::runner::{End, Step, agent, genome, usage};
use super::store::Op;
use super::{World, keyed, ms, pass, secs, task, task_for, urgent, with};

const CLASSES: [Priority; 5] =
    [Priority::Critical, Priority::High, Priority::Normal, Priority::Low, Priority::Background];

fn failed() -> Fault {
    GuestFault::Failed { during: Call::ExecuteTask, message: "for good".into() }.into()
}

#[tokio::test(start_paused = true)]
async fn a_submission_is_answered_at_once_and_waited_for_later() {
    let world = World::new(0);
    let host = world.start();
    let task = task(&[Step::Succeed(40)]);
    let asked = Instant::now();
    let id = host.submit(task.clone().into()).await.unwrap();
    assert_eq!((id, asked.elapsed()), (task.id, Duration::ZERO));
    assert_eq!(host.state(id).await, TaskState::Waiting);

    pass(secs(60)).await;
    assert_eq!(world.runner.runs(), [], "nothing can run it");
    let waiters = [host.waiter(id), host.waiter(id)];
    world.runner.set_slots("echo", 1);
    host.capacity_changed();
    for waiter in waiters {
        let result = waiter.await.unwrap().unwrap();
        assert_eq!((result.success, result.output.to_value()), (true, json!({ "attempt": 1 })));
        assert_eq!(asked.elapsed(), secs(60) + ms(40));
    }
    let record = host.record(id).await;
    assert_eq!((record.state, record.attempts), (TaskState::Succeeded, 1));
    assert_eq!(record.failed_attempts, []);
    assert_eq!(Some(host.wait(id).await.unwrap()), record.result, "also long after its end");
    assert_eq!(world.disk.endings(id), 1);
}

#[tokio::test(start_paused = true)]
async fn execute_answers_with_the_result() {
    let world = World::new(1);
    let host = world.start();
    let result = host.execute(task(&[Step::Succeed(5)]).into()).await.unwrap();
    assert_eq!((result.success, result.resource_usage), (true, usage(5)));
    let failing = task(&[Step::Fail(5, failed())]);
    let result = host.execute(failing.clone().into()).await.unwrap();
    assert_eq!((result.success, result.fault), (false, Some(failed())));
    assert_eq!(host.state(failing.id).await, TaskState::Dead);
    let again = host.execute(failing.into()).await.unwrap();
    assert_eq!(again.fault, Some(failed()), "the same task is not run twice");
    assert_eq!(world.runner.runs().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_tracked_submission_gets_its_result_and_may_be_let_go() {
    let world = World::new(2);
    let host = world.start();
    let (kept, dropped) = (task(&[Step::Succeed(40)]), task(&[Step::Succeed(40)]));
    let late = Task { deadline: Some(world.clock.now() - secs(1)), ..task(&[]) };
    let batch = vec![keyed(kept.clone(), "k"), dropped.clone().into(), late.into()];
    let mut handles = host.submit_tracked(batch).await.unwrap().into_iter();
    let handle = handles.next().unwrap().unwrap();
    drop(handles);
    assert_eq!(handle.id(), kept.id);
    assert_eq!(handle.result().await.unwrap().task_id, kept.id);
    pass(ms(1)).await;
    assert_eq!(host.state(dropped.id).await, TaskState::Succeeded, "it was not cancelled");
    assert_eq!(world.disk.asked(Op::Read), 1, "that was this test");

    let again = Task { id: utils::generate_task_id(), ..kept.clone() };
    let mut handles = host.submit_tracked(vec![keyed(again, "k")]).await.unwrap();
    let handle = handles.pop().unwrap().unwrap();
    assert_eq!((handle.id(), handle.result().await.unwrap().task_id), (kept.id, kept.id));

    let mut handles = host.submit_tracked(vec![task(&[Step::Hang]).into()]).await.unwrap();
    let handle = handles.pop().unwrap().unwrap();
    host.shutdown(ms(10)).await;
    assert!(matches!(handle.result().await, Err(FabricError::NotRunning { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_type_whose_claim_is_a_start_runs_the_same() {
    let world = World::new(2);
    world.runner.set_genome("echo", genome());
    let host = world.start();
    for _ in 0..3 {
        assert!(host.execute(task(&[Step::Succeed(5)]).into()).await.unwrap().success);
    }
    assert_eq!(world.disk.asked(Op::Start), 0);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_submission_is_refused_and_the_others_of_its_batch_are_accepted() {
    let world = World::new(1);
    let host = world.start();
    let late = Task { deadline: Some(world.clock.now() - secs(1)), ..task(&[]) };
    let never = SubmitOptions { max_attempts: Some(0), ..SubmitOptions::default() };
    let good = [task(&[]), task(&[])];
    let batch = vec![
        good[0].clone().into(),
        late.into(),
        with(task(&[]), never),
        task_for("", &[]).into(),
        good[1].clone().into(),
    ];
    let answers = host.submit_batch(batch).await.unwrap();
    let taken: Vec<_> = answers.iter().map(|answer| answer.as_ref().ok().copied()).collect();
    assert_eq!(taken, [Some(good[0].id), None, None, None, Some(good[1].id)]);
    for answer in answers.iter().filter_map(|answer| answer.as_ref().err()) {
        assert!(matches!(answer, FabricError::InvalidRequest(_)), "{answer}");
    }
    for task in good {
        assert!(host.wait(task.id).await.unwrap().success);
    }
}

#[tokio::test(start_paused = true)]
async fn with_one_slot_a_backlog_is_served_by_shares() {
    let mut world = World::new(1);
    world.options.capacity = 2000;
    let host = world.start();
    let each = CLASSES.map(|class| vec![urgent(class, &[Step::Succeed(10)]); 400]);
    let fresh = |task: Task| Task { id: utils::generate_task_id(), ..task }.into();
    let answers = host.submit_batch(each.into_iter().flatten().map(fresh).collect()).await;
    assert!(answers.unwrap().iter().all(Result::is_ok));

    let rounds = 20;
    pass(ms(10 * 31 * rounds)).await;
    let runs = world.runner.runs();
    for (class, share) in CLASSES.into_iter().zip([16.0, 8.0, 4.0, 2.0, 1.0]) {
        let first = runs.iter().take(31 * rounds as usize);
        let served = first.filter(|run| run.priority == class).count() as f64;
        let due = share * rounds as f64;
        assert!((served - due).abs() <= due * 0.05, "{class}: {served} of {due}");
    }
    assert_eq!(world.runner.most_at_once("echo"), 1);
}

#[tokio::test(start_paused = true)]
async fn background_tasks_are_served_however_many_critical_ones_there_are() {
    let world = World::new(1);
    let host = world.start();
    let critical: Vec<_> =
        (0..500).map(|_| urgent(Priority::Critical, &[Step::Succeed(10)]).into()).collect();
    host.submit_batch(critical).await.unwrap();
    for _ in 0..5 {
        let asked = Instant::now();
        let background = urgent(Priority::Background, &[Step::Succeed(10)]);
        assert!(host.execute(background.into()).await.unwrap().success);
        assert!(asked.elapsed() <= ms(10 * 2 * 17), "{:?}", asked.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn inside_a_class_agent_types_take_turns_and_tasks_keep_their_order() {
    let mut world = World::new(1);
    world.runner.set_slots("other", 1);
    // Room for one task altogether, so that the types contend.
    world.options.in_hand = 1;
    let host = world.host();
    let many: Vec<_> = (0..100).map(|_| task(&[Step::Succeed(10)])).collect();
    let few: Vec<_> = (0..10).map(|_| task_for("other", &[Step::Succeed(10)])).collect();
    let order: Vec<_> = many.iter().map(|task| task.id).collect();
    host.submit_batch(many.into_iter().map(Into::into).collect()).await.unwrap();
    host.submit_batch(few.into_iter().map(Into::into).collect()).await.unwrap();
    host.start();

    pass(ms(200)).await;
    let runs = world.runner.runs();
    assert_eq!(runs.iter().take(20).filter(|run| run.agent_type == "other").count(), 10);
    let mine: Vec<_> = runs.iter().filter(|run| run.agent_type == "echo").map(|r| r.id).collect();
    assert_eq!(mine, order[..mine.len()]);
}

#[tokio::test(start_paused = true)]
async fn a_critical_task_begins_at_once_beside_background_runs() {
    let world = World::new(4);
    let host = world.start();
    for _ in 0..10 {
        host.submit(urgent(Priority::Background, &[Step::Hang]).into()).await.unwrap();
    }
    pass(secs(5)).await;
    assert_eq!(world.runner.running(), 3, "one slot is kept free");
    for _ in 0..3 {
        let asked = Instant::now();
        let critical = urgent(Priority::Critical, &[Step::Succeed(10)]);
        host.execute(critical.into()).await.unwrap();
        assert_eq!(asked.elapsed(), ms(10));
    }
    assert_eq!(world.runner.running(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_a_queued_task_and_its_waiters_get_the_result() {
    let world = World::new(1);
    let host = world.start();
    host.submit(task(&[Step::Hang]).into()).await.unwrap();
    let late = Task { deadline: Some(world.clock.now() + ms(1500)), ..task(&[]) };
    let asked = Instant::now();
    let result = host.execute(late.clone().into()).await.unwrap();
    assert!((1500..1510).contains(&asked.elapsed().as_millis()), "{:?}", asked.elapsed());
    let Some(Fault::OverQuota(breach)) = result.fault else { panic!("{result:?}") };
    assert_eq!(breach.quota, QuotaKind::Deadline);
    let record = host.record(late.id).await;
    assert_eq!((record.state, record.reason), (TaskState::Dead, Some(DeadReason::Expired)));
    assert_eq!(record.failed_attempts.len(), 1);
    assert_eq!(record.failed_attempts[0].error, AttemptError::Expired);
    assert_eq!(world.runner.runs_of(late.id), []);
}

#[tokio::test(start_paused = true)]
async fn a_task_behind_one_that_is_too_late_does_not_wait_for_it() {
    let world = World::new(1);
    // Only a claim finds out that a deadline is over.
    world.disk.fail(&[Op::Sweep]);
    let host = world.start();
    let first = host.submit(task(&[Step::Succeed(100)]).into()).await.unwrap();
    let late: Vec<_> =
        (0..3).map(|_| Task { deadline: Some(world.clock.now() + ms(50)), ..task(&[]) }).collect();
    for task in &late {
        host.submit(task.clone().into()).await.unwrap();
    }
    let told = host.waiter(late[0].id);
    let last = host.executor(task(&[]));
    let begun = Instant::now();
    host.wait(first).await.unwrap();
    assert!(last.await.unwrap().unwrap().success);
    assert_eq!(begun.elapsed(), ms(100));
    assert!(!told.await.unwrap().unwrap().success);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_passes_during_a_run_is_the_runners_business() {
    let world = World::new(1);
    let host = world.start();
    let deadline = Some(world.clock.now() + ms(100));
    let slow = Task { deadline, ..task(&[Step::Succeed(5000)]) };
    assert!(host.execute(slow.into()).await.unwrap().success);
}

/// The `Retry-After` of a full queue, when tasks take so long.
async fn comes_back_after(millis: u64) -> Duration {
    let mut world = World::new(1);
    world.options.capacity = 10;
    let host = world.start();
    let mut told = None;
    for _ in 0..60 {
        loop {
            let task = task(&[Step::Succeed(millis)]);
            match host.submit(task.clone().into()).await {
                Ok(_) => pass(Duration::ZERO).await,
                Err(FabricError::QueueFull { agent_type, capacity, retry_after }) => {
                    assert_eq!((agent_type.as_str(), capacity), ("echo", 10));
                    assert_eq!(host.get(task.id).await.unwrap(), None);
                    told = Some(retry_after);
                    break;
                }
                Err(error) => panic!("{error}"),
            }
        }
        pass(ms(millis)).await;
    }
    assert!(host.submit(task_for("other", &[]).into()).await.is_ok(), "each type has its own");
    told.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_says_when_to_come_back_and_the_faster_the_sooner() {
    let (slow, fast) = (comes_back_after(4000).await, comes_back_after(200).await);
    // A tenth of ten tasks, at a task in four seconds or five a second.
    assert!((2.0..8.0).contains(&slow.as_secs_f64()), "{slow:?}");
    assert!((0.1..0.4).contains(&fast.as_secs_f64()), "{fast:?}");
}

#[tokio::test(start_paused = true)]
async fn a_key_names_one_piece_of_work() {
    let world = World::new(1);
    let host = world.start();
    let work = || task(&[Step::Succeed(50)]);
    let first = host.submit(keyed(work(), "k")).await.unwrap();
    assert_eq!(host.submit(keyed(work(), "k")).await.unwrap(), first);
    assert_eq!(host.execute(keyed(work(), "k")).await.unwrap().task_id, first);
    assert_eq!(host.submit(keyed(work(), "k")).await.unwrap(), first, "also when it has ended");
    let other = host.submit(keyed(task(&[Step::Succeed(51)]), "k")).await;
    let Err(FabricError::IdempotencyKeyTaken { key, first: theirs }) = other else {
        panic!("{other:?}")
    };
    assert_eq!((key.as_str(), theirs), ("k", first));
    assert_ne!(host.submit(keyed(work(), "l")).await.unwrap(), first);

    let mut same = work();
    same.id = first;
    assert_eq!(host.submit(same.into()).await.unwrap(), first, "the same id is the same task");
    assert_eq!(world.runner.runs_of(first).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_repeat_after_its_deadline_is_answered_with_the_first() {
    let world = World::new(1);
    let host = world.start();
    let deadline = Some(world.clock.now() + secs(2));
    let work = || Task { deadline, ..task(&[Step::Succeed(50)]) };
    let first = host.submit(keyed(work(), "k")).await.unwrap();
    let result = host.wait(first).await.unwrap();
    pass(secs(5)).await;

    assert_eq!(host.submit(keyed(work(), "k")).await.unwrap(), first);
    assert_eq!(host.execute(keyed(work(), "k")).await.unwrap(), result);
    let same = Task { id: first, ..work() };
    let other = Task { deadline, ..task(&[Step::Succeed(51)]) };
    let never_taken = [work().into(), keyed(work(), "l")];
    let batch = [same.into(), keyed(work(), "k"), keyed(other, "k")].into_iter().chain(never_taken);
    let answers = host.submit_batch(batch.collect()).await.unwrap();
    let codes = answers.iter().map(|answer| answer.as_ref().map_err(FabricError::code).copied());
    let invalid = Err("invalid-request");
    let expected = [Ok(first), Ok(first), Err("idempotency-key-taken"), invalid, invalid];
    assert_eq!(codes.collect::<Vec<_>>(), expected);
    assert!(answers[4].as_ref().unwrap_err().to_string().contains("deadline is over since"));
    assert_eq!(world.runner.runs().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_task_for_later_is_not_begun_before_its_time() {
    let world = World::new(1);
    let host = world.start();
    let begun = Instant::now();
    let later = |millis| {
        let not_before = Some(world.clock.now() + ms(millis));
        with(task(&[]), SubmitOptions { not_before, ..SubmitOptions::default() })
    };
    let (last, first) = (later(90_000), later(250));
    let waiters = [&last, &first].map(|later| later.task.id);
    host.submit_batch(vec![last, first]).await.unwrap();
    assert_eq!(host.state(waiters[0]).await, TaskState::Delayed);
    for (id, millis) in [(waiters[1], 250), (waiters[0], 90_000)] {
        host.wait(id).await.unwrap();
        let after = world.runner.runs_of(id)[0].begun - begun;
        assert!((millis..millis + 10).contains(&(after.as_millis() as u64)), "{after:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn cancelling_takes_back_what_waits_and_ends_what_runs() {
    let world = World::new(1);
    let host = world.start();
    let running = host.submit(task(&[Step::Hang]).into()).await.unwrap();
    pass(ms(1)).await;
    let waiting = host.submit(task(&[]).into()).await.unwrap();
    let waiters = [host.waiter(running), host.waiter(waiting)];
    pass(ms(1)).await;

    assert!(host.cancel(waiting).await.unwrap(), "it was queued");
    assert!(!host.cancel(running).await.unwrap(), "it runs");
    for waiter in waiters {
        assert_eq!(waiter.await.unwrap().unwrap().fault, Some(Fault::Cancelled));
    }
    let [run] = &world.runner.runs()[..] else { panic!("{:?}", world.runner.runs()) };
    assert!(matches!(run.end, Some(End::Dropped(_))));
    for id in [running, waiting] {
        assert_eq!(host.state(id).await, TaskState::Cancelled);
        let again = host.cancel(id).await;
        let state = TaskState::Cancelled;
        assert!(matches!(again, Err(FabricError::TaskEnded { state: s, .. }) if s == state));
    }
    let unknown = utils::generate_task_id();
    assert!(
        matches!(host.cancel(unknown).await, Err(FabricError::TaskNotFound(id)) if id == unknown)
    );
    assert!(matches!(host.wait(unknown).await, Err(FabricError::TaskNotFound(_))));
    assert!(host.execute(task(&[]).into()).await.unwrap().success, "the slot is free again");
}

#[tokio::test(start_paused = true)]
async fn dropping_an_execution_takes_its_task_back_and_other_waiters_get_the_result() {
    let world = World::new(1);
    let host = world.start();
    let (running, queued) = (task(&[Step::Hang]), task(&[]));
    let executors = [host.executor(running.clone()), host.executor(queued.clone())];
    pass(ms(1)).await;
    let waiters = [host.waiter(running.id), host.waiter(queued.id)];
    pass(ms(1)).await;
    // The queued one first: it must not begin when the other ends.
    executors.iter().rev().for_each(|executor| executor.abort());
    pass(ms(1)).await;
    for id in [running.id, queued.id] {
        assert_eq!(host.state(id).await, TaskState::Cancelled);
        assert_eq!(world.disk.endings(id), 1);
    }
    assert_eq!(world.runner.running(), 0);
    assert_eq!(world.runner.runs_of(queued.id), []);
    for waiter in waiters {
        assert!(waiter.is_finished(), "it got no result");
        assert_eq!(waiter.await.unwrap().unwrap().fault, Some(Fault::Cancelled));
    }
}

#[tokio::test(start_paused = true)]
async fn an_execution_dropped_while_it_is_submitted_leaves_nothing_behind() {
    let world = World::new(0);
    world.disk.set_latency(3, ms(20));
    let host = world.start();
    let mut taken = 0;
    for after in 0..60 {
        let task = task(&[]);
        let executor = host.executor(task.clone());
        pass(ms(after)).await;
        executor.abort();
        pass(secs(1)).await;
        let Some(record) = host.get(task.id).await.unwrap() else { continue };
        assert_eq!(record.state, TaskState::Cancelled, "dropped after {after} ms");
        taken += 1;
    }
    assert!(taken > 0);
}

#[tokio::test(start_paused = true)]
async fn dead_letters_say_all_and_are_put_back_or_forgotten() {
    let world = World::new(1);
    let host = world.start();
    let mend = task(&[Step::Fail(20, failed()), Step::Succeed(1)]);
    let mended = host.submit(keyed(mend.clone(), "k")).await.unwrap();
    let broken = host.submit(task(&[Step::Fail(20, failed())]).into()).await.unwrap();
    for id in [mended, broken] {
        assert_eq!(host.wait(id).await.unwrap().fault, Some(failed()));
    }
    let dead = Filter { limit: 10, ..Filter::of(Some(TaskState::Dead)) };
    let listed = host.list(dead.clone()).await.unwrap();
    assert_eq!(listed.iter().map(|one| one.id).collect::<Vec<_>>(), [mended, broken]);
    assert!(listed.iter().all(|one| one.reason == Some(DeadReason::Failed)));
    let [attempt] = &host.record(mended).await.failed_attempts[..] else { panic!() };
    assert_eq!(attempt.error, AttemptError::Fault(failed()));
    assert_eq!((attempt.usage.clone(), attempt.genome), (Some(usage(20)), Some(genome())));
    assert_eq!((attempt.number, attempt.agent_id), (1, Some(agent())));

    let unknown = utils::generate_task_id();
    assert_eq!(host.requeue(vec![mended, unknown]).await.unwrap(), [mended]);
    assert!(host.wait(mended).await.unwrap().success);
    assert_eq!(host.requeue(vec![mended]).await.unwrap(), [], "it is not dead any more");
    assert_eq!(host.record(mended).await.failed_attempts.len(), 1, "what was is not forgotten");
    assert_eq!(host.purge(vec![mended, broken, unknown]).await.unwrap(), [mended, broken]);
    assert_eq!(host.get(broken).await.unwrap(), None);
    let fresh = Task { id: utils::generate_task_id(), ..mend };
    assert_eq!(host.submit(keyed(fresh.clone(), "k")).await.unwrap(), fresh.id, "the key is free");
}

#[tokio::test(start_paused = true)]
async fn the_stats_say_what_waits_runs_and_has_ended() {
    let world = World::new(2);
    let host = world.start();
    host.execute(task(&[Step::trap(), Step::Succeed(1)]).into()).await.unwrap();
    host.execute(task(&[Step::Fail(1, failed())]).into()).await.unwrap();
    host.submit(urgent(Priority::Critical, &[Step::Hang]).into()).await.unwrap();
    host.submit(urgent(Priority::Low, &[Step::Hang]).into()).await.unwrap();
    pass(ms(1)).await;
    host.submit(urgent(Priority::Low, &[]).into()).await.unwrap();
    host.submit(task_for("unknown", &[]).into()).await.unwrap();
    let not_before = Some(world.clock.now() + secs(1000));
    let later = SubmitOptions { not_before, ..SubmitOptions::default() };
    host.submit(with(task(&[]), later)).await.unwrap();
    let cancelled = host.submit(urgent(Priority::High, &[]).into()).await.unwrap();
    host.cancel(cancelled).await.unwrap();
    pass(secs(2)).await;

    let stats = host.stats().await.unwrap();
    let counts: Vec<_> = TaskState::ALL.map(|state| stats.count(state)).into();
    assert_eq!(counts, [2, 1, 0, 2, 1, 1, 1], "by state: {:?}", stats.by_state);
    let waiting: BTreeMap<_, _> = stats.waiting_by_priority.iter().copied().collect();
    assert_eq!(waiting.values().sum::<u64>(), 2);
    assert_eq!((waiting[&Priority::Low], waiting[&Priority::Normal]), (1, 1));
    let oldest: BTreeMap<_, _> = stats.oldest_waiting.iter().copied().collect();
    assert_eq!(oldest[&Priority::Low], secs(2));
    assert_eq!(stats.queued_by_type, [("echo".into(), 2), ("unknown".into(), 1)]);
    assert_eq!((stats.active_tasks, host.in_hand()), (2, 2));
    let [echo] = &stats.types[..] else { panic!("{:?}", stats.types) };
    assert_eq!((echo.agent_type.as_str(), echo.running), ("echo", 2));
    assert_eq!((echo.succeeded, echo.failed, echo.retried), (1, 1, 1));
    assert!(echo.ended_per_second > 0.0);
}
