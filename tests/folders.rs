//! The data folder as other users of the machine could have left it, and what
//! commands make of one that is not there.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::cli::Chimera;
use crate::harness::{guest_path, program};
use crate::http::service::{Service, declare};

/// A user that no machine has.
const OTHER: u32 = 54_321;
const NO_TASK: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// Every command that has to do with a data folder, without what it is given.
const LOOKING: [&[&str]; 12] = [
    &["task", "list"],
    &["task", "stats"],
    &["task", "show", NO_TASK],
    &["task", "cancel", NO_TASK],
    &["task", "purge", NO_TASK],
    &["dead-letters", "list"],
    &["dead-letters", "requeue", "--all"],
    &["genome", "list"],
    &["genome", "history", "echo"],
    &["genome", "verify"],
    &["genome", "gc"],
    &["keyvalue", "list"],
];
const ASKING: [&[&str]; 3] = [&["reload"], &["top", "--once"], &["rollout", "show"]];
const MAKING: [&[&str]; 2] = [&["task", "submit", "--type", "echo"], &["serve", "--port", "0"]];

/// A temporary data folder: closed to others, as a host makes its own.
pub(crate) fn data_folder() -> TempDir {
    tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir().unwrap()
}

/// `top/data`, as a host makes it.
struct Scene {
    base: TempDir,
    data: PathBuf,
}

impl Scene {
    fn new(chimera: &Chimera) -> Self {
        let base = tempfile::tempdir().unwrap();
        let top = base.path().join("top");
        fs::create_dir(&top).unwrap();
        let data = top.join("data");
        let made = chimera.run(&["task", "submit", "--type", "echo", "--data-dir", shown(&data)]);
        assert_eq!(made.code, 0, "{}", made.err);
        Self { base, data }
    }

    fn top(&self) -> PathBuf {
        self.base.path().join("top")
    }
}

fn shown(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Each of these commands says why it does not touch the folder.
#[track_caller]
fn refused(chimera: &Chimera, commands: &[&[&str]], data: &Path, words: &[&str]) {
    for command in commands {
        chimera.refuses(3, &[command, &["--data-dir", shown(data)][..]].concat(), words);
    }
}

fn every_command() -> Vec<&'static [&'static str]> {
    [&LOOKING[..], &ASKING, &MAKING].concat()
}

#[test]
fn a_folder_that_other_users_could_replace_is_refused_by_every_command() {
    let chimera = Chimera::new();
    let scene = Scene::new(&chimera);
    chmod(&scene.top(), 0o777);
    let words = ["top can be written to by every user (mode 777)", "put another in its place"];
    refused(&chimera, &every_command(), &scene.data, &words);
    let link = scene.base.path().join("link");
    symlink(&scene.data, &link).unwrap();
    refused(&chimera, &every_command(), &link, &words);
    let echo = guest_path("echo");
    let run = ["run", shown(&echo), "--data-dir", shown(&scene.data)];
    chimera.refuses(3, &run, &words);

    // With the sticky bit others can rename only what is theirs, as in /tmp.
    chmod(&scene.top(), 0o1777);
    for data in [&scene.data, &link] {
        let listed = chimera.run(&["task", "list", "--data-dir", shown(data)]);
        assert_eq!(listed.code, 0, "{}", listed.err);
    }
}

#[test]
fn a_folder_that_others_can_enter_is_refused_by_every_command() {
    let chimera = Chimera::new();
    let scene = Scene::new(&chimera);
    assert_eq!(fs::metadata(&scene.data).unwrap().mode() & 0o777, 0o700);
    chmod(&scene.data, 0o755);
    let words = ["data has mode 755", "read tasks and results", "`chmod 700`"];
    refused(&chimera, &every_command(), &scene.data, &words);
    chmod(&scene.data, 0o770);
    let words = ["data has mode 770", "may have put code there", "remove the folder `compiled`"];
    refused(&chimera, &every_command(), &scene.data, &words);
}

#[test]
fn a_folder_whose_parent_is_another_users_is_refused_by_every_command() {
    if !geteuid().is_root() {
        return eprintln!("skipped: to give a folder to another user takes root");
    }
    let chimera = Chimera::new();
    let scene = Scene::new(&chimera);
    chown(scene.top(), Some(OTHER), None).unwrap();
    let words = ["top belongs to user 54321, who could take", "run the code in it as user"];
    refused(&chimera, &every_command(), &scene.data, &words);
    refused(&chimera, &MAKING, &scene.top().join("new/er"), &words);
    assert!(!scene.top().join("new").exists());
}

#[test]
fn a_folder_of_another_user_is_refused_and_their_code_is_not_run() {
    if !geteuid().is_root() {
        return eprintln!("skipped: to give a folder to another user takes root");
    }
    let chimera = Chimera::new();
    let scene = Scene::new(&chimera);
    chown(&scene.data, Some(OTHER), None).unwrap();
    let words = ["data belongs to user 54321, and this is user root (0)", "run the command as"];
    // Root may ask the host of another user, which is not there.
    refused(&chimera, &LOOKING, &scene.data, &words);
    refused(&chimera, &MAKING, &scene.data, &words);
    refused(&chimera, &ASKING, &scene.data, &["no host serves this data folder"]);

    // What they left inside is found when the folder is root's again.
    chown(&scene.data, Some(0), None).unwrap();
    let echo = guest_path("echo");
    let run = ["run", shown(&echo), "--data-dir", shown(&scene.data)];
    assert_eq!(chimera.run(&run).code, 0);
    let code = scene.data.join("compiled/code/modules");
    chown(&code, Some(OTHER), None).unwrap();
    chimera.refuses(3, &run, &["compiled/code/modules belongs to user 54321"]);
}

#[test]
fn code_that_others_could_change_is_not_run() {
    let chimera = Chimera::new();
    let scene = Scene::new(&chimera);
    let echo = guest_path("echo");
    let run = ["run", shown(&echo), "--data-dir", shown(&scene.data)];
    assert_eq!(chimera.run(&run).code, 0);
    let folder = fs::read_dir(scene.data.join("compiled/code/modules")).unwrap().next();
    let folder = folder.unwrap().unwrap().path();
    let files = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path());
    let code = files.into_iter().find(|file| file.extension().is_none()).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&code)), (0o700, 0o600), "as the host makes them");
    for (path, open, closed) in [(&folder, 0o777, 0o700), (&code, 0o666, 0o600)] {
        chmod(path, open);
        let words = format!("{} has mode {open:o}: every user can write to it", shown(path));
        chimera.refuses(3, &run, &[&words, "may have put code there"]);
        chmod(path, closed);
        assert_eq!(chimera.run(&run).code, 0);
    }
    // wasmtime writes its notes with the umask of the host, which a group may share.
    let note = code.with_extension("stats");
    chmod(&note, 0o664);
    assert_eq!(chimera.run(&run).code, 0);
    fs::hard_link(&code, scene.top().join("other")).unwrap();
    chimera.refuses(3, &run, &[&format!("{} has 2 names (hard links)", shown(&code))]);
}

#[test]
fn another_user_learns_whose_folder_it_is() {
    let chimera = Chimera::new();
    let scene = Scene::new(&chimera);
    if !geteuid().is_root() {
        return eprintln!("skipped: to run a program as another user takes root");
    }
    chmod(scene.base.path(), 0o755);
    for command in [&LOOKING[0], &ASKING[0], &MAKING[0]] {
        let mut other = Command::new(program());
        other.args(*command).arg("--data-dir").arg(&scene.data).current_dir("/").uid(OTHER);
        let Ok(output) = other.output() else {
            return eprintln!("skipped: another user cannot start {}", program().display());
        };
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{command:?} {said}");
        for words in ["data belongs to user root (0), and this is user 54321", "set `data_dir`"] {
            assert!(said.contains(words), "{command:?} {said}");
        }
    }
}

#[test]
fn commands_that_look_make_no_folder() {
    let chimera = Chimera::new();
    let base = tempfile::tempdir().unwrap();
    let none = base.path().join("mistyped/data");
    refused(&chimera, &LOOKING, &none, &["there is no folder", "mistyped/data", "--data-dir"]);
    refused(&chimera, &ASKING, &none, &["no host serves this data folder"]);
    assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
    // Nor do they turn another folder into one.
    refused(&chimera, &LOOKING, base.path(), &["is no data folder: it has none of chimera.db"]);
    assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
}

#[test]
fn a_crash_is_reported_by_the_next_host_and_not_by_a_command() {
    let hostile = guest_path("hostile");
    let mut service = Service::start(Chimera::new(), &declare("hostile", &hostile, 1));
    let url = format!("{}/v1/tasks", service.url());
    let body = r#"{"target_agent_type": "hostile", "payload": {"do": "sleep"}}"#;
    let request = ureq::post(url).header("content-type", "application/json");
    let submitted: Value = request.send(body).unwrap().body_mut().read_json().unwrap();
    let id = submitted["id"].as_str().unwrap().to_owned();
    while service.get(&format!("/v1/tasks/{id}"))["state"] != "running" {
        std::thread::yield_now();
    }
    service.kill();

    let told = "tasks were in hand when the host went down";
    let data = service.chimera.data().join("data");
    for command in [
        &["task", "list", "--state", "running"][..],
        &["task", "show", &id],
        &["task", "stats"],
        &["task", "submit", "--type", "hostile", "--delay", "3600"],
        &["dead-letters", "list"],
        &["genome", "list"],
    ] {
        let ended = service.chimera.run(&[command, &["--data-dir", shown(&data)]].concat());
        assert_eq!(ended.code, 0, "{command:?} {}", ended.err);
        assert!(!ended.err.contains(told), "{command:?} {}", ended.err);
        if command[0] == "task" && command[1] != "submit" {
            assert!(ended.err.contains("no host has this folder open"), "{}", ended.err);
        }
    }
    let (mut host, said) = Service::spawn(&service.chimera.data(), &[]);
    let mut said = said.unwrap();
    let mut before = String::new();
    while !before.contains("listening on") {
        assert!(said.read_line(&mut before).unwrap() > 0, "{before}");
    }
    host.kill().unwrap();
    host.wait().unwrap();
    assert_eq!(before.matches(told).count(), 1, "{before}");
}

#[test]
fn a_service_warns_once_of_what_surrounds_it() {
    let home = tempfile::tempdir().unwrap();
    let settings = home.path().join("chimera.toml");
    fs::write(&settings, format!("api_token = \"{}\"\n", "t".repeat(40))).unwrap();
    chmod(&settings, 0o646);
    let mut host = Command::new(program())
        .args(["serve", "--port", "0", "--config"])
        .arg(&settings)
        .arg("--data-dir")
        .arg(home.path().join("data"))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(host.stderr.take().unwrap());
    let mut log = String::new();
    while !log.contains("listening on") {
        assert!(said.read_line(&mut log).unwrap() > 0, "{log}");
    }
    kill_process(Pid::from_child(&host), Signal::TERM).unwrap();
    said.read_to_string(&mut log).unwrap();
    host.wait().unwrap();
    let as_root = usize::from(geteuid().is_root());
    for (code, times) in [
        ("secrets-readable", 1),
        ("settings-writable", 1),
        ("running-as-root", as_root),
        ("no-token", 0),
        ("data-on-network", 0),
    ] {
        assert_eq!(log.matches(code).count(), times, "{code}\n{log}");
    }
}
