//! The document's programs, each in a process of its own: its port is 9090 in the document,
//! and what it prints is looked at. They need what any program of the library needs: a data
//! folder, and in its `agents` the component that their tasks name.

use std::fs;
use std::process::{Command, Output};

use chimera_layer4::{Layer4Config, Layer4Fabric, Task, ValidationResult, utils};
use serde_json::json;
use tempfile::TempDir;

use super::guests::component;
use super::host;
use crate::harness::{guest, program, settings};
use crate::port_9090::on_port_9090;

/// The folder that a program runs in and has its data in.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(crate::folders::data_folder())
    }

    /// With the agent that is composed of these blocks, as type `data_analyzer`.
    fn with_data_analyzer(lines: &[&str]) -> Self {
        let folder = Self::new();
        let agents = folder.0.path().join("agents");
        fs::create_dir(&agents).unwrap();
        fs::copy(component(lines), agents.join("data_analyzer.wasm")).unwrap();
        folder
    }

    /// Runs a test of this binary that no run of all tests runs.
    fn run(&self, test: &str) -> Output {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "--ignored", "--nocapture", &format!("document::{test}")]);
        child.current_dir(self.0.path()).env("LAYER4_DATA_DIR", self.0.path());
        child.env("LAYER4_COMPILE_PROGRAM", program()).output().unwrap()
    }

    /// As [`run`](Self::run), when port 9090 is free; `None`: it never is.
    fn run_on_its_port(&self, test: &str) -> Option<String> {
        on_port_9090(test, || self.run(test)).map(|output| printed(&output))
    }
}

/// What a child printed that ended well.
fn printed(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success(), "{out}{err}");
    assert!(out.contains("test result: ok. 1 passed"), "{out}{err}");
    out.into_owned()
}

/// What stands in the line of `text` behind `before`, without `after`.
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let line = text.lines().find_map(|line| line.split_once(before));
    let rest = line.and_then(|(_, rest)| rest.strip_suffix(after));
    rest.unwrap_or_else(|| panic!("no line has {before:?} … {after:?}:\n{text}"))
}

#[test]
fn the_quick_start_prints_what_its_task_took_and_that_all_is_well() {
    let folder = Folder::with_data_analyzer(&["0213"]);
    let Some(out) = folder.run_on_its_port("programs::child_0146") else { return };
    assert!(out.contains("✅ Task completed successfully!"), "{out}");
    let time: u64 = between(&out, "   Execution time: ", "ms").parse().unwrap();
    assert!((1..10_000).contains(&time), "{out}");
    // Not what the agent says of itself, which is 128.
    let memory: f64 = between(&out, "   Memory used: ", "MB").parse().unwrap();
    assert!(memory > 0.0 && memory < 64.0, "{out}");
    let processor: f64 = between(&out, "   CPU used: ", "%").parse().unwrap();
    assert!(processor < 20.0, "{out}");
    assert_eq!(between(&out, "🏥 System health: ", ""), "Healthy", "{out}");
    assert_eq!(between(&out, "🤖 Active agents: ", ""), "1", "{out}");
}

#[test]
#[ignore = "another test starts it, in a process of its own"]
fn child_0146() {
    host::b0146::run().unwrap();
}

#[test]
fn basic_usage_prints_that_its_task_succeeded() {
    let folder = Folder::with_data_analyzer(&["0464"]);
    let Some(out) = folder.run_on_its_port("programs::child_0421") else { return };
    assert_eq!(between(&out, "Task completed: ", ""), "true", "{out}");
    assert_eq!(between(&out, "System health: ", ""), "Healthy", "{out}");
}

#[test]
#[ignore = "another test starts it, in a process of its own"]
fn child_0421() {
    host::b0421::run().unwrap();
}

/// The document's own test, of block 0822, with no agent beside it. It asserts itself.
#[test]
fn the_pipeline_test_passes() {
    Folder::new().run_on_its_port("host::b0822::test_full_execution_pipeline");
}

/// Blocks 1226 and 1319, whose results are what they print.
#[test]
fn key_figures_and_a_warning_are_printed() {
    let out = printed(&Folder::new().run("programs::child_1226_and_1319"));
    let (agent, report) = (between(&out, "agent: ", ""), between(&out, "Agent ", "% accuracy"));
    let (reported, figures) = report.split_once(": ").unwrap();
    let (latency, accuracy) = figures.split_once("ms latency, ").unwrap();
    assert_eq!((reported, accuracy), (agent, "75"), "{out}");
    let latency: f64 = latency.parse().unwrap();
    assert!(latency > 0.0 && latency < 10_000.0, "{out}");

    let (before, behind) = out.split_once("100 tasks are active").unwrap();
    let warning = "Warning: High number of active tasks";
    assert_eq!((before.matches(warning).count(), behind.matches(warning).count()), (0, 1), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "another test starts it, in a process of its own"]
async fn child_1226_and_1319() {
    let builder = Layer4Fabric::builder(Layer4Config::default()).without_port();
    let layer4 = builder.settings(|all| *all = settings()).build().await.unwrap();
    layer4.start().await.unwrap();
    let echo = utils::agent_config("echo", utils::default_resource_quota());
    println!("agent: {}", layer4.spawn_agent(guest("echo"), echo).await.unwrap());
    let result = layer4.execute_task(utils::default_task()).await.unwrap();
    let judged = ValidationResult { task_id: result.task_id, accuracy: 0.75 };
    layer4.submit_validation(judged).await.unwrap();
    host::b1226::run(&layer4).await.unwrap();

    // Two agents with room for 64 tasks each, and with 101 tasks that do not end.
    for _ in 0..2 {
        let mut config = utils::agent_config("hostile", utils::default_resource_quota());
        config.parameters.insert("at_once".into(), json!(64));
        layer4.spawn_agent(guest("hostile"), config).await.unwrap();
    }
    let sleeper = || utils::task_for("hostile", json!({ "do": "sleep-ms", "amount": 200_000 }));
    let activate = async |tasks: Vec<Task>, active: usize| {
        for task in tasks {
            layer4.submit(task).await.unwrap();
        }
        while layer4.get_scheduler_stats().await.unwrap().active_tasks < active {
            tokio::task::yield_now().await;
        }
    };
    activate((0..100).map(|_| sleeper()).collect(), 100).await;
    host::b1319::run(&layer4).await.unwrap();
    println!("100 tasks are active, and one more is submitted");
    activate(vec![sleeper()], 101).await;
    host::b1319::run(&layer4).await.unwrap();
    // Nothing waits for the sleepers: the process ends.
}
