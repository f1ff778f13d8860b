//! A reader that goes away, as in `chimera … 2>&1 | head -1`, ends nothing: each
//! command goes on to its end, and its exit code says what came of it.

use std::io::PipeWriter;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::cli::Chimera;
use crate::harness::{guest_path, program};
use crate::http::service::{Service, declare};

/// The writing end of a pipe without a reader.
fn unread() -> PipeWriter {
    std::io::pipe().unwrap().1
}

/// The exit code of the program with both streams closed, or full.
fn code_with(chimera: &Chimera, arguments: &[&str], stream: impl Fn() -> Stdio) -> Option<i32> {
    let mut command = Command::new(program());
    command.args(arguments).arg("--data-dir").arg(chimera.data());
    command.stdin(Stdio::null()).stdout(stream()).stderr(stream());
    command.status().unwrap().code()
}

fn agent(name: &str) -> String {
    guest_path(name).display().to_string()
}

#[test]
fn every_command_ends_as_it_would_have_with_a_reader() {
    let chimera = Chimera::new();
    let (echo, hostile) = (agent("echo"), agent("hostile"));
    let echo_of_type = format!("echo={echo}");
    let trap = r#"{"do": "trap"}"#;
    let unknown = "01890a5d-ac96-774b-bcce-b302099a8057";
    let cases: [(i32, &[&str]); 18] = [
        (0, &["run", &echo, "--task", "1"]),
        (0, &["run", &echo, "--task", "1", "--repeat", "3", "--debug"]),
        (1, &["run", &hostile, "--task", trap, "--debug"]),
        (3, &["run", &echo, "--task", "not json"]),
        (2, &["run"]),
        (0, &["--help"]),
        (0, &["wit"]),
        (0, &["config", "show"]),
        (0, &["agent", "inspect", &echo]),
        (0, &["agent", "check", &echo, "--json"]),
        (0, &["task", "submit", "--type", "echo", "--task", "1", "--debug"]),
        (0, &["task", "list"]),
        (0, &["task", "stats"]),
        (3, &["task", "show", unknown]),
        (0, &["work", "--agent", &echo_of_type, "--debug"]),
        (0, &["dead-letters", "list"]),
        (3, &["dead-letters", "purge", unknown]),
        (3, &["top", "--once"]),
    ];
    for (code, arguments) in cases {
        let ended = code_with(&chimera, arguments, || unread().into());
        assert_eq!(ended, Some(code), "{arguments:?}");
    }
}

#[test]
fn a_full_standard_error_loses_words_and_a_full_standard_output_a_result() {
    let chimera = Chimera::new();
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap().into();
    let run = ["run", &agent("echo"), "--task", "1"];
    assert_eq!(code_with(&chimera, &run, full), Some(7), "the result is lost");
    let mut only_words = Command::new(program());
    only_words.args(run).arg("--data-dir").arg(chimera.data());
    let ended = only_words.stdout(Stdio::piped()).stderr(full()).output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(String::from_utf8(ended.stdout).unwrap(), "1\n");
}

#[test]
fn a_service_goes_on_when_its_log_has_no_reader() {
    let agents =
        declare("echo", &guest_path("echo"), 1) + &declare("hostile", &guest_path("hostile"), 1);
    let mut service = Service::start(Chimera::new(), &agents);
    service.close_its_log();
    let traps = r#"{"target_agent_type": "hostile", "payload": {"do": "trap"}, "max_attempts": 1}"#;
    let ask = |body: &'static str| {
        let url = format!("{}/v1/tasks?wait=30s", service.url());
        let request = ureq::post(url).header("content-type", "application/json");
        request.send(body).unwrap().body_mut().read_to_string().unwrap()
    };
    // Each is logged; the first is the one that finds the pipe closed.
    for _ in 0..3 {
        assert!(ask(traps).contains("\"trap\""));
    }
    assert!(ask(r#"{"target_agent_type": "echo", "payload": 7}"#).contains("\"output\":7"));
    let metrics = ureq::get(format!("{}/metrics", service.url())).call().unwrap();
    let metrics = metrics.into_body().read_to_string().unwrap();
    let lost = metrics.lines().find_map(|line| line.strip_prefix("layer4_log_lines_lost_total "));
    assert!(lost.unwrap().parse::<f64>().unwrap() >= 1.0, "what is lost is counted");
    service.signal(Signal::TERM);
    assert_eq!(service.ends(), Some(0));
}
