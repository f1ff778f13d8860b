//! The queue as an operator meets it: `chimera task` and `dead-letters`, and what
//! they say when the store cannot be had.

use chimera_layer4::fabric::queue::DeadReason;
use serde_json::{Value, json};

use crate::cli::Chimera;
use crate::harness::guest_path;

/// `--agent` for the fixture or agent of this name.
pub(crate) fn agent(name: &str) -> String {
    format!("{name}={}", guest_path(name).display())
}

/// Runs it, which must end well, and gives what it printed.
pub(crate) fn well(chimera: &Chimera, arguments: &[&str]) -> String {
    let ended = chimera.run(arguments);
    assert_eq!(ended.code, 0, "{arguments:?}\n{}{}", ended.out, ended.err);
    ended.out.trim_end().to_owned()
}

pub(crate) fn json_of(chimera: &Chimera, arguments: &[&str]) -> Value {
    serde_json::from_str(&well(chimera, arguments)).unwrap()
}

#[test]
fn a_task_waits_in_the_folder_until_a_host_works() {
    let chimera = Chimera::new();
    let payload = r#"{"n": 7}"#;
    let id = well(&chimera, &["task", "submit", "--type", "echo", "--task", payload]);
    assert!(well(&chimera, &["task", "list"]).contains(&id));
    let stats = well(&chimera, &["task", "stats"]);
    assert!(
        stats.contains("waiting, normal: 1") && stats.contains("queued for echo: 1"),
        "{stats}"
    );

    well(&chimera, &["work", "--agent", &agent("echo")]);
    let shown = json_of(&chimera, &["task", "show", &id, "--json"]);
    assert_eq!((&shown["state"], &shown["attempts"]), (&json!("succeeded"), &json!(1)));
    assert_eq!(shown["result"]["output"], json!({"n": 7}));
    assert!(shown["result"]["resource_usage"]["cpu_seconds"].as_f64().unwrap() > 0.0);
    let text = well(&chimera, &["task", "show", &id]);
    assert!(text.contains("state      succeeded") && text.contains(r#"{"n":7}"#), "{text}");

    assert_eq!(well(&chimera, &["task", "purge", &id]), "1 task purged");
    chimera.refuses(3, &["task", "show", &id], &["there is no task"]);
}

#[test]
fn a_key_names_one_piece_of_work() {
    let chimera = Chimera::new();
    let submit = |payload| {
        ["task", "submit", "--type", "echo", "--key", "k", "--task", payload].map(str::to_owned)
    };
    let run = |payload| {
        let arguments = submit(payload);
        chimera.run(&arguments.each_ref().map(String::as_str))
    };
    let first = run("1");
    assert_eq!(run("1").out, first.out);
    let other = run("2");
    assert_eq!((other.code, other.out.as_str()), (3, ""));
    assert!(other.err.contains(first.out.trim()), "{}", other.err);
}

#[test]
fn a_dead_letter_is_looked_at_run_again_and_forgotten() {
    let chimera = Chimera::new();
    let submit = ["task", "submit", "--type", "hostile", "--attempts", "2", "--task"];
    let id = well(&chimera, &[&submit[..], &[r#"{"do": "trap"}"#]].concat());
    let work = ["work", "--agent", &agent("hostile")];
    well(&chimera, &work);
    let dead = json_of(&chimera, &["dead-letters", "show", &id, "--json"]);
    assert_eq!(dead["reason"], "attempts-exhausted");
    let attempts = dead["failed_attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 2);
    for attempt in attempts {
        assert_eq!(attempt["fault"]["kind"], "guest");
        assert!(attempt["genome"].as_str().unwrap().starts_with("sha256:"), "{attempt}");
        assert!(attempt["usage"]["cpu_seconds"].as_f64().unwrap() > 0.0);
    }
    assert_eq!(dead["task"]["payload"], json!({"do": "trap"}), "the input is kept");
    let text = well(&chimera, &["dead-letters", "show", &id]);
    let error = dead["result"]["error"].as_str().unwrap();
    assert_eq!(text.matches(error).count(), 1, "{text}");
    assert!(text.contains("  2: as 1 · sha256:"), "{text}");
    assert!(text.contains("error      as its last attempt\n"), "{text}");
    let listed = well(&chimera, &["dead-letters", "list"]);
    assert!(listed.contains(&id) && listed.contains("attempts-exhausted"), "{listed}");

    assert_eq!(well(&chimera, &["dead-letters", "requeue", &id]), "1 task back in the queue");
    well(&chimera, &work);
    let again = json_of(&chimera, &["dead-letters", "show", &id, "--json"]);
    assert_eq!(again["failed_attempts"].as_array().unwrap().len(), 4);
    purge_all_asks(&chimera);
    assert_eq!(well(&chimera, &["dead-letters", "list"]), "");
    chimera.refuses(2, &["dead-letters", "purge"], &["<IDS>"]);
}

#[test]
fn the_help_names_every_reason_of_a_dead_letter() {
    let chimera = Chimera::new();
    for list in [["task", "list", "--help"], ["dead-letters", "list", "--help"]] {
        let help = well(&chimera, &list);
        for reason in DeadReason::ALL {
            assert!(help.contains(&reason.to_string()), "{list:?} lacks {reason}:\n{help}");
        }
    }
}

/// Rows that were damaged while no process had the folder open.
#[test]
fn a_damaged_row_is_a_dead_letter_that_says_what_it_was() {
    let chimera = Chimera::new();
    for (spoil, reason) in [
        ("priority = 77", "priority is 77, allowed is 0 to 4"),
        ("agent_type = 99", "agent_type is 99, which is the number of no agent type"),
    ] {
        let id = well(&chimera, &["task", "submit", "--type", "echo", "--task", "7"]);
        let database = rusqlite::Connection::open(chimera.data().join("chimera.db")).unwrap();
        let spoil = format!("UPDATE tasks SET {spoil} WHERE state = 0");
        assert_eq!(database.execute(&spoil, []).unwrap(), 1);
        drop(database);
        let shown = well(&chimera, &["task", "show", &id]);
        let reason = format!("unreadable its row: {reason}");
        for words in ["dead (unreadable)", "type       echo", &reason] {
            assert!(shown.contains(words), "{words}\n{shown}");
        }
        let listed = well(&chimera, &["dead-letters", "list"]);
        assert!(listed.contains(&id) && listed.contains("  echo  unreadable"), "{listed}");
        well(&chimera, &["dead-letters", "requeue", &id]);
        well(&chimera, &["work", "--agent", &agent("echo")]);
        assert_eq!(json_of(&chimera, &["task", "show", &id, "--json"])["result"]["output"], 7);
    }
}

#[test]
fn an_expired_task_runs_once_it_is_put_back() {
    let chimera = Chimera::new();
    let later = ["--delay", "1", "--deadline", "2", "--task", "7"];
    let id = well(&chimera, &[&["task", "submit", "--type", "echo"], &later[..]].concat());
    // No agent of its type works before its deadline: another agent's host sees it pass.
    let state = || json_of(&chimera, &["task", "show", &id, "--json"])["state"].clone();
    while state() != "dead" {
        well(&chimera, &["work", "--agent", &agent("hostile")]);
    }
    well(&chimera, &["dead-letters", "requeue", "--all"]);
    well(&chimera, &["work", "--agent", &agent("echo")]);
    assert_eq!(json_of(&chimera, &["task", "show", &id, "--json"])["result"]["output"], 7);
    let purged = chimera.run(&["dead-letters", "purge", &id]);
    assert_eq!((purged.code, purged.out.trim()), (3, "0 tasks purged"), "it is none any more");
}

#[test]
fn what_cannot_be_is_refused_before_it_is_queued() {
    let chimera = Chimera::new();
    let submit = ["task", "submit", "--type", "echo"];
    for (option, value, words) in [
        ("--delay", "9999999999999", "not_before is before the year 1970 or after 9999"),
        ("--deadline", "0", "deadline is over"),
        ("--attempts", "0", "max_attempts is 0; allowed is 1 to 100"),
        ("--key", "", "idempotency_key has 0 bytes"),
        ("--quota", "memory=0", "max_memory_mb is 0"),
    ] {
        chimera.refuses(3, &[&submit[..], &[option, value]].concat(), &[words]);
    }
    chimera.refuses(2, &[&submit[..], &["--priority", "urgent"]].concat(), &["critical, high"]);
    let echo = guest_path("echo").display().to_string();
    let named = |n| format!("{n}={echo}");
    let mut many = vec!["work".to_owned()];
    many.extend((0..11).flat_map(|n| ["--agent".to_owned(), named(n)]));
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    chimera.refuses(3, &many, &["`max_agents` is 10", "LAYER4_MAX_AGENTS=11"]);
}

/// There is one dead letter.
fn purge_all_asks(chimera: &Chimera) {
    let purge = |answer: &str| {
        let mut purge = chimera.command(&["dead-letters", "purge", "--all"]);
        Chimera::end(purge.write_stdin(answer.to_owned()))
    };
    for no in ["", "\n", "n\n", "yonder\n"] {
        let ended = purge(no);
        assert_eq!((ended.code, ended.out.as_str()), (3, ""), "{no:?}");
        assert!(ended.err.contains("forget 1 dead letters") && ended.err.contains("--yes"));
    }
    assert_eq!(purge("y\n").out, "1 task purged\n");
    // What there is nothing of is not asked about.
    assert_eq!(well(chimera, &["dead-letters", "purge", "--all"]), "0 tasks purged");
    assert_eq!(well(chimera, &["dead-letters", "purge", "--all", "--yes"]), "0 tasks purged");
}

#[test]
fn a_list_names_its_columns_and_says_what_its_time_is() {
    let chimera = Chimera::new();
    well(&chimera, &["task", "submit", "--type", "hostile", "--task", r#"{"do": "fail"}"#]);
    let list = |state| well(&chimera, &["task", "list", "--state", state]);
    let waiting = list("waiting");
    let head = chimera.run(&["task", "list"]).err;
    let heads = ["TASK", "STATE", "PRIORITY", "ATTEMPTS", "SUBMITTED", "TIME", "TYPE"];
    assert!(heads.iter().all(|name| head.contains(name)), "{head}");
    assert!(waiting.contains("  since 20"), "{waiting}");
    well(&chimera, &["task", "submit", "--type", "echo", "--delay", "3600"]);
    assert!(list("delayed").contains("  due 20"));
    well(&chimera, &["work", "--agent", &agent("hostile")]);
    let dead = list("dead");
    assert!(dead.contains("  ended 20") && dead.ends_with("hostile  failed"), "{dead}");
    // The columns stand under their heads.
    assert_eq!(head.find("TYPE"), dead.find("hostile"), "{head}{dead}");
    // In JSON every time has the form that the task's own times have.
    for task in json_of(&chimera, &["task", "list", "--state", "all", "--json"]).as_array().unwrap()
    {
        for time in ["at", "submitted_at"] {
            assert!(task[time].as_str().unwrap().ends_with('Z'), "{task}");
        }
    }
}

#[test]
fn debug_says_what_is_done() {
    let chimera = Chimera::new();
    let run = ["run", &guest_path("echo").display().to_string(), "--task", "1"];
    let quiet = chimera.run(&run).err;
    let debug = chimera.run(&[&run[..], &["--debug"]].concat()).err;
    for words in ["the settings are read", "the component is loaded", "a run has ended"] {
        assert!(debug.contains(words) && !quiet.contains(words), "{words}: {debug}");
    }
    let list = chimera.run(&["task", "list", "--debug"]).err;
    assert!(list.contains("its queue is opened here"), "{list}");
}

#[test]
fn lists_are_filtered_and_may_begin_with_the_newest() {
    let chimera = Chimera::new();
    let submit =
        |arguments: &[&str]| well(&chimera, &[&["task", "submit", "--type"], arguments].concat());
    let labels = ["echo", "--metadata", "run=7", "--metadata", "by=a=b"];
    let first = submit(&labels);
    let fails = submit(&["hostile", "--attempts", "1", "--task", r#"{"do": "fail"}"#]);
    let late = submit(&["hostile", "--quota", "memory=32", "--task", r#"{"do": "hoard"}"#]);
    well(&chimera, &["work", "--agent", &agent("hostile")]);
    let last = submit(&["parser", "--priority", "high"]);

    let shown = json_of(&chimera, &["task", "show", &first, "--json"]);
    assert_eq!(shown["task"]["metadata"], json!({"run": "7", "by": "a=b"}));
    for (typed, words) in [("run", "the form is KEY=VALUE"), ("", "the form is")] {
        chimera.refuses(3, &["task", "submit", "--type", "e", "--metadata", typed], &[words]);
    }

    let ids = |arguments: &[&str]| -> Vec<String> {
        let listed = json_of(&chimera, &[arguments, &["--json"]].concat());
        let listed = listed.as_array().unwrap();
        listed.iter().map(|task| task["id"].as_str().unwrap().to_owned()).collect()
    };
    let all = ["task", "list", "--state", "all"];
    assert_eq!(ids(&all), [&*first, &fails, &late, &last]);
    let newest = [&all[..], &["--newest"]].concat();
    assert_eq!(ids(&newest), [&*last, &late, &fails, &first]);
    assert_eq!(ids(&[&newest[..], &["--limit", "2"]].concat()), [&*last, &late]);
    assert_eq!(ids(&[&newest[..], &["--after", &late]].concat()), [&*fails, &first]);
    assert_eq!(ids(&[&all[..], &["--priority", "high"]].concat()), [&*last]);
    assert_eq!(ids(&[&all[..], &["--type", "echo"]].concat()), [&*first]);
    assert_eq!(ids(&["task", "list", "--failed"]).len(), 2);
    let dead = ["dead-letters", "list", "--reason"];
    assert_eq!(ids(&[&dead[..], &["failed"]].concat()), [&*fails]);
    assert_eq!(ids(&[&dead[..], &["over-quota"]].concat()), [&*late]);
    chimera.refuses(2, &[&dead[..], &["bored"]].concat(), &["attempts-exhausted", "host-fault"]);
    chimera.refuses(2, &["task", "list", "--state", "gone"], &["cancelled or all"]);
    let purge = ["dead-letters", "purge", "--all", "--yes", "--reason", "over-quota"];
    assert_eq!(well(&chimera, &purge), "1 task purged");
    assert_eq!(ids(&["task", "list", "--failed"]), [&*fails]);
}

#[test]
fn a_dead_letter_of_a_panic_tells_its_message_and_place_and_keeps_the_log() {
    let chimera = Chimera::new();
    let submit = ["task", "submit", "--type", "hostile", "--attempts", "2", "--task"];
    let trap = well(&chimera, &[&submit[..], &[r#"{"do": "trap"}"#]].concat());
    let exit = well(&chimera, &[&submit[..], &[r#"{"do": "exit"}"#]].concat());
    let good = well(&chimera, &["task", "submit", "--type", "hostile", "--task", r#"{"do": ""}"#]);
    well(&chimera, &["work", "--agent", &agent("hostile")]);

    let shown = well(&chimera, &["dead-letters", "show", &trap]);
    let panic = "panicked at tests/guests/hostile/src/behaviour.rs:";
    assert_eq!(shown.matches(panic).count(), 1, "of two attempts and the task's error: {shown}");
    assert!(shown.contains("as asked)"), "{shown}");

    let logs = well(&chimera, &["task", "logs", &trap]);
    assert!(logs.starts_with("attempt 1 · 20") && logs.contains("attempt 2 · "), "{logs}");
    assert_eq!(logs.matches("\n  error the agent panicked: panicked at ").count(), 2, "{logs}");
    let logs = json_of(&chimera, &["task", "logs", &trap, "--json"]);
    let lines = logs[1]["lines"].as_array().unwrap();
    assert!(lines.iter().any(|line| line["message"].as_str().unwrap().contains(panic)), "{logs}");
    assert_eq!((&logs[1]["attempt"], &logs[1]["bytes_left_out"]), (&json!(2), &json!(0)));

    // What said nothing has an empty log; what ended well, none.
    assert_eq!(json_of(&chimera, &["task", "logs", &exit, "--json"])[0]["lines"], json!([]));
    let none = chimera.run(&["task", "logs", &good]);
    assert_eq!((none.code, none.out.as_str()), (0, ""));
    assert!(none.err.contains("it is succeeded"), "{}", none.err);
    let unknown = "01890a5d-ac96-774b-bcce-b302099a8057";
    chimera.refuses(3, &["task", "logs", unknown], &["there is no task"]);
}

#[test]
fn of_a_long_log_the_end_is_kept() {
    let chimera = Chimera::new();
    let flood = r#"{"do": "print-flood", "amount": 10000, "then": "trap"}"#;
    let submit = ["task", "submit", "--type", "hostile", "--attempts", "1", "--task", flood];
    let id = well(&chimera, &submit);
    well(&chimera, &["work", "--agent", &agent("hostile")]);
    let logs = json_of(&chimera, &["task", "logs", &id, "--json"]);
    let lines = logs[0]["lines"].as_array().unwrap();
    let text: Vec<&str> = lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
    assert!(text.last().unwrap().contains("as asked"), "{text:?}");
    assert!(text.iter().map(|line| line.len()).sum::<usize>() <= 8 << 10);
    assert!(logs[0]["bytes_left_out"].as_u64().unwrap() > 9_000_000, "{logs}");
    assert!(logs[0]["error"].as_str().unwrap().contains("as asked"), "{logs}");
}

#[test]
fn a_waiting_task_is_taken_back_once() {
    let chimera = Chimera::new();
    let id = well(&chimera, &["task", "submit", "--type", "echo", "--delay", "3600"]);
    assert!(well(&chimera, &["task", "list", "--state", "delayed"]).contains(&id));
    assert_eq!(well(&chimera, &["task", "cancel", &id]), "1 task cancelled");
    let ended = chimera.run(&["task", "cancel", &id]);
    assert_eq!(ended.code, 3);
    assert!(ended.err.contains(&format!("{id} is cancelled; only")), "{}", ended.err);
    let purged = chimera.run(&["task", "purge", "01890a5d-ac96-774b-bcce-b302099a8057"]);
    assert_eq!((purged.code, purged.out.trim()), (3, "0 tasks purged"));
}

#[test]
fn a_store_that_cannot_be_had_is_named_with_the_reason() {
    let chimera = Chimera::new();
    well(&chimera, &["task", "submit", "--type", "echo"]);
    let database = chimera.data().join("chimera.db");
    let garbage = b"this is not a database, it only lies where one should be";
    std::fs::write(&database, garbage).unwrap();
    chimera.refuses(7, &["task", "list"], &["chimera.db", "not a database"]);
    assert_eq!(std::fs::read(&database).unwrap(), garbage, "nothing is written over it");
    let nowhere = ["task", "submit", "--type", "echo", "--data-dir", "/proc/chimera"];
    chimera.refuses(3, &nowhere, &["/proc/chimera cannot be made", "set `data_dir`"]);
}
