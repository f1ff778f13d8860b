//! The document's agents: each is a crate as an author would have it, with the block as its
//! `lib.rs`, built into a component and run by the program.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use chimera_layer4_toolchain::{self as toolchain, Stop};
use serde_json::{Value, json};

use super::compose::compose;
use super::{left_out, rust_blocks};
use crate::cli::Chimera;
use crate::harness::{guests_target, root};
use crate::shell::outside_of_cargo;

/// The blocks of each agent, by their lines.
pub(super) const AGENTS: [&[&str]; 3] = [&["0213"], &["0464"], &["0875", "0893"]];

/// An agent of the document, as a component.
struct Agent {
    chimera: Chimera,
    component: String,
}

impl Agent {
    fn of(lines: &[&str]) -> Self {
        let component = component(lines).display().to_string();
        Self { chimera: Chimera::new(), component }
    }

    /// What `chimera run` reports of one task.
    fn run(&self, task: &Value, grants: &[&str]) -> Value {
        let task = task.to_string();
        let run = ["run", &self.component, "--json", "--task", &task];
        let ended = self.chimera.run(&[&run[..], grants].concat());
        assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
        serde_json::from_str(&ended.out).unwrap()
    }

    /// The contract holds in every line of the suite that a task of this kind leads to.
    fn meets_the_contract(&self, task: &Value, grants: &[&str]) {
        let task = task.to_string();
        let check = ["agent", "check", &self.component, "--run", "--task", &task];
        let ended = self.chimera.run(&[&check[..], grants].concat());
        assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
        assert!(ended.out.contains(" 0 fail"), "{}", ended.out);
    }
}

/// The component of an agent's blocks, composed and built once.
pub(super) fn component(lines: &[&str]) -> PathBuf {
    static BUILT: OnceLock<Mutex<HashMap<String, PathBuf>>> = OnceLock::new();
    assert!(AGENTS.contains(&lines), "no agent is in these blocks: {lines:?}");
    let name = format!("document-{}", lines.join("-"));
    let mut built =
        BUILT.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    let path = built.entry(name.clone()).or_insert_with(|| {
        let (blocks, left_out) = (rust_blocks(), left_out());
        let composed = lines.iter().map(|line| compose(&blocks[*line], &left_out[*line]).unwrap());
        build(&name, &composed.collect::<String>())
    });
    path.clone()
}

/// Builds an agent of this code.
fn build(name: &str, text: &str) -> PathBuf {
    let folder = write_crate(name, text, "");
    toolchain::build(&folder, Some(&guests_target()), &Stop::default(), &mut |_| {})
        .expect("the document's agent builds")
}

/// Writes the crate where builds leave theirs. It is in a workspace of its own: in that of
/// the host it would get the features that the host asks for.
fn write_crate(name: &str, text: &str, features: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("document").join(name);
    fs::create_dir_all(folder.join("src")).unwrap();
    let host = root().join("host").canonicalize().unwrap();
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\npublish = false\n\n\
         [workspace]\n\n\
         [lib]\ncrate-type = [\"cdylib\"]\n\n\
         [dependencies]\nchimera-layer4 = {{ path = {host:?}{features} }}\n\n\
         [profile.release]\nstrip = true\n"
    );
    write(&folder.join("Cargo.toml"), &manifest);
    write(&folder.join("src/lib.rs"), text);
    // The versions that the repository has: nothing is fetched.
    fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    folder
}

/// What is the same keeps its time, so that cargo does not build it again.
fn write(path: &Path, text: &str) {
    if fs::read_to_string(path).ok().as_deref() != Some(text) {
        fs::write(path, text).unwrap();
    }
}

/// The values of what an agent recorded under this name.
fn recorded(report: &Value, name: &str) -> Vec<f64> {
    let metrics = report["telemetry"]["metrics"].as_array().unwrap();
    let named = metrics.iter().filter(|metric| metric["name"] == name);
    named.map(|metric| metric["value"].as_f64().unwrap()).collect()
}

/// What the guest says of its own time and use is not what the host reports.
fn is_measured_by_the_host(report: &Value, claimed: &Value) {
    let used = &report["result"]["resource_usage"];
    for (name, claim) in claimed.as_object().unwrap() {
        assert_ne!(used[name], *claim, "{name}: {used}");
    }
}

#[test]
fn the_agent_of_the_quick_start_analyses_data() {
    let agent = Agent::of(&["0213"]);
    let task = json!({ "action": "data_analysis", "input_path": "/data/input.json" });
    let report = agent.run(&task, &[]);
    let output = json!({
        "analysis_complete": true,
        "data_points_processed": 1000,
        "insights_found": 15,
        "confidence_score": 0.92,
    });
    assert_eq!(report["result"]["output"], output);
    assert_eq!(recorded(&report, "data_points_processed"), [1000.0]);
    assert_eq!(recorded(&report, "confidence_score"), [0.92]);
    let claimed = json!({ "cpu_seconds": 0.2, "memory_peak_mb": 128.0, "disk_io_ops": 25 });
    is_measured_by_the_host(&report, &claimed);
    agent.meets_the_contract(&task, &[]);
}

#[test]
fn the_agent_of_the_usage_chapter_analyses_data() {
    let agent = Agent::of(&["0464"]);
    let task = json!({ "action": "analyze_data", "data_path": "/data/input.json" });
    let report = agent.run(&task, &[]);
    let output = json!({
        "analysis_complete": true,
        "data_points": 1000,
        "insights": ["trend_upward", "anomaly_detected"],
    });
    assert_eq!(report["result"]["output"], output);
    assert_eq!(recorded(&report, "data_analysis_start"), [1.0]);
    assert_eq!(recorded(&report, "data_analysis_complete"), [1.0]);
    let claimed = json!({ "cpu_seconds": 0.1, "memory_peak_mb": 64.0, "disk_io_ops": 10 });
    is_measured_by_the_host(&report, &claimed);
    agent.meets_the_contract(&task, &[]);
}

/// It says that it needs a variable: without the grant it does not start.
#[test]
fn the_custom_agent_runs_where_its_variable_is_granted() {
    let agent = Agent::of(&["0875", "0893"]);
    let task = json!({ "text": "hello" });
    let granted = ["--env", "API_KEY=secret"];
    let report = agent.run(&task, &granted);
    assert_eq!(report["result"]["output"], json!({ "received": { "text": "hello" } }));
    assert_eq!(recorded(&report, "custom_tasks"), [1.0]);
    agent.meets_the_contract(&task, &granted);
    let refused = agent.chimera.run(&["run", &agent.component, "--task", "1"]);
    assert_ne!(refused.code, 0);
    assert!(refused.err.contains("API_KEY"), "{}", refused.err);
}

/// Neither for WebAssembly nor natively, as its own tests would run, where it takes the
/// package without its default features.
#[test]
fn an_agent_builds_no_engine() {
    for (name, features, target) in [
        ("tree-wasm", "", &["--target", "wasm32-wasip2"][..]),
        ("tree-native", ", default-features = false", &[]),
    ] {
        let folder = write_crate(name, "", features);
        let mut tree = outside_of_cargo("cargo");
        tree.args(["tree", "--edges", "normal", "--prefix", "none"]).args(target);
        let output = tree.current_dir(folder).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let packages = String::from_utf8(output.stdout).unwrap();
        assert!(packages.contains("chimera-agent-sdk v"), "{packages}");
        for large in ["wasmtime", "cranelift", "axum", "tokio"] {
            assert!(!packages.contains(large), "{name}: {large} in {packages}");
        }
    }
}
