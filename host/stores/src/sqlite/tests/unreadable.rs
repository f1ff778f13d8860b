//! Rows that cannot be read: damaged, or of another version.

use super::*;

/// What is stored of a task cannot be read, whichever part it is and wherever
/// the task stands: it ends as a dead letter, leaves its place in the queue, is
/// shown as it is stored, and is put back or forgotten like others.
#[tokio::test]
async fn a_task_that_cannot_be_read_is_a_dead_letter() {
    let deep = "[".repeat(200) + &"]".repeat(200);
    let deep = format!("UPDATE bodies SET payload = '{deep}'");
    let rows = [
        (deep.as_str(), "payload", "[[["),
        ("UPDATE bodies SET payload = '[1'", "payload", "[1"),
        ("UPDATE bodies SET payload = CAST(x'22ff22' AS TEXT)", "payload", "\"\u{fffd}\""),
        ("UPDATE bodies SET task = '{}'", "task", "{}"),
        ("DELETE FROM bodies", "", ""),
    ];
    for (spoil, part, text) in rows {
        for claimed_first in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let (store, _) = open(folder.path()).await;
            let id = submit(&store, 1).await.unwrap()[0];
            let sql = spoil.to_owned();
            store.ask(Commit::Synced, move |queue| queue.rows().execute(&sql, [])).await.unwrap();
            if claimed_first {
                assert!(claim(&store, 10, None).await.is_empty(), "{spoil}");
            }
            let record = store.get(id).await.unwrap().unwrap();
            let end = (record.state, record.reason);
            assert_eq!(end, (TaskState::Dead, Some(DeadReason::Unreadable)), "{spoil}");
            assert_eq!((record.task.id, &*record.task.target_agent_type), (id, "echo"));
            let unreadable = record.unreadable.unwrap();
            assert!(!unreadable.reason.is_empty());
            let stored = unreadable.stored.get(part).map_or("", String::as_str);
            assert!(stored.starts_with(text), "{spoil}: {unreadable:?}");
            let fault = record.result.unwrap().fault.unwrap();
            assert_eq!(fault.code(), "unreadable");
            assert!(serde_json::to_string(&record.failed_attempts).unwrap().contains("unreadable"));
            assert_eq!(store.stats().await.unwrap().queued_by_type, []);
            assert!(claim(&store, 10, None).await.is_empty(), "it is handed out once");

            assert_eq!(store.requeue(vec![id], NOW).await.unwrap(), [id]);
            assert!(claim(&store, 10, None).await.is_empty());
            assert_eq!(count(&store, TaskState::Dead).await, 1, "it still cannot be read");
            assert_eq!(store.purge(vec![id]).await.unwrap(), [id]);
            assert_eq!(store.get(id).await.unwrap(), None);
        }
    }
}

#[tokio::test]
async fn a_result_that_cannot_be_read_makes_a_dead_letter_too() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    let id = submit(&store, 1).await.unwrap()[0];
    let lease = claim(&store, 1, None).await[0].lease;
    let result = settle::lost(id, 1, NOW);
    let settled = Settled { lease, settlement: Settlement::Succeeded(result), genome: None };
    store.settle(vec![settled], NOW).await.unwrap()[0].unwrap();
    let spoil = "UPDATE results SET output = '{\"a\":'";
    store.ask(Commit::Synced, move |queue| queue.rows().execute(spoil, [])).await.unwrap();

    let record = store.get(id).await.unwrap().unwrap();
    assert_eq!((record.state, record.reason), (TaskState::Dead, Some(DeadReason::Unreadable)));
    assert_eq!(record.unreadable.unwrap().stored["output"], "{\"a\":");
    assert_eq!(record.result.unwrap().fault.unwrap().code(), "unreadable");
    assert_eq!(store.requeue(vec![id], NOW).await.unwrap(), [id]);
    let again = store.get(id).await.unwrap().unwrap();
    assert_eq!((again.state, again.unreadable), (TaskState::Waiting, None));
    assert_eq!(claim(&store, 1, None).await.len(), 1, "its input is well");
}

/// A row whose columns hold nonsense would fail every list that it is in.
#[tokio::test]
async fn nonsense_in_a_rows_columns_is_mended_at_the_next_start() {
    let wrong = [
        "state = 7",
        "state = -1",
        "priority = 9",
        "at = -1",
        "fence = -5",
        "attempts = -1",
        "attempts = 5000000000",
        "max_attempts = -2",
        "crashes = -1",
        "lost_claims = -1",
        "host_faults = -1",
        "deadline = -1",
        "submitted_at = -1",
        "id = x'00'",
        "agent_type = -4",
        "agent_type = 99",
        "genome = -1, state = 3",
        "owner = x'01', state = 2",
    ];
    for wrong in wrong {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = open(folder.path()).await;
        submit(&store, 3).await.unwrap();
        let sql = format!("UPDATE tasks SET {wrong} WHERE seq = 2");
        store.ask(Commit::Synced, move |queue| queue.rows().execute(&sql, [])).await.unwrap();
        drop(store);
        let (store, _) = open(folder.path()).await;
        assert_eq!(count(&store, TaskState::Waiting).await, 2, "{wrong}");
        let filter = Filter { limit: 10, ..Filter::of(Some(TaskState::Dead)) };
        let dead = store.list(filter).await.unwrap();
        assert_eq!(dead.len(), 1, "{wrong}");
        assert_eq!(dead[0].reason, Some(DeadReason::Unreadable), "{wrong}");
        let record = store.get(dead[0].id).await.unwrap().unwrap();
        serde_json::to_string(&record).unwrap();
        let reason = record.unreadable.unwrap().reason;
        let column = wrong.split(' ').next().unwrap();
        assert!(reason.starts_with("its row: ") && reason.contains(column), "{wrong}: {reason}");
        assert!(record.result.unwrap().error.unwrap().contains(&reason), "{wrong}");
        assert_eq!((record.task.id, &record.task.priority), (dead[0].id, &dead[0].priority));
        assert_eq!(record.task.target_agent_type, dead[0].agent_type, "{wrong}");
        store.sweep(NOW, Bounds::default()).await.unwrap();
        assert_eq!(store.purge(vec![dead[0].id]).await.unwrap().len(), 1, "{wrong}");
    }
}

/// The task itself says what its row does not, so that a list and a record agree.
#[tokio::test]
async fn a_mended_row_says_what_its_task_does_and_is_put_back() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    let mut high = submission();
    high.task.priority = Priority::High;
    let id = high.task.id;
    store.submit(vec![high], TERMS).await.unwrap();
    let spoil = "UPDATE tasks SET agent_type = 99, priority = 77, id = x'00'";
    store.ask(Commit::Synced, move |queue| queue.rows().execute(spoil, [])).await.unwrap();
    drop(store);
    let (store, _) = open(folder.path()).await;
    let record = store.get(id).await.unwrap().unwrap();
    let reason = record.unreadable.unwrap().reason;
    for message in [
        "priority is 77, allowed is 0 to 4",
        "id has 1 bytes, allowed are 16",
        "agent_type is 99, which is the number of no agent type",
    ] {
        assert!(reason.contains(message), "{reason}");
    }
    let dead = Filter { limit: 9, ..Filter::of(Some(TaskState::Dead)) };
    let listed = &store.list(dead).await.unwrap()[0];
    assert_eq!((listed.id, &*listed.agent_type, listed.priority), (id, "echo", Priority::High));
    assert_eq!(store.requeue(vec![id], NOW).await.unwrap(), [id]);
    let again = store.get(id).await.unwrap().unwrap();
    assert_eq!((again.unreadable, again.result), (None, None));
    assert_eq!(claim(&store, 1, None).await.len(), 1, "the task is well");
}

/// Without the task a name is made up; what has ended is no dead letter for it.
#[tokio::test]
async fn an_agent_type_that_is_lost_is_named_alike_everywhere() {
    for (state, body, expected) in [(0, false, 5), (4, true, 4), (4, false, 5)] {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = open(folder.path()).await;
        let id = submit(&store, 1).await.unwrap()[0];
        let mut spoil = vec![format!("UPDATE tasks SET agent_type = 99, state = {state}")];
        if !body {
            spoil.push("UPDATE bodies SET task = '{'".to_owned());
        }
        for sql in spoil {
            store.ask(Commit::Synced, move |queue| queue.rows().execute(&sql, [])).await.unwrap();
        }
        drop(store);
        let (store, _) = open(folder.path()).await;
        // Looking condemns what cannot be read.
        let record = store.get(id).await.unwrap().unwrap();
        let listed = store.list(Filter { limit: 9, ..Filter::of(None) }).await.unwrap();
        assert_eq!(listed[0].agent_type, record.task.target_agent_type);
        assert_eq!(listed[0].agent_type == "echo", body);
        assert_eq!(listed[0].state, TaskState::ALL[expected], "{state} {body}");
    }
}

#[tokio::test]
async fn a_reason_and_a_genome_of_another_version_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    let id = submit(&store, 1).await.unwrap()[0];
    let spoil = "UPDATE tasks SET state = 5, reason = 'of the future', genome = 77";
    store.ask(Commit::Synced, move |queue| queue.rows().execute(spoil, [])).await.unwrap();
    let record = store.get(id).await.unwrap().unwrap();
    assert_eq!((record.reason, record.genome), (Some(DeadReason::Unreadable), None));
    assert_eq!(store.requeue(vec![id], NOW).await.unwrap(), [id]);
}
