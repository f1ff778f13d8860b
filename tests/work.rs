//! `chimera work`: the lines that it reads, the host that it is, and how it ends.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::cli::Chimera;
use crate::harness::program;
use crate::queue::{agent, json_of, well};

#[test]
fn work_answers_each_line_and_names_the_bad_ones() {
    let chimera = Chimera::new();
    let good = (0..500).map(|n| format!("{{\"payload\": {n}}}\n")).collect::<String>();
    let bad =
        "{\"payload\": 1, \"typ\": \"echo\"}\nnot json\n{\"payload\": 1, \"type\": \"unknown\"}\n";
    // Labels take ten times their text, so they are counted while they are read.
    let labels: Vec<String> = (0..10_001).map(|n| format!("\"{n}\":\"\"")).collect();
    let many = format!("{{\"payload\": 1, \"metadata\": {{{}}}}}\n", labels.join(","));
    let mut work = chimera.command(&["work", "--agent", &agent("echo"), "--tasks", "-"]);
    let ended = Chimera::end(work.write_stdin(format!("{good}\n{bad}{many}")));
    assert_eq!(ended.code, 3, "{}", ended.err);
    let mut outputs: Vec<u64> = ended
        .out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["output"].as_u64().unwrap())
        .collect();
    outputs.sort_unstable();
    assert_eq!(outputs, (0..500).collect::<Vec<_>>());
    for words in ["line 502: not a task", "typ", "line 503", "line 504", "\"unknown\""] {
        assert!(ended.err.contains(words), "{words}\n{}", ended.err);
    }
    for words in ["line 505: not a task", "expected an object of up to 10000 texts", "refused 4"] {
        assert!(ended.err.contains(words), "{words}\n{}", ended.err);
    }
}

#[test]
fn work_goes_on_after_a_line_that_is_too_long() {
    let chimera = Chimera::new();
    let task = "{\"payload\": 7}\n";
    let long = format!("{{\"payload\": \"{}\"}}", "x".repeat(16 << 20));
    let mut work = chimera.command(&["work", "--agent", &agent("echo"), "--tasks", "-"]);
    // The last one has no end.
    let ended = Chimera::end(work.write_stdin(format!("{task}{long}\n{task}{long}")));
    assert_eq!((ended.code, ended.out.lines().count()), (3, 2), "{}{}", ended.out, ended.err);
    for words in ["line 2: not a task: ", "line 4: not a task: ", "more than 16 MiB", "refused 2"] {
        assert!(ended.err.contains(words), "{words}\n{}", ended.err);
    }
}

#[test]
fn work_says_what_a_line_must_be() {
    let chimera = Chimera::new();
    let lines = "\u{feff}{\"payload\": 1}\n[1]\n1e400\n{\"payload\": [1e400]}\n\
                 {\"payload\": 1, \"attempts\": 1e400}\n[1,\"echo\",null,\"low\",null,null,null,null,{}]\n";
    let mut work = chimera.command(&["work", "--agent", &agent("echo"), "--tasks", "-"]);
    let ended = Chimera::end(work.write_stdin(lines));
    assert_eq!((ended.code, ended.out.as_str()), (3, ""), "{}", ended.err);
    let object = "a line must be a JSON object, which begins with `{`, and this one begins with";
    for words in [
        "line 1: not a task: the line begins with a byte order mark (U+FEFF); save the file as UTF-8 \
         without one",
        &format!("line 2: not a task: {object} '['; a line is an object like {{\"payload\": …"),
        &format!("line 3: not a task: {object} '1'"),
        "line 4: not a task: a number is out of range at column 20; allowed is up to ±1.8e308; a line",
        "line 5: not a task: a number is out of range at column 32; allowed is up to ±1.8e308; a line",
        &format!("line 6: not a task: {object} '['"),
    ] {
        assert!(ended.err.contains(words), "{words}\n{}", ended.err);
    }
}

#[test]
fn an_id_names_one_piece_of_work() {
    let chimera = Chimera::new();
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    let line = |payload: u8| format!("{{\"id\": \"{id}\", \"payload\": {payload}}}\n");
    let mut work = chimera.command(&["work", "--agent", &agent("echo"), "--tasks", "-"]);
    let ended = Chimera::end(work.write_stdin(line(1) + &line(1) + &line(2)));
    assert_eq!(ended.code, 3);
    assert_eq!(ended.out.lines().count(), 2, "the same twice is one task: {}", ended.out);
    assert!(ended.err.contains(&format!("line 3: id {id} was used")), "{}", ended.err);
}

#[test]
fn results_do_not_wait_for_room_in_the_queue() {
    let chimera = Chimera::new();
    let mut work = std::process::Command::new(program())
        .args(["work", "--agent", &agent("echo"), "--tasks", "-", "--data-dir"])
        .arg(chimera.data())
        .env("LAYER4_TASK_QUEUE_CAPACITY", "2")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = work.stdin.take().unwrap();
    let later = "{\"payload\": 2, \"delay\": 3600}\n".repeat(5);
    writeln!(stdin, "{{\"payload\": 1}}\n{later}").unwrap();
    let first = BufReader::new(work.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    assert!(first.contains("\"output\":1"), "{first}");
    work.kill().unwrap();
    work.wait().unwrap();
}

#[test]
fn work_ends_as_the_table_of_exit_codes_says() {
    let chimera = Chimera::new();
    let work = |lines: &str| {
        let arguments = ["work", "--agent", &agent("hostile"), "--tasks", "-"];
        let mut work = chimera.command(&arguments);
        Chimera::end(work.write_stdin(lines.to_owned())).code
    };
    let fails = r#"{"payload": {"do": "fail"}}"#;
    let hoards = r#"{"payload": {"do": "hoard"}}"#;
    assert_eq!(work("not json\n"), 3, "a task is wrong");
    assert_eq!(work(fails), 1, "the agent failed");
    assert_eq!(work(hoards), 5, "a quota was met");
    assert_eq!(work(&format!("not json\n{fails}\n")), 1, "what failed counts first");
}

#[test]
fn a_folder_has_one_host_which_drains_when_told_to_end() {
    let chimera = Chimera::new();
    let mut host = std::process::Command::new(program())
        .args(["work", "--agent", &agent("echo"), "--tasks", "-", "--json", "--keep-running"])
        .arg("--data-dir")
        .arg(chimera.data())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(host.stdin.take().unwrap(), "{{\"payload\": 1}}").unwrap();
    let mut events = BufReader::new(host.stdout.take().unwrap()).lines();
    assert!(events.next().unwrap().unwrap().contains("submitted"));
    assert!(events.next().unwrap().unwrap().contains("ended"));

    let pid = host.id().to_string();
    for other in
        [&["task", "list"][..], &["dead-letters", "list"], &["work", "--agent", &agent("echo")]]
    {
        chimera.refuses(7, other, &[&format!("pid {pid}"), "stop it first"]);
    }
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&host),
        rustix::process::Signal::TERM,
    )
    .unwrap();
    let ended = host.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(130), "{}", String::from_utf8_lossy(&ended.stderr));
    assert!(well(&chimera, &["task", "list", "--state", "succeeded"]).contains("1 attempts"));
}

/// Also where nothing waits. Tasks of the other agents are not begun either.
#[test]
fn an_agent_that_cannot_start_is_refused_before_any_task_is_claimed() {
    let chimera = Chimera::new();
    std::fs::write(chimera.home().join("h.py"), "print('hello')\n").unwrap();
    std::fs::write(chimera.home().join("tasks.jsonl"), "{\"payload\": 1, \"type\": \"echo\"}\n")
        .unwrap();
    let (echo, hostile) = (agent("echo"), agent("hostile"));
    let broken: [(i32, &[&str], &str); 2] = [
        (4, &["hostile=h.py"], "not a component"),
        (1, &[&hostile, "--param", "in_init=trap"], "`init` trapped"),
    ];
    let refused = |more: &[&str]| {
        for (code, agent, words) in broken {
            let work = [&["work", "--agent", &echo, "--agent"], agent, more].concat();
            chimera.refuses(code, &work, &["--agent hostile", words]);
        }
    };
    refused(&[]);
    refused(&["--keep-running"]);
    let submit = |name| well(&chimera, &["task", "submit", "--type", name, "--attempts", "1"]);
    let waiting = [submit("echo"), submit("hostile")];
    refused(&["--tasks", "tasks.jsonl"]);
    for id in &waiting {
        let shown = json_of(&chimera, &["task", "show", id, "--json"]);
        assert_eq!((&shown["state"], &shown["attempts"]), (&json!("waiting"), &json!(0)));
    }
    let listed = json_of(&chimera, &["task", "list", "--state", "all", "--json"]);
    assert_eq!(listed.as_array().unwrap().len(), waiting.len(), "no line was taken: {listed}");
}

/// The limit on the size of files stands in for a full disk: the write itself fails.
#[test]
fn a_disk_that_is_full_acknowledges_nothing_that_is_not_kept() {
    let chimera = Chimera::new();
    well(&chimera, &["task", "submit", "--type", "echo"]);
    let payload = "x".repeat(100_000);
    let lines = format!("{{\"payload\": \"{payload}\", \"type\": \"echo\"}}\n").repeat(400);
    let script = "trap '' XFSZ; ulimit -f 20000; exec \"$@\"";
    let work = [&agent("echo"), "--tasks", "-", "--json"];
    let output = assert_cmd::Command::new("bash")
        .args(["-c", script, "bash"])
        .arg(program())
        .args(["work", "--agent"])
        .args(work)
        .arg("--data-dir")
        .arg(chimera.data())
        .env("LAYER4_DRAIN_TIMEOUT_SECS", "1")
        .write_stdin(lines)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(7), "{said}");
    assert!(said.contains("the task store cannot write"), "{said}");
    let events = String::from_utf8_lossy(&output.stdout);
    let acknowledged: Vec<String> = events
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|event| event["event"] == "submitted")
        .map(|event| event["task_id"].as_str().unwrap().to_owned())
        .collect();
    assert!(!acknowledged.is_empty());
    // With room again, all of them end.
    well(&chimera, &["work", "--agent", &agent("echo")]);
    for id in acknowledged {
        assert_eq!(json_of(&chimera, &["task", "show", &id, "--json"])["state"], "succeeded");
    }
}
