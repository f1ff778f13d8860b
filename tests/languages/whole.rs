//! With the real tools: from nothing to a result, and what an author gets to
//! read on the way. Those that the machine may lack are run by `.ci/run`.

use std::fs;
use std::path::Path;

use chimera_layer4::fabric::JsonText;
use chimera_layer4_conformance::{Check, Options, Sample, Verdict, check};
use serde_json::{Value, json};

use super::Bench;
use crate::cli::Chimera;
use crate::harness::{config_of, settings};
use crate::shell::outside_of_cargo;

const TASK: &str = r#"{"text": "one two"}"#;

/// What carries the count of texts over, in each language's own words.
const STATE_IN_C: &str = r#"
bool exports_chimera_agent_state_save(agent_list_u8_t *ret, exports_chimera_agent_state_agent_error_t *err) {
    (void)err;
    char *saved = malloc(24);
    *ret = (agent_list_u8_t){(uint8_t *)saved, snprintf(saved, 24, "texts=%zu;", texts)};
    return true;
}

bool exports_chimera_agent_state_restore(agent_list_u8_t *state, exports_chimera_agent_state_agent_error_t *err) {
    char text[25] = "";
    memcpy(text, state->ptr, state->len < 24 ? state->len : 24);
    agent_list_u8_free(state);
    char end = 0;
    bool good = sscanf(text, "texts=%zu%c", &texts, &end) == 2 && end == ';';
    if (!good) {
        err->tag = CHIMERA_AGENT_TYPES_AGENT_ERROR_INVALID_INPUT;
        say(&err->val.invalid_input, "it is not what this agent saves");
    }
    return good;
}
"#;
const STATE_IN_PYTHON: &str = r#"

class State(exports.State):
    def save(self) -> bytes:
        return b"texts=%d" % texts

    def restore(self, state: bytes) -> None:
        global texts
        name, _, number = state.partition(b"=")
        if name != b"texts" or not number.isdigit():
            raise Err(AgentError_InvalidInput("it is not what this agent saves"))
        texts = int(number)
"#;
const STATE_IN_JS: &str = r#"
export const state = {
  save() {
    return Uint8Array.from(`texts=${texts}`, (character) => character.charCodeAt(0))
  },

  restore(saved) {
    const number = /^texts=(\d+)$/.exec(String.fromCharCode(...saved))?.[1]
    if (number === undefined) throw invalidInput('it is not what this agent saves')
    texts = Number(number)
  },
}
"#;

impl Bench {
    /// Built with whatever the machine has, checked, and run.
    fn gives_the_result(&self, project: &Path) {
        let folder = project.display().to_string();
        let build = self.chimera.run(&["agent", "build", &folder]);
        assert_eq!(build.code, 0, "{}", build.err);
        let component = Path::new(build.out.trim());
        assert!(component.is_absolute() && component.is_file(), "{}", build.out);
        let check = self.chimera.run(&["agent", "check", &folder]);
        assert_eq!(check.out, "meets chimera:agent@0.1.0\n", "{}", check.err);
        let driven = self.chimera.run(&["agent", "check", &folder, "--run", "--task", TASK]);
        let warned = driven.out.lines().filter(|line| line.starts_with("warn"));
        assert_eq!(warned.collect::<Vec<_>>(), [""; 0], "a template keeps the contract");
        assert_eq!(driven.code, 0, "{}{}", driven.out, driven.err);
        for _ in 0..2 {
            let run = self.chimera.run(&["run", &folder, "--task", TASK]);
            let output: Value = serde_json::from_str(&run.out).expect(&run.err);
            assert_eq!(output, json!({"words": 2, "texts_so_far": 1}));
        }
        let wrong = self.chimera.run(&["run", &folder, "--task", r#"{"text": 1}"#]);
        assert_eq!(wrong.code, 1);
        assert!(wrong.err.contains("refused its input") && wrong.err.contains("text"));
    }

    /// Built anew, what it saves is taken by another instance, and what is no
    /// state refused.
    fn carries_state(&self, project: &Path) {
        let build = self.chimera.run(&["agent", "build", &project.display().to_string()]);
        assert_eq!(build.code, 0, "{}", build.err);
        let component = fs::read(build.out.trim()).unwrap();
        let samples = vec![Sample::new(JsonText::parse(TASK).unwrap())];
        let config = config_of("stateful", |config| config.resource_quota.max_memory_mb = 256);
        let options = Options { samples, soak_tasks: 10, ..Options::new(config) };
        let checked = async {
            let fabric = crate::harness::fabric(settings()).await;
            let report = Box::pin(check(&fabric, &component, &options)).await.unwrap();
            fabric.shutdown().await.unwrap();
            report
        };
        let report = tokio::runtime::Runtime::new().unwrap().block_on(checked);
        let line = report.lines.iter().find(|line| line.check == Check::State).unwrap();
        assert_eq!(line.verdict, Verdict::Pass, "{line:?}");
        assert!(line.reason.contains("taken by another instance"), "{line:?}");
        assert!(report.conforms(), "{report:#?}");
    }

    fn passes(&self, project: &Path, test: &str) {
        let mut shell = outside_of_cargo("sh");
        shell.args(["-c", test]).current_dir(project).env_remove("CARGO_TARGET_DIR");
        let ended = Chimera::end(&mut assert_cmd::Command::from_std(shell));
        assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    }

    /// The real build of a project whose file is this text instead.
    fn refuses_with(&self, project: &Path, file: &str, text: &str, words: &[&str]) {
        fs::write(project.join(file), text).unwrap();
        let folder = project.display().to_string();
        let mut all = vec!["error: "];
        all.extend(words);
        self.chimera.refuses(6, &["agent", "build", &folder], &all);
    }
}

fn append(path: &Path, text: &str) {
    let all = fs::read_to_string(path).unwrap() + text;
    fs::write(path, all).unwrap();
}

#[test]
#[ignore = "needs clang for WebAssembly, or zig; .ci/run installs one"]
fn in_c() {
    let bench = Bench::new();
    let project = bench.project("c", "agent");
    bench.passes(&project, "make test");
    bench.gives_the_result(&project);
    let source = fs::read_to_string(project.join("src/agent.c")).unwrap();
    let stumble = "__attribute__((noinline)) static void stumble(void) { __builtin_trap(); }\n";
    let trap = source.replace("static bool count(", &format!("{stumble}static bool count("));
    let trap =
        trap.replace("size_t words = count_words(", "stumble();\n    size_t words = count_words(");
    fs::write(project.join("src/agent.c"), trap).unwrap();
    let run = bench.chimera.run(&["run", &project.display().to_string(), "--task", TASK]);
    assert!(run.code == 1 && run.err.contains("in stumble"), "{}", run.err);
    let no_health = source.replace("_lifecycle_health(", "_lifecycle_wellbeing(");
    bench.refuses_with(&project, "src/agent.c", &no_health, &["does not build", "_health"]);
    let foreign = format!(
        "__attribute__((import_module(\"x\"), import_name(\"y\"))) int y(void);\n\
         __attribute__((export_name(\"z\"))) int z(void) {{ return y(); }}\n{source}"
    );
    let words = ["no component can be made of it", "call nothing from outside but what"];
    bench.refuses_with(&project, "src/agent.c", &foreign, &words);
    let words = ["agent.c:", "does not build; what clang"];
    bench.refuses_with(&project, "src/agent.c", "this is not C", &words);
    fs::write(project.join("src/agent.c"), format!("#include <string.h>\n{source}{STATE_IN_C}"))
        .unwrap();
    bench.carries_state(&project);
}

#[test]
#[ignore = "needs Python and a package of PyPI; .ci/run installs it"]
fn in_python() {
    let bench = Bench::new();
    let project = bench.project("python", "agent");
    bench.passes(&project, "python3 -m unittest discover src");
    bench.gives_the_result(&project);
    append(&project.join("src/app.py"), STATE_IN_PYTHON);
    append(&project.join("pyproject.toml"), "\n[tool.chimera]\nworld = \"stateful-agent\"\n");
    bench.carries_state(&project);
    let words = ["SyntaxError", "does not build; what componentize-py"];
    bench.refuses_with(&project, "src/app.py", "x = (\n", &words);
}

#[test]
#[ignore = "needs Node and packages of npm; .ci/run has npm install them"]
fn in_js() {
    let bench = Bench::new();
    let project = bench.project("js", "agent");
    bench.passes(&project, "node --test");
    bench.gives_the_result(&project);
    bench.passes(&project, "node_modules/.bin/tsc --project jsconfig.json --noEmit");

    let package = fs::read_to_string(project.join("package.json")).unwrap();
    let with_fetch = package.replace("\"starlingmonkey\"", "\"starlingmonkey\", \"http\": true");
    fs::write(project.join("package.json"), with_fetch).unwrap();
    bench.gives_the_result(&project);
    let inspected = bench.chimera.run(&["agent", "inspect", &project.display().to_string()]);
    let import = inspected.out.lines().find(|line| line.contains("wasi:http/outgoing-handler"));
    assert!(import.is_some_and(|line| line.contains("inert without")), "{}", inspected.out);
    let small = package.replace("\"starlingmonkey\"", "\"quickjs\"");
    fs::write(project.join("package.json"), small.replace("agent.js", "agent.ts")).unwrap();
    fs::rename(project.join("src/agent.js"), project.join("src/agent.ts")).unwrap();
    bench.gives_the_result(&project);
    let size = fs::metadata(project.join("build/agent.wasm")).unwrap().len();
    assert!(size < 3 << 20, "{size} bytes are not QuickJS");
    append(&project.join("src/agent.ts"), STATE_IN_JS);
    let stateful = small.replace("\"quickjs\"", "\"quickjs\", \"world\": \"stateful-agent\"");
    fs::write(project.join("package.json"), stateful.replace("agent.js", "agent.ts")).unwrap();
    bench.carries_state(&project);
    let other = stateful.replace("\"quickjs\"", "\"starlingmonkey\"");
    fs::write(project.join("package.json"), other.replace("agent.js", "agent.ts")).unwrap();
    bench.carries_state(&project);
    let words = ["agent.ts", "does not build; what node"];
    bench.refuses_with(&project, "src/agent.ts", "let x =\n", &words);
}

#[test]
#[ignore = "needs Go, and a module from its proxy; .ci/run sees whether both can be had"]
fn in_go() {
    let bench = Bench::new();
    let project = bench.project("go", "agent");
    bench.passes(&project, "go test ./words && go vet ./words");
    bench.gives_the_result(&project);
}
