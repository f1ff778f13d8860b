//! Runs every command in the README, and holds its tables against the code.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use chimera_layer4::config::SETTINGS;

use crate::cli::Chimera;
use crate::harness::{guests_target, program, root};
use crate::shell::outside_of_cargo;

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).unwrap()
}

/// The commands of each `sh` block.
fn blocks() -> Vec<String> {
    let text = readme();
    let parts = text.split("```sh\n").skip(1);
    parts.map(|part| part.split("```").next().unwrap().to_owned()).collect()
}

/// What a test cannot run: itself, what needs the tools of five languages, and the
/// benchmarks, which would take minutes of a machine that does nothing else.
const NOT_HERE: [(&str, &str); 4] = [
    ("agents/first-result.sh\n", ".ci/run"),
    ("cargo test --workspace\n", ".ci/run"),
    ("cargo bench --bench execution_benchmarks\n", ".ci/run"),
    ("cargo bench --bench scheduler\n", ".ci/run"),
];

#[test]
fn every_command_runs() {
    let scratch = tempfile::tempdir().unwrap();
    make_programs(&scratch.path().join("bin"));
    let mut ran = 0;
    for block in blocks() {
        if NOT_HERE.iter().any(|(command, _)| block == *command) {
            continue;
        }
        let output = run(&block, scratch.path());
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{block}\n{text}");
        ran += 1;
    }
    assert!(ran >= 4, "the README lost its commands");
}

fn run(block: &str, scratch: &Path) -> std::process::Output {
    // The folder goes before whatever PATH these tests were started with.
    let block = format!("PATH={}:$PATH\n{block}", scratch.join("bin").display());
    outside_of_cargo("bash")
        .args(["-euo", "pipefail", "-c", &block])
        .current_dir(root())
        .env("TMPDIR", scratch)
        .env("XDG_DATA_HOME", scratch.join("share"))
        .env("CARGO_TARGET_DIR", guests_target())
        .output()
        .unwrap()
}

/// `chimera`, and a `cargo` that runs the program as it is instead of building
/// it once more; CI runs the first command to the letter.
fn make_programs(folder: &Path) {
    std::fs::create_dir(folder).unwrap();
    symlink(program(), folder.join("chimera")).unwrap();
    let cargo = folder.join("cargo");
    let script = r#"#!/usr/bin/env bash
if [[ "$1 $2 $3" == "run --release --" ]]; then exec chimera "${@:4}"; fi
PATH=${PATH#*:} exec cargo "$@"
"#;
    std::fs::write(&cargo, script).unwrap();
    std::fs::set_permissions(&cargo, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn what_runs_elsewhere_really_does() {
    // The first command builds the release, which `every_command_runs` leaves out.
    let first = "cargo run --release -- run agents/data-analyzer --task @agents/data-analyzer/data/penguins.json\n";
    for (command, file) in NOT_HERE.into_iter().chain([(first, ".ci/run")]) {
        assert!(blocks().iter().any(|block| block == command), "{command} is gone from the README");
        let text = std::fs::read_to_string(root().join(file)).unwrap();
        assert!(text.contains(command.trim()), "{file} does not run {command}");
    }
}

/// What a later step of CI installs is no help to somebody who has just cloned the repository.
#[test]
fn ci_runs_the_two_commands_before_it_prepares_anything() {
    let text = std::fs::read_to_string(root().join(".ci/run")).unwrap();
    let steps: Vec<&str> = text.lines().filter(|line| line.starts_with("    step ")).collect();
    let names = steps.iter().map(|line| line.split('"').nth(1).unwrap()).take(3);
    let first =
        ["a newcomer's machine", "the README's first command", "the README's second command"];
    assert_eq!(names.collect::<Vec<_>>(), first);
    assert!(text.contains(r#"command" covered bare cargo test --workspace"#));
    let again = "cargo test --workspace --locked";
    let runs = text.lines().filter(|line| line.contains(again) && !line.contains("--ignored"));
    assert_eq!(runs.count(), 0, "the tests run once");
}

#[test]
fn every_setting_is_in_the_table_and_nothing_else() {
    let text = readme();
    for setting in SETTINGS {
        let row = format!("| `{}` | `{}` |", setting.key, setting.variable);
        assert!(text.contains(&row), "the README lacks {row}");
    }
    let rows = ["| `LAYER4_", "| `OTEL_"].map(|start| text.matches(start).count());
    assert_eq!(rows.iter().sum::<usize>(), SETTINGS.len());
}

/// The program lists the keys that it knows when it meets one that it does not.
#[test]
fn every_key_of_an_agents_table_has_a_row() {
    let chimera = Chimera::new();
    let folder = chimera.data();
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("chimera.toml");
    std::fs::write(&file, "[agents.a]\ncomponent = \"a.wasm\"\nzzzzzzzz = 1\n").unwrap();
    let refused = chimera.run(&["config", "check", "--config", file.to_str().unwrap()]);
    let known = refused.err.split("`zzzzzzzz`; allowed are ").nth(1);
    let known =
        known.and_then(|rest| rest.lines().next()).unwrap_or_else(|| panic!("{}", refused.err));
    let text = readme();
    let table = text.split("Each table `[agents.NAME]`").nth(1).unwrap();
    let table = table.split("\n\n").nth(1).unwrap();
    for key in known.split(", ") {
        assert!(table.contains(&format!("\n| `{key}` |")), "the README lacks a row for {key}");
    }
    assert_eq!(table.matches("\n| `").count(), known.split(", ").count(), "and has no others");
}

/// Files move; what says where something is moves with them.
#[test]
fn files_that_pages_name_are_there() {
    let mut gone = Vec::new();
    for page in ["CONTRIBUTING.md", "SECURITY.md", "ARCHITECTURE.md", "agents/README.md"] {
        let text = std::fs::read_to_string(root().join(page)).unwrap();
        let named = text.split('`').skip(1).step_by(2).filter(|name| {
            ["host/", "tests/", "benches/"].iter().any(|start| name.starts_with(start))
        });
        let named = named.filter(|name| !name.contains(['{', '*', ' ', '…']));
        gone.extend(
            named.filter(|name| !root().join(name).exists()).map(|name| (page, name.to_owned())),
        );
    }
    assert!(gone.is_empty(), "no such file: {gone:?}");
}
