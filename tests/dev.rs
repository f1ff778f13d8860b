//! `chimera agent dev`: sources that are edited on the disk, and what becomes of
//! the agent. Each step waits for what the program says.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Lines};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cli::Chimera;
use crate::harness::{guest_path, guests_target, program, root};
use crate::http::service::Service;

/// Counts the tasks that it did, over all of its versions.
const COUNTER: &str = r#"
use chimera_agent_sdk::prelude::*;

struct Counter(u32);

impl TypedAgent for Counter {
    type Output = Value;

    fn init(_config: Config) -> Result<Self, AgentError> {
        Ok(Counter(0))
    }

    fn execute_task(&mut self, _task: Task) -> Result<Value, AgentError> {
        self.0 += 1;
        chimera_agent_sdk::telemetry::debug("it counts");
        Ok(json!({ "version": 1, "count": self.0 }))
    }
}

impl StatefulAgent for Counter {
    fn save(&self) -> Result<Vec<u8>, AgentError> {
        Ok(self.0.to_le_bytes().to_vec())
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), AgentError> {
        self.0 = u32::from_le_bytes(state.try_into().or_invalid_input("reading the state")?);
        Ok(())
    }
}

wasm_agent!(Counter, state);
"#;

/// A project on the disk. What it depends on is built where all guests are.
struct Project(TempDir);

impl Project {
    fn new(name: &str) -> Self {
        let project = Self(tempfile::tempdir().unwrap());
        let sdk = root().join("guest-sdk").canonicalize().unwrap();
        let manifest = format!(
            "[package]\nname = \"{name}\"\nedition = \"2024\"\n\n[lib]\ncrate-type = [\"cdylib\"]\n\n\
             [dependencies]\nchimera-agent-sdk = {{ path = {sdk:?} }}\n\n\
             [profile.release]\nstrip = true\n\n[workspace]\n"
        );
        let cargo = format!("[build]\ntarget-dir = {:?}\n", guests_target());
        let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
        for (path, text) in [
            ("Cargo.toml", manifest.as_str()),
            ("Cargo.lock", &lock),
            (".cargo/config.toml", &cargo),
            // What the compiling child leaves when coverage is measured.
            (".gitignore", "*.profraw\n"),
            ("src/lib.rs", COUNTER),
        ] {
            let path = project.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        project
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    /// The counter, with one of its texts replaced.
    fn save(&self, from: &str, to: &str) {
        assert!(COUNTER.contains(from), "{from}");
        fs::write(self.path("src/lib.rs"), COUNTER.replace(from, to)).unwrap();
    }
}

/// The program at work on a project.
struct Dev {
    child: Child,
    events: Lines<BufReader<ChildStdout>>,
    said: PathBuf,
}

impl Dev {
    fn start(project: &Project, data: &std::path::Path, arguments: &[&str]) -> Self {
        let said = project.0.path().with_extension("stderr");
        let mut child = Command::new(program())
            .args(["agent", "dev", ".", "--json", "--data-dir"])
            .arg(data)
            .args(arguments)
            .current_dir(project.0.path())
            .stdout(Stdio::piped())
            .stderr(File::create(&said).unwrap())
            .spawn()
            .unwrap();
        let events = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, events, said }
    }

    /// What it said on standard error.
    fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap()
    }

    /// Reads on to an event of this name.
    #[track_caller]
    fn hears(&mut self, name: &str) -> Value {
        let mut before = Vec::new();
        for line in self.events.by_ref() {
            let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
            if event["event"] == name {
                return event;
            }
            assert_ne!(event["event"], "failed", "{event}\n{}", self.said());
            before.push(event);
        }
        panic!("{name} never came: {before:#?}\n{}", self.said());
    }

    /// Reads on to the next task that was run, and its output.
    #[track_caller]
    fn ran(&mut self) -> Value {
        self.hears("ran")["result"]["output"].clone()
    }

    fn end(&mut self) {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        let ended = self.child.wait().unwrap();
        assert_eq!(ended.code(), Some(0), "{}", self.said());
        assert!(self.said().contains("ended in good order"), "{}", self.said());
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.said);
    }
}

#[test]
fn each_saved_version_takes_over_and_a_bad_one_does_not() {
    let project = Project::new("dev-counter");
    let mut dev = Dev::start(&project, Chimera::new().data().as_path(), &["--task", "1"]);
    let first = dev.hears("started")["genome"].clone();
    let ran = dev.hears("ran");
    assert_eq!(ran["result"]["output"], json!({ "version": 1, "count": 1 }));
    assert_eq!(ran["telemetry"]["log"][0]["message"], "it counts");

    project.save("version", "version is missing a quote \"");
    let failed = dev.hears("failed");
    assert_eq!((&failed["during"], &failed["running"]), (&json!("build"), &first));
    assert!(failed["error"].as_str().unwrap().contains("does not build"), "{failed}");
    assert!(dev.said().contains("src/lib.rs"), "the compiler's own words: {}", dev.said());

    project.save("\"version\": 1", "\"version\": 2");
    let changed = dev.hears("changed");
    assert_eq!(changed["files"], json!(["src/lib.rs"]), "the build itself changes nothing");
    let swapped = dev.hears("swapped");
    assert_eq!(swapped["state"]["bytes"], json!(4), "{swapped}");
    let second = swapped["genome"].clone();
    assert_ne!(second, first);
    assert_eq!(dev.ran(), json!({ "version": 2, "count": 2 }));

    project.save("Ok(Counter(0))", "Err(AgentError::failed(\"not today\"))");
    let failed = dev.hears("failed");
    assert_eq!((&failed["during"], &failed["running"]), (&json!("start"), &second));
    assert!(failed["error"].as_str().unwrap().contains("not today"), "{failed}");

    project.save("wasm_agent!(Counter, state);", "");
    let failed = dev.hears("failed");
    assert_eq!((&failed["during"], &failed["running"]), (&json!("check"), &second));
    assert!(failed["error"].as_str().unwrap().contains("`chimera wit`"), "{failed}");

    project.save("Ok(())", "Err(AgentError::invalid_input(\"of a new kind\"))");
    let failed = dev.hears("failed");
    assert_eq!((&failed["during"], &failed["running"]), (&json!("swap"), &second));
    assert!(failed["error"].as_str().unwrap().contains("of a new kind"), "{failed}");

    // What went wrong cost the running one nothing, and it is still the one.
    project.save("\"version\": 1", "\"version\": 2");
    assert_eq!(dev.hears("unchanged")["genome"], second);
    assert_eq!(dev.ran(), json!({ "version": 2, "count": 3 }));

    // A file that is new, in a folder that is new.
    fs::create_dir(project.path("src/words")).unwrap();
    fs::write(project.path("src/words/number.rs"), "70").unwrap();
    dev.hears("unchanged");
    project.save("self.0 }", "include!(\"words/number.rs\") }");
    dev.hears("swapped");
    assert_eq!(dev.ran()["count"], 70);
    fs::write(project.path("src/words/number.rs"), "80").unwrap();
    dev.hears("swapped");
    assert_eq!(dev.ran()["count"], 80);

    // A crate elsewhere, named from here on.
    let other = tempfile::tempdir().unwrap();
    let number = |number: u32| {
        let text = format!("pub const NUMBER: u32 = {number};\n");
        fs::write(other.path().join("src/lib.rs"), text).unwrap();
    };
    fs::create_dir(other.path().join("src")).unwrap();
    let package = "[package]\nname = \"dev-other\"\nedition = \"2024\"\n\n[workspace]\n";
    fs::write(other.path().join("Cargo.toml"), package).unwrap();
    number(90);
    let manifest = fs::read_to_string(project.path("Cargo.toml")).unwrap();
    let named = format!("[dependencies]\ndev-other = {{ path = {:?} }}", other.path());
    fs::write(project.path("Cargo.toml"), manifest.replace("[dependencies]", &named)).unwrap();
    assert_eq!(dev.ran()["count"], 80);
    project.save("self.0 }", "dev_other::NUMBER }");
    dev.hears("swapped");
    assert_eq!(dev.ran()["count"], 90);
    number(100);
    let changed = dev.hears("changed");
    let file = other.path().canonicalize().unwrap().join("src/lib.rs");
    assert_eq!(changed["files"], json!([file]));
    dev.hears("swapped");
    assert_eq!(dev.ran()["count"], 100);
    dev.end();
}

#[test]
fn the_agents_of_a_host_that_serves_are_swapped_and_stay_so() {
    let component = guest_path("echo").display().to_string();
    let config = format!("[agents.counter]\ncomponent = {component:?}\n");
    let service = Service::start(Chimera::new(), &config);
    let in_charge = |service: &Service| service.get("/v1/agents")[0]["genome"].clone();
    let before = in_charge(&service);

    let project = Project::new("dev-served");
    let data = service.chimera.data().join("data");
    let mut dev = Dev::start(&project, &data, &["--type", "counter", "--task", "1"]);
    let first = dev.hears("swapped")["genome"].clone();
    assert_eq!(dev.ran()["version"], 1);
    assert_eq!(in_charge(&service), first);
    assert_ne!(first, before);

    project.save("wasm_agent!(Counter, state);", "");
    let failed = dev.hears("failed");
    assert_eq!((&failed["during"], &failed["running"]), (&json!("check"), &first));
    assert!(failed["error"].as_str().unwrap().contains("`chimera wit`"), "{failed}");

    project.save("\"version\": 1", "\"version\": 3");
    let swapped = dev.hears("swapped");
    assert_eq!(swapped["state"]["bytes"], json!(4), "{swapped}");
    assert_eq!(dev.ran(), json!({ "version": 3, "count": 2 }));
    dev.end();
    assert_eq!(in_charge(&service), swapped["genome"], "the host goes on with it");

    let other = ["agent", "dev", ".", "--data-dir", &data.display().to_string(), "--type", "other"];
    service.chimera.refuses(3, &other, &["no agent type \"other\"", "it has counter"]);
}

#[test]
fn what_cannot_be_done_is_refused_before_anything_is_built() {
    let chimera = Chimera::new();
    chimera.refuses(3, &["agent", "dev", "nowhere"], &["nowhere is not a folder"]);
    chimera.refuses(3, &["agent", "dev", ".", "--task", "{"], &["--task is not JSON"]);
    chimera.refuses(
        3,
        &["agent", "dev", ".", "--type", "echo"],
        &["no host serves this data folder", "leave out --type"],
    );
    for grant in
        ["--env=A=b", "--param=a=1", "--dir=a::/a", "--http=http://a.example", "--keyvalue=1"]
    {
        let (flag, _) = grant.split_once('=').unwrap();
        chimera.refuses(2, &["agent", "dev", "--type", "echo", grant], &[flag]);
    }
    chimera.refuses(3, &["agent", "dev", ".", "--task", "-"], &["--task is -", "@FILE"]);
    chimera.refuses(2, &["agent", "dev", "--allow", "wasi:cli"], &["--type"]);
    let ended = chimera.run(&["agent", "dev", "."]);
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert!(ended.err.contains("`chimera agent new` makes one"), "{}", ended.err);
}
