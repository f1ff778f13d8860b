//! `chimera serve`, as an operator has it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStderr, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::cli::Chimera;
use crate::harness::{guest_path, program};

/// What a host may have open, for the shell that starts it.
const DESCRIPTORS: &str = "TEST_DESCRIPTORS";

/// A host in a process of its own.
pub(crate) struct Service {
    pub(crate) chimera: Chimera,
    child: Child,
    said: Option<BufReader<ChildStderr>>,
    url: String,
    /// All that was read of what it says.
    told: String,
}

impl Service {
    pub(crate) fn start(chimera: Chimera, config: &str) -> Self {
        Self::start_with(chimera, config, &[])
    }

    /// A host that may have so many descriptors open and can raise that no further.
    pub(crate) fn start_within(chimera: Chimera, config: &str, descriptors: Option<u32>) -> Self {
        match descriptors {
            Some(most) => Self::start_with(chimera, config, &[(DESCRIPTORS, &most.to_string())]),
            None => Self::start(chimera, config),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Starts it with these variables in its environment.
    pub(crate) fn start_with(chimera: Chimera, config: &str, set: &[(&str, &str)]) -> Self {
        let folder = chimera.data();
        fs::create_dir_all(&folder).unwrap();
        // Some commands keep things here, beside the service's own data.
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(folder.join("chimera.toml"), config).unwrap();
        let (child, said) = Self::spawn(&folder, set);
        let (url, told) = (String::new(), String::new());
        let mut service = Self { chimera, child, said, url, told };
        service.hears_where();
        service
    }

    /// Kills it, and starts it again on what it left.
    pub(crate) fn kill_and_start(&mut self) {
        self.kill();
        (self.child, self.said) = Self::spawn(&self.chimera.data(), &[]);
        self.hears_where();
    }

    /// Ended by force; its folder is as it left it.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn hears_where(&mut self) {
        let line = self.hears("listening on ");
        self.url = line.trim().rsplit(' ').next().unwrap().to_owned();
    }

    pub(crate) fn spawn(
        folder: &Path,
        set: &[(&str, &str)],
    ) -> (Child, Option<BufReader<ChildStderr>>) {
        let within =
            format!("[ -z \"${DESCRIPTORS}\" ] || ulimit -n \"${DESCRIPTORS}\"; exec \"$@\"");
        let mut child = std::process::Command::new("sh")
            .args(["-c", &within, "sh"])
            .arg(program())
            .args(["serve", "--port", "0", "--config"])
            .arg(folder.join("chimera.toml"))
            .arg("--data-dir")
            .arg(folder.join("data"))
            .envs(set.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = child.stderr.take().map(BufReader::new);
        (child, said)
    }

    /// Reads on until a line says this.
    #[track_caller]
    pub(crate) fn hears(&mut self, words: &str) -> String {
        let (begin, said) = (self.told.len(), self.said.as_mut().unwrap());
        loop {
            let start = self.told.len();
            let read = said.read_line(&mut self.told).unwrap();
            assert!(read > 0, "never said {words:?}\n{}", &self.told[begin..]);
            if self.told[start..].contains(words) {
                return self.told[start..].to_owned();
            }
        }
    }

    /// All that it said, up to what was heard last.
    pub(crate) fn told(&self) -> &str {
        &self.told
    }

    /// Closes the reading end of its log.
    pub(crate) fn close_its_log(&mut self) {
        self.said.take();
    }

    /// Waits for its end; the exit code.
    pub(crate) fn ends(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// Ends it as an operator does: its exit code, and all that it said since.
    pub(crate) fn end(&mut self) -> (i32, String) {
        self.signal(Signal::TERM);
        let mut said = String::new();
        self.said.as_mut().unwrap().read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code().unwrap(), said)
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        let mut answer = ureq::get(format!("{}{path}", self.url)).call().unwrap();
        answer.body_mut().read_json().unwrap()
    }

    pub(crate) fn rewrite(&self, config: &str) {
        fs::write(self.chimera.data().join("chimera.toml"), config).unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn declare(name: &str, component: &Path, instances: u32) -> String {
    format!("[agents.{name}]\ncomponent = {component:?}\ninstances = {instances}\n")
}

#[test]
fn a_service_loads_reloads_and_ends_in_good_order() {
    let echo = guest_path("echo");
    let mut service = Service::start(Chimera::new(), &declare("echo", &echo, 2));
    let body = r#"{"target_agent_type": "echo", "payload": "hello"}"#;
    let submit = |service: &Service, wait: &str| -> Value {
        let url = format!("{}/v1/tasks{wait}", service.url);
        let request = ureq::post(url).header("content-type", "application/json");
        request.send(body).unwrap().body_mut().read_json().unwrap()
    };
    assert_eq!(submit(&service, "?wait=30s")["result"]["output"], "hello");
    assert_eq!(service.get("/v1/agents").as_array().unwrap().len(), 2);
    let judged = submit(&service, "?wait=30s")["id"].as_str().unwrap().to_owned();
    let judged = format!("{{\"task_id\": \"{judged}\", \"accuracy\": 1}}");
    let said = ureq::post(format!("{}/v1/validations", service.url));
    let said = said.header("content-type", "application/json").send(&judged).unwrap();
    assert_eq!(said.status(), 204, "the durable store knows which genome it was");

    // A file that is wrong changes nothing, and says why.
    service.rewrite("[agents.echo]\ncomponnent = 3\n");
    service.signal(Signal::HUP);
    assert!(service.hears("nothing was reloaded").contains("componnent"));
    assert_eq!(service.get("/v1/agents").as_array().unwrap().len(), 2);

    // A component that is none changes nothing of its type.
    service.rewrite(&(declare("echo", Path::new("gone.wasm"), 1) + &declare("parrot", &echo, 1)));
    service.signal(Signal::HUP);
    assert!(service.hears("not reloaded").contains("gone.wasm"));
    service.hears("parrot");
    assert_eq!(service.get("/v1/agents").as_array().unwrap().len(), 3);

    service.rewrite(&declare("echo", &echo, 1));
    service.signal(Signal::HUP);
    service.hears("replaced");
    let agents = service.get("/v1/agents");
    assert_eq!((agents.as_array().unwrap().len(), &agents[0]["agent_type"]), (1, &"echo".into()));
    let types = service.get("/v1/agent-types");
    assert_eq!(types.as_array().unwrap().len(), 1, "{types}");
    assert_eq!(submit(&service, "?wait=30s")["result"]["output"], "hello");

    // An agent that a task started goes with its declaration, too.
    let id = agents[0]["agent_id"].as_str().unwrap();
    ureq::delete(format!("{}/v1/agents/{id}", service.url)).call().unwrap();
    submit(&service, "?wait=30s");
    assert_eq!(service.get("/v1/agents").as_array().unwrap().len(), 1);
    service.rewrite("");
    service.signal(Signal::HUP);
    service.hears("removed");
    assert_eq!(service.get("/v1/agents").as_array().unwrap().len(), 0);
    service.rewrite(&declare("echo", &echo, 1));
    service.signal(Signal::HUP);
    service.hears("started");

    // The answer counts the tasks that wait for a type that goes.
    let later =
        r#"{"target_agent_type": "echo", "payload": 1, "not_before": "2999-01-01T00:00:00Z"}"#;
    let tasks = format!("{}/v1/tasks", service.url);
    ureq::post(tasks).header("content-type", "application/json").send(later).unwrap();
    let data = service.chimera.data().join("data");
    let reload = ["reload", "--data-dir", data.to_str().unwrap()];
    service.rewrite("");
    let done = service.chimera.run(&reload);
    assert!(done.out.starts_with("echo removed: 1 tasks wait for it"), "{}{}", done.out, done.err);
    // A queue without agents is shown.
    let top = service.chimera.run(&["top", "--once", "--data-dir", data.to_str().unwrap()]).out;
    let queue = top.lines().find(|line| line.contains("no agents")).unwrap();
    assert!(queue.contains("echo") && queue.contains('1'), "{top}");
    service.rewrite(&declare("echo", &echo, 1));
    assert_eq!(service.chimera.run(&reload).out, "echo started\n");

    // A genome may come before its type, and the answer says that it does.
    let push = |of| {
        let folder = data.to_str().unwrap();
        let push = ["genome", "push", echo.to_str().unwrap(), "--type", of, "--data-dir", folder];
        let done = service.chimera.run(&push);
        assert_eq!(done.code, 0, "{}", done.err);
        done.err
    };
    let said = push("ecko");
    assert!(said.contains("no agent type \"ecko\" is known") && said.contains("known are: echo"));
    assert!(!push("echo").contains("is known"));

    // The same by a command, which says what came of it.
    let done = service.chimera.run(&reload);
    assert_eq!((done.code, done.out.as_str()), (0, "echo unchanged\n"), "{}", done.err);
    service.rewrite(&declare("echo", Path::new("gone.wasm"), 1));
    let done = service.chimera.run(&reload);
    assert_eq!(done.code, 3, "{}", done.err);
    assert!(done.out.starts_with("echo failed: the component") && done.out.contains("gone.wasm"));
    service.rewrite("agents = 1");
    let done = service.chimera.run(&reload);
    assert_eq!(done.code, 3);
    assert!(done.err.contains("allowed are tables"), "{}", done.err);

    let id = submit(&service, "")["id"].as_str().unwrap().to_owned();
    service.signal(Signal::TERM);
    service.hears("ended in good order");
    assert!(service.child.wait().unwrap().success());
    let done = service.chimera.run(&reload);
    assert!(done.code == 3 && done.err.contains("no host serves"), "{}", done.err);
    // What it had done is on disk.
    let shown = service.chimera.run(&["task", "show", &id, "--data-dir", data.to_str().unwrap()]);
    assert!(shown.out.contains(&id), "{}{}", shown.out, shown.err);
}

#[test]
fn a_second_host_says_what_has_its_address_and_what_to_do() {
    let service = Service::start(Chimera::new(), "");
    // A process that is stopped has its address and answers nothing.
    service.signal(Signal::STOP);
    let port = service.url.rsplit(':').next().unwrap();
    let data = service.chimera.data().join("data");
    let second = ["serve", "--port", port, "--data-dir", data.to_str().unwrap()];
    let address = format!("cannot listen on 127.0.0.1:{port}: another program listens there");
    let words = [&*address, "another `chimera serve`", "stop it", "`metrics_port`", "`--port`"];
    service.chimera.refuses(7, &second, &words);
}

#[test]
fn a_start_that_cannot_be_fails_at_once() {
    let chimera = Chimera::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    chimera.refuses(
        7,
        &["serve", "--port", &port],
        &["cannot listen on 127.0.0.1", "metrics_port"],
    );

    let file = chimera.data();
    fs::create_dir_all(&file).unwrap();
    let file = file.join("chimera.toml");
    let config = file.to_str().unwrap();
    fs::write(&file, declare("echo", Path::new("gone.wasm"), 1)).unwrap();
    chimera.refuses(
        3,
        &["serve", "--port", "0", "--config", config],
        &["agents.echo", "gone.wasm"],
    );

    fs::write(&file, "bind_address = \"0.0.0.0\"").unwrap();
    let words = ["bind_address in ", " is 0.0.0.0, which others can reach", "api_token"];
    chimera.refuses(3, &["serve", "--config", config], &words);

    fs::write(&file, "max_agents = 3\napi_token = \"0123456789abcdef").unwrap();
    let said = chimera.run(&["config", "check", "--config", config]).err;
    assert!(said.contains("is not valid TOML: line 2") && !said.contains("abcdef"), "{said}");

    fs::write(&file, "api_token = \"a word\"\nmetrics_prot = 1\nmax_agents = 0\n").unwrap();
    let words = ["did you mean metrics_port?", "api_token in", "max_agents in"];
    chimera.refuses(3, &["config", "check", "--config", config], &words);
    let said = chimera.run(&["config", "check", "--config", config]).err;
    assert!(!said.contains("a word"), "a secret is not shown: {said}");

    // What comes behind the first mebibyte is not left out in silence.
    fs::write(&file, format!("{}max_agents = 0\n", "# much\n".repeat(150_000))).unwrap();
    let words = ["the settings file", "it is larger than 1 MiB"];
    chimera.refuses(3, &["config", "check", "--config", config], &words);

    // Nor is less than that read if it would take hundreds.
    fs::write(&file, format!("x = [{}]\n", "{a=0},".repeat(170_000))).unwrap();
    let words = ["chimera.toml would take some 232 MiB of memory; allowed are 27"];
    chimera.refuses(3, &["config", "check", "--config", config], &words);
}

#[test]
fn logs_go_to_files_where_a_folder_is_set() {
    let logs = tempfile::tempdir().unwrap();
    let echo = guest_path("echo");
    let config =
        format!("log_dir = {:?}\ndebug_mode = true\n{}", logs.path(), declare("echo", &echo, 1));
    let mut service = Service::start(Chimera::new(), &config);
    service.get("/health");
    service.signal(Signal::TERM);
    service.hears("ended in good order");
    service.child.wait().unwrap();
    let files = fs::read_dir(logs.path()).unwrap().map(|file| file.unwrap().file_name());
    let mut files: Vec<_> = files.collect();
    files.sort();
    assert_eq!(files, ["executor.log", "layer4.log"]);
    let text = fs::read_to_string(logs.path().join("layer4.log")).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let answered = lines.iter().find(|line| line["fields"]["route"] == "/health").unwrap();
    assert_eq!(answered["fields"]["status"], 200);
}

/// A declaration whose agents do not start leaves those that were there, also
/// where there is room for one set only.
#[test]
fn a_reload_that_fails_leaves_the_agents_as_they_were() {
    let (echo, broken) = (guest_path("echo"), guest_path("hostile"));
    let most = "max_agents = 2\n";
    let mut service =
        Service::start(Chimera::new(), &(most.to_owned() + &declare("echo", &echo, 2)));
    let genomes = |service: &Service| -> Vec<Value> {
        let agents = service.get("/v1/agents");
        agents.as_array().unwrap().iter().map(|agent| agent["genome"].clone()).collect()
    };
    let before = genomes(&service);
    let wrong = declare("echo", &broken, 2) + "parameters = { in_init = \"trap\" }\n";
    service.rewrite(&(most.to_owned() + &wrong));
    service.signal(Signal::HUP);
    service.hears("not reloaded");
    assert_eq!(genomes(&service), before);
    // More than the host was started with.
    service.rewrite(&("max_agents = 5\n".to_owned() + &declare("echo", &echo, 3)));
    service.signal(Signal::HUP);
    assert!(service.hears("not reloaded").contains("restart it"));
    assert_eq!(genomes(&service), before);
}

/// The same commands work on a folder and through the host that serves it.
#[test]
fn commands_go_through_the_host_that_serves_the_folder() {
    let (echo, hostile) = (guest_path("echo"), guest_path("hostile"));
    let config = declare("echo", &echo, 1) + &declare("hostile", &hostile, 1);
    let mut service = Service::start(Chimera::new(), &config);
    let data = service.chimera.data().join("data");
    let chimera = |arguments: &[&str]| {
        let ended =
            service.chimera.run(&[arguments, &["--data-dir", data.to_str().unwrap()]].concat());
        (ended.code, ended.out.trim().to_owned(), ended.err)
    };
    let well = |arguments: &[&str]| {
        let (code, out, err) = chimera(arguments);
        assert_eq!(code, 0, "{arguments:?}\n{out}{err}");
        out
    };
    let ended = |id: &str| service.get(&format!("/v1/tasks/{id}?wait=30s"));

    let id = well(&[
        "task",
        "submit",
        "--type",
        "echo",
        "--task",
        "[1]",
        "--key",
        "k",
        "--priority",
        "high",
    ]);
    assert_eq!(ended(&id)["result"]["output"], serde_json::json!([1]));
    assert_eq!(well(&["task", "submit", "--type", "echo", "--task", "[1]", "--key", "k"]), id);
    let shown = well(&["task", "show", &id]);
    assert!(shown.contains("state      succeeded") && shown.contains("priority   high"), "{shown}");
    let listed = well(&["task", "list", "--state", "succeeded", "--type", "echo"]);
    assert!(listed.starts_with(&id), "{listed}");
    let unknown = chimera(&["task", "submit", "--type", "unknown", "--task", "1"]);
    assert!(unknown.0 == 3 && unknown.2.contains("known: echo, hostile"), "{unknown:?}");

    let later = well(&["task", "submit", "--type", "echo", "--task", "1", "--delay", "999"]);
    let stats = well(&["task", "stats"]);
    assert!(stats.contains("delayed     1") && stats.contains("queued for echo: 1"), "{stats}");
    assert_eq!(well(&["task", "cancel", &later]), "1 task cancelled");
    let again = chimera(&["task", "cancel", &later]);
    assert!(again.0 == 3 && again.2.contains(&format!("{later} is cancelled; only")), "{again:?}");
    assert_eq!(well(&["task", "purge", &later, &id]), "2 tasks purged");
    // Of a task that is not there, nothing is to be shown.
    for arguments in [["task", "cancel"], ["task", "purge"], ["dead-letters", "requeue"]] {
        let none = chimera(&[&arguments[..], &[&id]].concat());
        let words = format!(": there is no task {id}\n");
        assert!(none.0 == 3 && none.2.ends_with(&words), "{none:?}");
        assert!(!none.2.contains("task show"), "{none:?}");
    }
    let gone = chimera(&["task", "show", &id]);
    assert!(gone.0 == 3 && gone.2.contains("there is no task"), "{gone:?}");

    let waited = well(&["task", "submit", "--type", "echo", "--task", "[2]", "--wait"]);
    assert_eq!(serde_json::from_str::<Value>(&waited).unwrap(), serde_json::json!([2]));
    let failed =
        chimera(&["task", "submit", "--type", "hostile", "--task", r#"{"do": "fail"}"#, "--wait"]);
    assert!(failed.0 == 1 && failed.1.is_empty() && failed.2.contains("as asked"), "{failed:?}");
    assert_eq!(well(&["dead-letters", "purge", "--all", "--yes"]), "1 task purged");

    let top = well(&["top", "--once"]);
    for words in ["healthy · 2 agents", "succeeded    1", "echo", "closed", "100 %"] {
        assert!(top.contains(words), "{words}\n{top}");
    }
    let no_terminal = chimera(&["top"]);
    assert!(no_terminal.0 == 3 && no_terminal.2.contains("--once"), "{no_terminal:?}");

    let trap = r#"{"do": "trap"}"#;
    let dead = well(&["task", "submit", "--type", "hostile", "--task", trap, "--attempts", "1"]);
    ended(&dead);
    assert!(well(&["dead-letters", "list"]).contains("attempts-exhausted"));
    assert!(well(&["dead-letters", "show", &dead]).contains("1 of 1"));
    assert_eq!(well(&["dead-letters", "requeue", &dead]), "1 task back in the queue");
    ended(&dead);
    assert_eq!(well(&["dead-letters", "purge", "--all", "--yes"]), "1 task purged");

    service.signal(Signal::TERM);
    service.hears("ended in good order");
    service.child.wait().unwrap();
    // Without the host the command reads the folder, and no task runs.
    let data_dir = ["--data-dir", data.to_str().unwrap()];
    let wait = [&["task", "submit", "--type", "echo", "--wait"][..], &data_dir].concat();
    service.chimera.refuses(3, &wait, &["no host serves"]);
    let stats = service.chimera.run(&["task", "stats", "--data-dir", data.to_str().unwrap()]);
    assert!(stats.out.contains("delayed     0"), "{}{}", stats.out, stats.err);
}

/// On a terminal of its own, which `script` lends it.
#[test]
fn top_shows_the_host_until_q_is_pressed() {
    let service = Service::start(Chimera::new(), &declare("echo", &guest_path("echo"), 1));
    let (program, data) = (program().display(), service.chimera.data().join("data"));
    let top = format!("stty rows 40 cols 160 && exec {program} top --data-dir {data:?}");
    let mut child = std::process::Command::new("script")
        .args(["-qefc", &top, "/dev/null"])
        .env("TERM", "xterm-256color")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut keys, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut shown = Vec::new();
    let mut until = |words: &str| {
        let has = |shown: &[u8]| String::from_utf8_lossy(shown).contains(words);
        let mut more = [0; 4096];
        while !has(&shown) {
            let read = screen.read(&mut more).unwrap();
            assert!(read > 0, "never showed {words:?}\n{}", String::from_utf8_lossy(&shown));
            shown.extend(&more[..read]);
        }
    };
    until("healthy");
    until("ends"); // The last line: all of it is drawn.
    keys.write_all(b"x").unwrap(); // Means nothing, and ends nothing.
    keys.write_all(b"q").unwrap();
    until("\u{1b}[?1049l"); // The screen is given back as it was.
    drop(keys);
    assert!(child.wait().unwrap().success());
}

/// The log has no reader, and the agents log much.
#[test]
fn a_log_without_a_reader_holds_up_neither_host_nor_agents() {
    let (echo, hostile) = (guest_path("echo"), guest_path("hostile"));
    let config = declare("echo", &echo, 1) + &declare("hostile", &hostile, 1);
    let service = Service::start(Chimera::new(), &config);
    let submit = |body: &str| -> Value {
        let request = ureq::post(format!("{}/v1/tasks?wait=30s", service.url));
        let request = request.header("content-type", "application/json");
        request.send(body).unwrap().body_mut().read_json().unwrap()
    };
    for _ in 0..20 {
        let flood =
            r#"{"target_agent_type": "hostile", "payload": {"do": "log-flood", "amount": 1000}}"#;
        assert_eq!(submit(flood)["result"]["success"], true);
    }
    let echo = r#"{"target_agent_type": "echo", "payload": "still here"}"#;
    assert_eq!(submit(echo)["result"]["output"], "still here");
    assert_eq!(service.get("/health")["status"], "healthy");
}
