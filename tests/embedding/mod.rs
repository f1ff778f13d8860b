//! A program that embeds the library, with no program `chimera` beside it.

use std::os::unix::fs::DirBuilderExt;
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

    fn program(&self) -> Command {
        let mut program = Command::new(self.folder.path().join("embedder"));
        program.current_dir(self.folder.path()).env_clear();
        program
    }

    fn run(&self, component: &Path, further: &[&str]) -> Output {
        let (mut program, data) = (self.program(), self.folder.path().join("data"));
        program.arg("given").arg(data).arg(component).arg(r#"{"hello":"world"}"#).args(further);
        program.output().unwrap()
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
    assert!(child.contains("not a component"), "{child}");
    assert_eq!(child, here);
}

#[test]
fn new_reads_what_the_nine_settings_leave_open_and_no_variable_changes_those() {
    let embedder = Embedder::new();
    let folder = embedder.folder.path();
    // More agents than the file's own setting allows, and not more than the program's.
    let component = guest_path("echo");
    let agent =
        format!("max_agents = 2\n[agents.echo]\ncomponent = {component:?}\ninstances = 5\n");
    std::fs::write(folder.join("chimera.toml"), agent).unwrap();
    let mut program = embedder.program();
    program.args(["read", "[1]"]).env("LAYER4_DATA_DIR", folder.join("own"));
    let (output, _) = texts(&program.env("LAYER4_TASK_QUEUE_CAPACITY", "5").output().unwrap());
    let own = folder.join("own");
    assert_eq!(output, format!("[1] 7 1000 Some({own:?})\n"));

    // Without a data folder, the working directory's folder of agents is looked at.
    std::fs::DirBuilder::new().mode(0o700).create(folder.join("agents")).unwrap();
    std::fs::write(folder.join("agents/broken.wasm"), "text").unwrap();
    let (_, log) = texts(&embedder.program().args(["read", "1"]).output().unwrap());
    assert!(log.contains("agent_type=\"broken\""), "{log}");

    let mut program = embedder.program();
    program.args(["read", "1"]).env("LAYER4_MAX_STORE_MB", "many");
    let refused = program.output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && said.contains("LAYER4_MAX_STORE_MB is \"many\""),
        "{said}"
    );
}

/// Lines of its log: of the library's own words, of what becomes of agents, and of requests.
const DEBUGGED: [&str; 3] = [" INFO executor: ", " DEBUG chimera_layer4", "route=\"/health\""];

#[test]
fn debug_mode_prints_the_log_where_a_program_has_no_subscriber() {
    let (output, log) = texts(&Embedder::new().program().args(["debug", "1"]).output().unwrap());
    assert_eq!(output, "1\n");
    for words in DEBUGGED {
        assert!(log.contains(words), "{words}: {log}");
    }
    // No terminal reads it.
    assert!(!log.contains('\u{1b}'), "{log:?}");
}

#[test]
fn debug_mode_leaves_the_log_to_a_program_that_has_a_subscriber() {
    let (output, log) = texts(&Embedder::new().program().args(["own-log", "1"]).output().unwrap());
    assert_eq!(output, "1\n");
    // Its own one has no details, and each line once.
    assert!(log.contains(DEBUGGED[0]) && !log.contains(DEBUGGED[1]), "{log}");
    assert_eq!(log.matches("the host started").count(), 1, "{log}");
}
