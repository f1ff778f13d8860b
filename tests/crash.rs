//! `kill -9` under load: what was acknowledged ends once, whatever happens.
//!
//! A client feeds the real program tasks and keeps a history of what it heard:
//! sent, acknowledged, ended. The program is killed at random moments and
//! started again on the same folder. What the client heard of a task that it
//! sent is then one of three: acknowledged, refused, or nothing (unknown),
//! and the store is held against that history by eyes of its own.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use chimera_layer4::fabric::queue::TaskState;
use chimera_layer4::fabric::{TaskId, utils};
use serde_json::{Value, json};

use crate::harness::{guest_path, program};

/// Tasks that the client sends to one life of the program, if it lives that long.
const TASKS_IN_A_LIFE: u64 = 3000;

/// What the client knows of one task.
#[derive(Clone, Debug, Default)]
struct Known {
    acknowledged: bool,
    /// The results that it was told, which must be one at the most.
    ended: Vec<Value>,
}

#[derive(Default)]
struct History {
    tasks: HashMap<TaskId, Known>,
    refused: usize,
}

#[test]
fn nothing_is_lost_or_doubled_in_5_kills() {
    run(5);
}

/// The long run, a quarter of an hour:
/// `cargo test --workspace --test system -- --ignored long_100_kills`.
#[test]
#[ignore = "takes many minutes"]
fn long_100_kills() {
    run(100);
}

fn run(kills: u32) {
    // The same run again: CRASH_SEED=… cargo test --workspace --test system -- crash
    let seed = option_env!("CRASH_SEED").map_or(std::process::id().into(), |seed| {
        seed.parse().expect("CRASH_SEED is a whole number")
    });
    println!("seed {seed}");
    let mut chance = fastrand::Rng::with_seed(seed);
    let folder = crate::folders::data_folder();
    let mut history = History::default();
    for _ in 0..kills {
        // Compared with a time, a count of events finds the same moments on any machine.
        // One in five comes while the program opens its store.
        let early = chance.u8(..5) == 0;
        let moment = if early { 0 } else { chance.u64(1..2 * TASKS_IN_A_LIFE) };
        live(folder.path(), &mut history, Some(moment), &mut chance);
    }
    live(folder.path(), &mut history, None, &mut chance);
    check(folder.path(), &history, kills);
}

/// One life of the program: killed when it has said so many things, or left to
/// finish what there is.
fn live(folder: &Path, history: &mut History, until: Option<u64>, chance: &mut fastrand::Rng) {
    let mut child = start(folder);
    let mut stdin = child.stdin.take().unwrap();
    let ids: Vec<TaskId> = (0..TASKS_IN_A_LIFE).map(|_| utils::generate_task_id()).collect();
    let lines: Vec<String> = ids.iter().map(|id| line(*id, chance)).collect();
    for id in &ids {
        history.tasks.insert(*id, Known::default());
    }
    // The end of the pipe is the end of the program, not of the test.
    let feed = std::thread::spawn(move || {
        for line in lines {
            if writeln!(stdin, "{line}").is_err() {
                return;
            }
        }
    });
    let mut heard = 0;
    if until == Some(0) {
        (0..chance.u32(..2_000_000)).for_each(|_| std::hint::spin_loop());
        child.kill().unwrap();
    }
    for event in BufReader::new(child.stdout.take().unwrap()).lines() {
        // The kill may cut the last line, which then does not count as read.
        let Ok(event) = serde_json::from_str::<Value>(&event.unwrap()) else { continue };
        heard += 1;
        note(history, &event);
        if until == Some(heard) {
            child.kill().unwrap();
        }
    }
    let status = child.wait().unwrap();
    feed.join().unwrap();
    if until.is_none() {
        assert!(status.code().is_some_and(|code| code <= 1), "{status}");
    }
}

fn start(folder: &Path) -> Child {
    let agent = |name: &str| format!("{name}={}", guest_path(name).display());
    Command::new(program())
        .args(["work", "--agent", &agent("echo"), "--agent", &agent("hostile")])
        .args(["--tasks", "-", "--json", "--data-dir"])
        .arg(folder)
        .env("LAYER4_TASK_QUEUE_CAPACITY", "100000")
        .env("LAYER4_RESULT_RETENTION_COUNT", "10000000")
        .env("LAYER4_DEAD_LETTER_RETENTION_COUNT", "10000000")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn line(id: TaskId, chance: &mut fastrand::Rng) -> String {
    let classes = ["critical", "high", "normal", "low", "background"];
    let priority = classes[chance.usize(..classes.len())];
    let payload = json!({ "n": chance.u32(..) });
    match chance.u8(..100) {
        0..5 => json!({ "id": id, "type": "echo", "payload": payload, "delay": 1 }),
        5 => json!({ "id": id, "type": "hostile", "payload": { "do": "trap" }, "attempts": 1 }),
        6 => json!({ "id": id, "type": "hostile", "payload": { "do": "fail" } }),
        // Enough that end well, so that the breaker stays closed.
        7..20 => json!({ "id": id, "type": "hostile", "payload": { "do": "nothing" } }),
        _ => json!({ "id": id, "type": "echo", "payload": payload, "priority": priority }),
    }
    .to_string()
}

fn note(history: &mut History, event: &Value) {
    let id = |value: &Value| value.as_str().unwrap().parse::<TaskId>().unwrap();
    match event["event"].as_str().unwrap() {
        "submitted" => {
            history.tasks.get_mut(&id(&event["task_id"])).unwrap().acknowledged = true;
        }
        "ended" => {
            let result = event["result"].clone();
            history.tasks.get_mut(&id(&result["task_id"])).unwrap().ended.push(result);
        }
        _ => history.refused += 1,
    }
}

/// Holds the database against the history.
fn check(folder: &Path, history: &History, kills: u32) {
    let database = rusqlite::Connection::open(folder.join("chimera.db")).unwrap();
    // Compares every index, the partial ones too, with what the rows imply.
    let sound: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
    let rows = rows(&database);
    let (mut lost, mut doubled, mut unknown_kept, mut unknown_gone) = (0, 0, 0, 0);
    let mut over_bounds = 0;
    for (id, known) in &history.tasks {
        let row = rows.get(id);
        let ended = row.is_some_and(|row| row.state.has_ended() && row.result.is_some());
        match (known.acknowledged, row) {
            (true, _) if !ended => lost += 1,
            (false, Some(_)) if !ended => lost += 1,
            (false, Some(_)) => unknown_kept += 1,
            (false, None) => unknown_gone += 1,
            (true, _) => {}
        }
        // A result that was told is the one that is kept: no second finish was
        // accepted after it.
        let kept = row.and_then(|row| row.result.as_ref());
        doubled +=
            usize::from(known.ended.len() > 1 || known.ended.iter().any(|told| Some(told) != kept));
        over_bounds += usize::from(row.is_some_and(|row| row.attempts > row.max_attempts));
    }
    let strangers = rows.keys().filter(|id| !history.tasks.contains_key(id)).count();
    let acknowledged = history.tasks.values().filter(|known| known.acknowledged).count();
    let of = |state| rows.values().filter(|row| row.state == state).count();
    println!(
        "kills {kills} · sent {} · acknowledged {acknowledged} · refused {} · unknown and kept \
         {unknown_kept} · unknown and gone {unknown_gone} · succeeded {} · dead {} · lost {lost} · \
         doubled {doubled} · over their attempts {over_bounds} · strangers {strangers}",
        history.tasks.len(),
        history.refused,
        of(TaskState::Succeeded),
        of(TaskState::Dead),
    );
    assert_eq!((lost, doubled, over_bounds, strangers), (0, 0, 0, 0));
    assert!(acknowledged > 0 && history.refused == 0);
}

struct Row {
    state: TaskState,
    attempts: u32,
    max_attempts: u32,
    result: Option<Value>,
}

fn rows(database: &rusqlite::Connection) -> HashMap<TaskId, Row> {
    let sql = "SELECT t.id, t.state, t.attempts, t.max_attempts, r.result, r.output
               FROM tasks t LEFT JOIN results r USING (seq)";
    let mut statement = database.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| {
        let id: [u8; 16] = row.get(0)?;
        let (rest, output): (Option<String>, Option<String>) = (row.get(4)?, row.get(5)?);
        let result = rest.zip(output).map(|(rest, output)| {
            let mut result: Value = serde_json::from_str(&rest).unwrap();
            result["output"] = serde_json::from_str(&output).unwrap();
            result
        });
        let row = Row {
            state: TaskState::ALL[usize::from(row.get::<_, u8>(1)?)],
            attempts: row.get(2)?,
            max_attempts: row.get(3)?,
            result,
        };
        Ok((TaskId::from(uuid::Uuid::from_bytes(id)), row))
    });
    rows.unwrap().map(Result::unwrap).collect()
}
