//! The generator as `chimera evolve` runs it: a process, one request, one file.
//!
//! The parent here is a buffer with the table of the agent in it.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use chimera_agent_sdk::prelude::*;
use packer::Tuning;
use packer::tuning::MARKER;
use packer::variant::component;

/// Cargo builds examples beside the tests, and names no variable for them. A
/// coverage tool has it build the tests alone; then the example is built here.
fn generator() -> PathBuf {
    let name = format!("variant{}", std::env::consts::EXE_SUFFIX);
    let test = std::env::current_exe().unwrap();
    let beside = test.parent().unwrap().with_file_name("examples").join(&name);
    if beside.exists() {
        return beside;
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("generator");
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--locked", "--example", "variant"]);
    cargo.args(["--manifest-path", manifest]).arg("--target-dir").arg(&target);
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER", "LLVM_PROFILE_FILE"] {
        cargo.env_remove(name);
    }
    assert!(cargo.status().unwrap().success(), "the generator builds");
    target.join("debug/examples").join(name)
}

fn run(request: &str) -> Output {
    let mut child = Command::new(generator())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(request.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn request(parents: &[&Path], out: &Path, seed: u64) -> String {
    let parents: Vec<Value> = parents
        .iter()
        .map(|path| json!({"digest": "sha256:00", "path": path, "fitness": {}, "evidence": {}}))
        .collect();
    let request = json!({
        "protocol": 1, "agent_type": "packer", "generation": 2, "seed": seed,
        "parents": parents, "out": out,
    });
    format!("{request}\n")
}

fn parent(folder: &Path, tuning: &Tuning) -> PathBuf {
    let numbers = tuning.numbers().flat_map(f64::to_le_bytes);
    let bytes: Vec<u8> = b"\0asm code".iter().copied().chain(MARKER).chain(numbers).collect();
    let path = folder.join("parent.wasm");
    fs::write(&path, bytes).unwrap();
    path
}

fn path_of(output: &Output) -> PathBuf {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = std::str::from_utf8(&output.stdout).unwrap();
    PathBuf::from(text.strip_suffix('\n').unwrap())
}

#[test]
fn a_request_makes_one_new_component_and_prints_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let parent = parent(folder.path(), &Tuning::BEST_FIT);
    let out = tempfile::tempdir().unwrap();
    let path = path_of(&run(&request(&[&parent], out.path(), 1)));
    assert_eq!(path.parent(), Some(out.path()));
    let child = component::read(&fs::read(&path).unwrap()).unwrap();
    assert_ne!(child.weights, Tuning::BEST_FIT.weights);
    assert_eq!(component::read(&fs::read(&parent).unwrap()), Ok(Tuning::BEST_FIT));

    assert_eq!(path_of(&run(&request(&[&parent], out.path(), 1))), path, "the same again");
    assert_ne!(path_of(&run(&request(&[&parent, &path], out.path(), 2))), path);
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 2);
}

#[test]
fn a_wrong_request_is_refused_on_standard_error() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("nowhere.wasm");
    let stranger = folder.path().join("stranger.wasm");
    fs::write(&stranger, b"\0asm").unwrap();
    let mut wild = Tuning::BEST_FIT;
    wild.weights.new_bin = f64::NAN;
    let wild = parent(folder.path(), &wild);
    let rows = [
        ("{}".to_owned(), "request does not fit: missing field `protocol`"),
        (request(&[], folder.path(), 1), "at `parents`: empty"),
        (request(&[&nowhere], folder.path(), 1), "nowhere.wasm: No such file"),
        (request(&[&stranger], folder.path(), 1), "stranger.wasm: has the marker"),
        (request(&[&wild], folder.path(), 1), "number 11 of its table is NaN"),
    ];
    for (request, expected) in rows {
        let output = run(&request);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{request}");
        assert!(output.stdout.is_empty(), "{request}");
        assert!(message.contains(expected), "{request}: {message}");
    }
}
