//! What a user names by a path need not be a file: a pipe without a writer, a
//! folder, a device. It is refused, or read so that a signal ends the program.

use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};

use crate::cli::Chimera;
use crate::harness::{guest_path, program};
use crate::http::service::{Service, declare};

/// For a program that should end at once, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn echo() -> String {
    guest_path("echo").display().to_string()
}

/// A pipe with a name, which no process has open.
fn pipe(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    path
}

/// The program as a user starts it, with a standard input that stays open.
fn start(chimera: &Chimera, arguments: &[&str]) -> (Child, ChildStdin) {
    let home = chimera.home();
    let mut child = Command::new(program())
        .args(arguments)
        .env("XDG_DATA_HOME", home)
        .current_dir(home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let input = child.stdin.take().unwrap();
    (child, input)
}

/// Its end; one that does not end is ended, and fails the test.
#[track_caller]
fn ends(child: Child, what: &str) -> Output {
    let pid = Pid::from_child(&child);
    let (tell, ended) = mpsc::sync_channel(1);
    std::thread::spawn(move || tell.send(child.wait_with_output()));
    ended.recv_timeout(PATIENCE).map(Result::unwrap).unwrap_or_else(|_| {
        kill_process(pid, Signal::KILL).unwrap();
        panic!("it does not end: {what}");
    })
}

/// Waits until the program has opened the pipe or is about to. It has a writer then,
/// which writes nothing.
fn silent_writer(path: &Path) -> std::fs::File {
    loop {
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(opened) => return opened.into(),
            Err(_) => std::thread::yield_now(),
        }
    }
}

/// Whether the program has a handler for SIGTERM already.
fn hears_signals(child: &Child) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    u64::from_str_radix(caught.trim(), 16).unwrap() & (1 << (Signal::TERM.as_raw() - 1)) != 0
}

#[test]
fn a_signal_ends_every_command_that_waits_for_a_pipe() {
    let chimera = Chimera::new();
    let (echo, tasks) = (echo(), pipe(chimera.home(), "tasks"));
    let (path, named) = (tasks.display().to_string(), format!("@{}", tasks.display()));
    let evolve = ["evolve", "echo", "--start", &echo, "--candidates", "."];
    let commands: [&[&str]; 7] = [
        &["run", &echo, "--task", &named],
        &["task", "submit", "--type", "echo", "--task", &named],
        &["agent", "check", &echo, "--run", "--task", &named],
        &["agent", "check", &echo, "--run", "--tasks", &path],
        &["agent", "dev", ".", "--task", &named],
        &["work", "--agent", &echo, "--tasks", &path],
        &[&evolve[..], &["--tasks", &path]].concat(),
    ];
    for arguments in commands {
        for signal in [Signal::TERM, Signal::INT] {
            let (child, _input) = start(&chimera, arguments);
            let _writer = silent_writer(&tasks);
            kill_process(Pid::from_child(&child), signal).unwrap();
            let ended = ends(child, &arguments.join(" "));
            let said = String::from_utf8_lossy(&ended.stderr);
            assert_eq!(ended.status.code(), Some(130), "{arguments:?}\n{said}");
        }
    }
    let (child, _input) = start(&chimera, commands[0]);
    while !hears_signals(&child) {
        std::thread::yield_now();
    }
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(ends(child, "no writer").status.code(), Some(130));
}

#[test]
fn a_signal_ends_what_waits_for_standard_input() {
    let chimera = Chimera::new();
    let (echo, hostile) = (echo(), guest_path("hostile").display().to_string());
    let trap = r#"{"do":"trap"}"#;
    let submit = ["task", "submit", "--type", "hostile", "--attempts", "1", "--task", trap];
    assert_eq!(chimera.run(&submit).code, 0);
    assert_eq!(chimera.run(&["work", "--agent", &hostile]).code, 0);
    for arguments in [&["run", &echo, "--task", "-"][..], &["dead-letters", "purge", "--all"]] {
        let (child, _input) = start(&chimera, arguments);
        while !hears_signals(&child) {
            std::thread::yield_now();
        }
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        assert_eq!(ends(child, &arguments.join(" ")).status.code(), Some(130), "{arguments:?}");
    }
}

#[test]
fn a_pipe_of_the_shells_is_read_like_a_file() {
    let chimera = Chimera::new();
    let echo = echo();
    for name in ["/dev/fd/0", "/proc/self/fd/0", "/dev/stdin"] {
        let rows: [(&[&str], &str, &str); 3] = [
            (&["run", &echo, "--task", &format!("@{name}")], "7", "7\n"),
            (&["work", "--agent", &echo, "--tasks", name], "{\"payload\": 8}\n", "\"output\":8"),
            (&["agent", "check", &echo, "--run", "--tasks", name], "{\"payload\": 9}\n", "pass"),
        ];
        for (arguments, text, expected) in rows {
            let (child, mut input) = start(&chimera, arguments);
            input.write_all(text.as_bytes()).unwrap();
            drop(input);
            let ended = ends(child, &arguments.join(" "));
            let said = String::from_utf8_lossy(&ended.stderr);
            assert_eq!(ended.status.code(), Some(0), "{arguments:?}\n{said}");
            let out = String::from_utf8_lossy(&ended.stdout);
            assert!(out.contains(expected), "{arguments:?}\n{out}");
        }
    }
}

/// Of settings and components, whatever is no file, however it is named.
#[test]
fn what_must_be_a_file_is_refused_at_once_when_it_is_none() {
    let chimera = Chimera::new();
    let home = chimera.home();
    let (echo, fifo) = (echo(), pipe(home, "fifo"));
    let (link, socket) = (home.join("link"), home.join("socket"));
    symlink(&fifo, &link).unwrap();
    let _listens = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let refused = |arguments: &[&str], set: &[(&str, &str)], words: &[&str]| {
        let mut command = Command::new(program());
        command.args(arguments).env("XDG_DATA_HOME", home).current_dir(home);
        command.envs(set.iter().copied()).stdin(Stdio::null());
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let ended = ends(child, &arguments.join(" "));
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(3), "{arguments:?}\n{said}");
        for word in words {
            assert!(said.contains(word), "{arguments:?} lacks {word:?}\n{said}");
        }
    };
    for (path, kind) in
        [("fifo", "a pipe"), ("link", "a pipe"), ("socket", "a socket"), (".", "a folder")]
    {
        let words = [path, "it is not a file but", kind];
        refused(&["run", &echo, "--config", path], &[], &words);
        refused(&["config", "check", "--config", path], &[], &words);
        refused(&["serve", "--port", "0"], &[("LAYER4_HTTP_CA_FILE", path)], &words);
        let otel = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://127.0.0.1:1"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", path),
        ];
        refused(&["serve", "--port", "0"], &otel, &words);
        if path != "." {
            refused(&["run", path], &[], &words);
            refused(&["genome", "push", path], &[], &words);
            refused(&["work", "--agent", path], &[], &words);
        }
    }
    for arguments in [
        &["run", &echo, "--task", "@."][..],
        &["task", "submit", "--type", "echo", "--task", "@."],
        &["work", "--agent", &echo, "--tasks", "."],
        &["agent", "check", &echo, "--run", "--tasks", "."],
    ] {
        let flag = if arguments.contains(&"@.") { "--task @." } else { "--tasks ." };
        refused(arguments, &[], &[flag, "it is a folder"]);
    }
    std::fs::rename(&fifo, home.join("chimera.toml")).unwrap();
    refused(&["run", &echo], &[], &["chimera.toml", "it is not a file but a pipe"]);
}

/// A declared component that is a pipe is one type that is down; the host serves the rest.
#[test]
fn a_declared_component_that_is_a_pipe_holds_up_nothing() {
    let chimera = Chimera::new();
    let fifo = pipe(chimera.home(), "component");
    let agents = declare("pipe", &fifo, 1) + &declare("echo", &guest_path("echo"), 1);
    let mut service = Service::start(chimera, &agents);
    let health = service.get("/health");
    let why = health["agent_types_down"]["pipe"].as_str().unwrap();
    assert!(why.contains("it is not a file but a pipe"), "{health}");
    assert_eq!(service.end().0, 0);
}

/// Also where another user could put one while the folder was open to others.
#[test]
fn a_pipe_in_place_of_a_store_is_refused_and_not_waited_for() {
    let tasks = ["chimera.db", "chimera.db-wal", "chimera.db-shm", "chimera.db-journal"];
    let rows: [(&[&str], &[&str]); 3] = [
        (&["task", "list"], &tasks),
        (&["task", "list"], &["chimera.lock"]),
        (&["keyvalue", "list"], &["keyvalue.db"]),
    ];
    for (command, names) in rows {
        for name in names {
            let chimera = Chimera::new();
            let folder = tempfile::tempdir().unwrap();
            let closed = std::os::unix::fs::PermissionsExt::from_mode(0o700);
            std::fs::set_permissions(folder.path(), closed).unwrap();
            if name.starts_with("chimera.") && *name != "chimera.db" {
                std::fs::write(folder.path().join("chimera.db"), "").unwrap();
            }
            pipe(folder.path(), name);
            let data = ["--data-dir", folder.path().to_str().unwrap()];
            let (child, _input) = start(&chimera, &[command, &data].concat());
            let ended = ends(child, name);
            let said = String::from_utf8_lossy(&ended.stderr);
            assert!(!ended.status.success(), "{name}: {said}");
            let is_refused = ["no file, or a link", "not a file"].iter().any(|w| said.contains(w));
            assert!(is_refused && said.contains(name), "{said}");
        }
    }
}

/// An evolution whose state is a pipe is left out, and the list is answered.
#[test]
fn a_pipe_in_place_of_an_evolutions_state_holds_up_no_answer() {
    let mut service = Service::start(Chimera::new(), "");
    let folder = service.chimera.data().join("data/evolution/echo");
    std::fs::create_dir_all(&folder).unwrap();
    let state = pipe(&folder, "state.json");
    assert_eq!(service.get("/v1/evolution"), serde_json::json!([]));
    let (code, told) = service.end();
    let told = service.told().to_owned() + &told;
    assert!(told.contains(state.to_str().unwrap()) && told.contains("a pipe"), "{told}");
    assert_eq!(code, 0, "{told}");
}
