//! The conformance suite on real components: what keeps the contract passes,
//! and each way of breaking it fails its own line and no other.

use std::time::Duration;

use chimera_layer4::fabric::{AgentConfig, Fabric, FabricConfig};
use chimera_layer4_conformance::{Check, Expected, Options, Report, Sample, Verdict, check};
use serde_json::{Value, json};

use crate::cli::Chimera;
use crate::harness::{config_of, guest, guest_path, root, settings};

/// With so much time for each call.
async fn checked(component: &[u8], options: &Options, secs: u64) -> Report {
    let settings = FabricConfig { agent_timeout_secs: secs, ..settings() };
    let mut options = options.clone();
    options.config.resource_quota.max_execution_time_secs = secs;
    let fabric = Fabric::new(settings).unwrap();
    Box::pin(check(&fabric, component, &options)).await.unwrap()
}

/// The lines that came out so, for messages too.
fn lines(report: &Report, verdict: Verdict) -> Vec<String> {
    let lines = report.lines.iter().filter(|line| line.verdict == verdict);
    lines.map(|line| format!("{}: {}", line.check, line.reason)).collect()
}

#[track_caller]
fn came_out(report: &Report, check: Check, verdict: Verdict, words: &str) {
    let line = report.lines.iter().find(|line| line.check == check).unwrap();
    assert_eq!(line.verdict, verdict, "{line:?}");
    assert!(line.reason.contains(words), "{line:?} lacks {words:?}");
}

fn options(config: AgentConfig, samples: &[Value]) -> Options {
    let samples = samples.iter().cloned().map(Sample::new).collect();
    Options { samples, ..Options::new(config) }
}

#[tokio::test]
async fn echo_passes_with_guesses_alone() {
    let report = checked(&guest("echo"), &options(config_of("echo", |_| {}), &[]), 20).await;
    assert!(report.conforms(), "{:#?}", lines(&report, Verdict::Fail));
    assert_eq!(lines(&report, Verdict::Warn), [""; 0]);
    came_out(&report, Check::Tasks, Verdict::Pass, "a guess");
    came_out(&report, Check::Soak, Verdict::Pass, "10000 tasks; memory: ");
    came_out(&report, Check::SmallQuota, Verdict::Pass, "with 1 MiB: ");
    came_out(&report, Check::BeforeInit, Verdict::Pass, "call init first; 3 other calls");
    came_out(&report, Check::TaskTypes, Verdict::NotSeen, "it declares none");
    came_out(&report, Check::Unavailable, Verdict::NotSeen, "\"expect\"");
    assert!(report.tasks > 10_000);
}

#[tokio::test]
async fn data_analyzer_passes() {
    let rows = std::fs::read(root().join("agents/data-analyzer/data/penguins.json")).unwrap();
    let mut rows: Vec<Value> = serde_json::from_slice(&rows).unwrap();
    rows.truncate(20);
    let config = config_of("data-analyzer", |_| {});
    let request = json!({ "action": "data_analysis", "rows": rows });
    let mut options = options(config, &[json!(rows), request]);
    for (sample, name) in options.samples.iter_mut().zip(["analyze-table", "data_analysis"]) {
        sample.task_type = Some(name.to_owned());
    }
    let report = checked(&guest("data-analyzer"), &options, 20).await;
    assert!(report.conforms(), "{:#?}", lines(&report, Verdict::Fail));
    came_out(&report, Check::TaskTypes, Verdict::Pass, "analyze-table");
    came_out(&report, Check::GoesOn, Verdict::Pass, "invalid-input");
    came_out(&report, Check::Soak, Verdict::Pass, "10000 tasks");
}

#[tokio::test]
async fn packer_passes() {
    let samples = [json!({ "seed": 1, "count": 20, "distribution": "weibull" })];
    let options = options(config_of("packer", |_| {}), &samples);
    let report = checked(&guest("packer"), &options, 20).await;
    assert!(report.conforms(), "{:#?}", lines(&report, Verdict::Fail));
    came_out(&report, Check::Soak, Verdict::Pass, "10000 tasks");
}

#[tokio::test]
async fn text_stats_passes_and_shows_every_kind_of_error() {
    let config = config_of("text-stats", |config| {
        config.parameters.insert("busy_attempts".into(), json!(1));
        config.parameters.insert("max_distinct".into(), json!(3));
    });
    let mut options = options(config, &[json!({ "text": "free and equal" })]);
    let expecting = |payload, expect| Sample { expect, ..Sample::new(payload) };
    options.samples.extend([
        expecting(json!({ "text": "born free and equal" }), Expected::Failed),
        expecting(json!({ "text": "free" }), Expected::Unavailable),
        expecting(json!({ "text": 1 }), Expected::InvalidInput),
    ]);
    options.bad_parameters = vec![("top_terms".into(), json!(-1)), ("unknown".into(), json!(1))];
    let report = checked(&guest("text-stats/rust"), &options, 20).await;
    assert!(report.conforms(), "{:#?}", lines(&report, Verdict::Fail));
    came_out(&report, Check::Tasks, Verdict::Pass, "1 with a result and 3 with an error");
    came_out(&report, Check::BadParameters, Verdict::Pass, "2 refused");
    came_out(&report, Check::GoesOn, Verdict::Pass, "failed, invalid-input, unavailable");
    came_out(&report, Check::Unavailable, Verdict::Pass, "busy for the first");
    came_out(&report, Check::Failed, Verdict::Pass, "distinct tokens");
    came_out(&report, Check::Health, Verdict::Pass, "degraded");
}

/// The fixture, which does this wrong and nothing else.
fn wrong(what: &str) -> Options {
    let config = config_of("wrong", |config| {
        config.environment.insert("WRONG".into(), what.into());
    });
    let mut options = options(config, &[json!({ "n": 1, "text": "hello" })]);
    options.bad_parameters = vec![("limit".into(), json!(-1))];
    options
}

#[tokio::test]
async fn what_does_nothing_wrong_passes_every_line_that_it_shows() {
    let report = checked(&guest("wrong"), &wrong("nothing"), 20).await;
    let shown = [Verdict::Fail, Verdict::Warn].map(|verdict| lines(&report, verdict));
    assert_eq!(shown, [vec![""; 0], vec![]]);
    let checks = |report: &Report| {
        let unseen = report.lines.iter().filter(|line| line.verdict == Verdict::NotSeen);
        unseen.map(|line| line.check).collect::<Vec<_>>()
    };
    assert_eq!(checks(&report), [Check::Unavailable, Check::Failed]);
    came_out(&report, Check::State, Verdict::Pass, "11 bytes");
}

/// Each in a word of the fixture, the line, and what its reason says.
const BREACHES: [(&str, Check, &str); 27] = [
    ("needs a variable", Check::Start, "it needs TOKEN (to log in); grant it with --env"),
    ("traps in capabilities", Check::Capabilities, "after init: `capabilities` trapped"),
    ("traps for an unknown parameter", Check::OddParameters, "as asked"),
    ("takes every parameter", Check::BadParameters, "limit=-1 was accepted"),
    ("traps with a small quota", Check::SmallQuota, "with 2 MiB: `init` trapped"),
    ("changes its capabilities", Check::Capabilities, "after tasks it answers"),
    ("does no task", Check::Tasks, "it never works"),
    ("exits", Check::Tasks, "called exit"),
    ("hoards", Check::Tasks, "max_memory_mb"),
    ("traps for a deadline", Check::TaskFields, "with a deadline"),
    ("traps for what is no object", Check::OddInput, "`null`: `execute-task` trapped"),
    ("traps for a NUL", Check::Unicode, "escaped NUL and control characters: "),
    ("traps for a large text", Check::LargeInput, "with a text of 1 MiB: "),
    ("returns what is no JSON", Check::Output, "return text that parses"),
    ("fails after an error", Check::GoesOn, "after the error invalid-input it no longer does"),
    ("leaks", Check::Soak, "bytes a task"),
    ("dies of many tasks", Check::Soak, "task 3000 ended the instance"),
    ("tires of many tasks", Check::Soak, "from task 3000 on 1001 of 4000"),
    ("is ill after an error", Check::Health, "after the error invalid-input it is unhealthy"),
    ("traps in shutdown", Check::Shutdown, "`shutdown` trapped"),
    ("fails in shutdown", Check::Shutdown, "as asked"),
    ("traps before init", Check::BeforeInit, "`execute-task` trapped"),
    ("traps in a second init", Check::SecondInit, "`init` trapped"),
    ("traps after shutdown", Check::AfterShutdown, "`execute-task` trapped"),
    ("traps for a foreign state", Check::State, "what is no state: `restore` trapped"),
    ("saves too much", Check::State, "4 MiB"),
    ("forgets its state", Check::State, "what it saved itself: "),
];

#[tokio::test]
async fn each_breach_fails_its_own_line_and_no_other() {
    let component = guest("wrong");
    for (what, check, words) in BREACHES {
        let options = Options { soak_tasks: 4_000, ..wrong(what) };
        let report = checked(&component, &options, 20).await;
        let failed = lines(&report, Verdict::Fail);
        assert_eq!(failed.len(), 1, "{what}: {failed:#?}");
        came_out(&report, check, Verdict::Fail, words);
        assert!(!report.conforms());
    }
}

#[tokio::test]
async fn what_hangs_fails_its_own_line_and_not_the_check() {
    for (what, check, words) in [
        ("hangs in init", Check::Start, "`init` went over agent_timeout_secs"),
        ("hangs in health", Check::Health, "after init: `health` went over"),
    ] {
        let options = Options { soak_tasks: 100, ..wrong(what) };
        let report = checked(&guest("wrong"), &options, 1).await;
        let failed = lines(&report, Verdict::Fail);
        assert_eq!(failed.len(), 1, "{what}: {failed:#?}");
        came_out(&report, check, Verdict::Fail, words);
    }
}

#[tokio::test]
async fn what_is_allowed_and_worth_a_look_is_a_warning() {
    for (what, check, words) in [
        ("leaves a span open", Check::Spans, "such as \"left\""),
        ("names a metric badly", Check::Telemetry, "observations, for their names"),
        ("says nothing", Check::InvalidInput, "without a message"),
        ("takes a second init", Check::SecondInit, "it was accepted"),
        ("works after shutdown", Check::AfterShutdown, "though it was shut down"),
    ] {
        let options = Options { soak_tasks: 100, ..wrong(what) };
        let report = checked(&guest("wrong"), &options, 20).await;
        assert!(report.conforms(), "{what}: {:#?}", lines(&report, Verdict::Fail));
        assert_eq!(lines(&report, Verdict::Warn).len(), 1, "{what}");
        came_out(&report, check, Verdict::Warn, words);
    }
    let options = Options { soak_time: Duration::ZERO, ..wrong("nothing") };
    let report = checked(&guest("wrong"), &options, 20).await;
    came_out(&report, Check::Soak, Verdict::Warn, "cut after 0 s, of 10000 tasks: 0 tasks");
}

#[tokio::test]
async fn a_declared_type_is_seen_when_a_sample_of_it_works() {
    let of = |name: &str| {
        let payload = json!({ "n": 1, "text": name });
        Sample { task_type: Some(name.into()), ..Sample::new(payload) }
    };
    for (samples, verdict, words) in [
        (vec![of("count")], Verdict::NotSeen, "no sample of more"),
        (vec![of("count"), of("more")], Verdict::Pass, "count, more"),
        (vec![of("count"), of("more"), of("less")], Verdict::Warn, "\"less\""),
    ] {
        let options = Options { samples, soak_tasks: 100, ..wrong("declares two types") };
        let report = checked(&guest("wrong"), &options, 20).await;
        assert!(report.conforms(), "{:#?}", lines(&report, Verdict::Fail));
        came_out(&report, Check::TaskTypes, verdict, words);
    }
}

#[test]
fn the_program_prints_a_table_and_ends_with_4_where_a_line_fails() {
    let (chimera, wrong) = (Chimera::new(), guest_path("wrong").display().to_string());
    let tasks = chimera.data().with_file_name("tasks.jsonl");
    let lines = "{\"payload\": {\"n\": 1, \"text\": \"a\"}, \"type\": \"count\"}\n\n\
                 {\"payload\": 7, \"expect\": \"invalid-input\", \"metadata\": {\"a\": \"b\"}}\n";
    std::fs::write(&tasks, lines).unwrap();
    let run = ["agent", "check", &wrong, "--run", "--tasks", "tasks.jsonl"];
    let well = chimera.run(&run);
    assert_eq!(well.code, 0, "{}{}", well.out, well.err);
    for line in [
        "meets chimera:agent@0.1.0\npass      start           init took",
        "\npass      tasks           1 with a result and 1 with an error, as",
        "\nnot seen  unavailable     give a task that ends so",
        " 0 fail · 3 not seen · ",
    ] {
        assert!(well.out.contains(line), "{line:?}:\n{}", well.out);
    }
    let ill = chimera.run(&[&run[..], &["--env", "WRONG=traps for a NUL", "--json"]].concat());
    assert_eq!(ill.code, 4, "{}", ill.err);
    let json: Value = serde_json::from_str(&ill.out).unwrap();
    assert_eq!((&json["meets"], &json["run"]["conforms"]), (&json!(true), &json!(false)));
    let failed = |line: &&Value| line["verdict"] == "fail";
    let failed: Vec<_> = json["run"]["lines"].as_array().unwrap().iter().filter(failed).collect();
    assert_eq!((failed.len(), &failed[0]["check"]), (1, &json!("unicode")));
}

#[test]
fn what_is_mistyped_is_refused_before_anything_is_built() {
    let chimera = Chimera::new();
    let tasks = chimera.data().with_file_name("tasks.jsonl");
    std::fs::write(&tasks, "{\"payload\": 1}\n{\"payloads\": 2}\n").unwrap();
    let check = ["agent", "check", "nowhere"];
    let deep = format!("{}1{}", "[".repeat(121), "]".repeat(121));
    let lines = format!("{{\"payload\": 1}}\n\n{{\"payload\": {deep}}}\n");
    std::fs::write(tasks.with_file_name("deep.jsonl"), lines).unwrap();
    std::fs::write(tasks.with_file_name("list.jsonl"), "[1]\n").unwrap();
    std::fs::write(tasks.with_file_name("marked.jsonl"), "\u{feff}{\"payload\": 1}\n").unwrap();
    for (arguments, code, words) in [
        (["--run", "--tasks", "list.jsonl"], 3, "--tasks list.jsonl, line 1: a line must be"),
        (
            ["--run", "--tasks", "marked.jsonl"],
            3,
            "marked.jsonl, line 1: the line begins with a byte",
        ),
        (["--run", "--tasks", "tasks.jsonl"], 3, "--tasks tasks.jsonl, line 2: unknown field"),
        (["--run", "--tasks", "nowhere.jsonl"], 3, "--tasks nowhere.jsonl: No such file"),
        (["--run", "--task", "{"], 3, "--task is not JSON"),
        (
            ["--run", "--task", &deep],
            3,
            "--task: payload is nested 121 levels deep; allowed are 120",
        ),
        (["--run", "--tasks", "deep.jsonl"], 3, "deep.jsonl, line 3: payload is nested 121 levels"),
        (["--run", "--bad-param", "limit"], 3, "--bad-param \"limit\": the form is NAME=VALUE"),
        (["--task", "1", "--json"], 2, "--run"),
        (["--param", "a=1", "--json"], 2, "--run"),
    ] {
        chimera.refuses(code, &[&check[..], &arguments[..]].concat(), &[words]);
    }
}

#[test]
fn every_check_is_documented() {
    let text = std::fs::read_to_string(root().join("agents/README.md")).unwrap();
    for check in Check::ALL {
        assert!(text.contains(&format!("`{check}`")), "agents/README.md lacks `{check}`");
    }
}
