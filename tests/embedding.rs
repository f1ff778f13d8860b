//! A program that embeds the library, with no program `chimera` beside it.

use std::path::Path;
use std::process::{Command, Output};

use crate::harness::{guest_path, guests_target};

/// What a log says where components are compiled in the process.
const IN_PROCESS: &str = "components are compiled in this process";

/// The program by itself in a folder, and what it needs to run.
struct Embedder {
    folder: tempfile::TempDir,
}

impl Embedder {
    fn new() -> Self {
        // In the target folder, where a hard link can reach.
        let folder = tempfile::tempdir_in(guests_target()).unwrap();
        let built = Path::new(env!("CARGO_BIN_EXE_embedder"));
        std::fs::hard_link(built, folder.path().join("embedder")).unwrap();
        Self { folder }
    }

    fn run(&self, component: &Path, further: &[&str]) -> Output {
        Command::new(self.folder.path().join("embedder"))
            .arg(self.folder.path().join("data"))
            .arg(component)
            .arg(r#"{"hello":"world"}"#)
            .args(further)
            .current_dir(self.folder.path())
            .env_clear()
            .output()
            .unwrap()
    }
}

fn texts(output: &Output) -> (String, String) {
    assert!(output.status.success(), "{output:?}");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_program_is_its_own_compiler_where_its_main_begins_with_the_line() {
    let program = Embedder::new();
    let (output, log) = texts(&program.run(&guest_path("echo"), &[]));
    assert_eq!(output, "{\"hello\":\"world\"}\n");
    assert!(!log.contains(IN_PROCESS), "{log}");
}

#[test]
fn a_program_without_the_line_compiles_in_its_own_process_and_says_so_once() {
    let program = Embedder::new();
    let (output, log) = texts(&program.run(&guest_path("echo"), &["in-process"]));
    assert_eq!(output, "{\"hello\":\"world\"}\n");
    assert_eq!(log.matches(IN_PROCESS).count(), 1, "{log}");
    assert!(log.contains("compile_if_asked"), "{log}");
    // What it compiled is kept as a child's is, and is not compiled again.
    let kept = program.folder.path().join("data/compiled/known");
    assert_eq!(std::fs::read_dir(kept).unwrap().count(), 1);
}

#[test]
fn what_is_no_agent_is_refused_alike_in_a_child_and_in_the_process() {
    let program = Embedder::new();
    let file = program.folder.path().join("text.wasm");
    std::fs::write(&file, "text").unwrap();
    let [(child, _), (here, _)] =
        [&[][..], &["in-process"][..]].map(|further| texts(&program.run(&file, further)));
    assert!(child.contains("is malformed"), "{child}");
    assert_eq!(child, here);
}
