//! With the real tools: from nothing to a result, and what an author gets to
//! read on the way. Those that the machine may lack are run by `.ci/run`.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::Bench;
use crate::cli::Chimera;
use crate::shell::outside_of_cargo;

const TASK: &str = r#"{"text": "one two"}"#;

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
        for _ in 0..2 {
            let run = self.chimera.run(&["run", &folder, "--task", TASK]);
            let output: Value = serde_json::from_str(&run.out).expect(&run.err);
            assert_eq!(output, json!({"words": 2, "texts_so_far": 1}));
        }
        let wrong = self.chimera.run(&["run", &folder, "--task", r#"{"text": 1}"#]);
        assert_eq!(wrong.code, 1);
        assert!(wrong.err.contains("refused its input") && wrong.err.contains("text"));
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

#[test]
#[ignore = "needs clang for WebAssembly, or zig; .ci/run installs one"]
fn in_c() {
    let bench = Bench::new();
    let project = bench.project("c", "agent");
    bench.passes(&project, "make test");
    bench.gives_the_result(&project);
    let source = fs::read_to_string(project.join("src/agent.c")).unwrap();
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
}

#[test]
#[ignore = "needs Python and a package of PyPI; .ci/run installs it"]
fn in_python() {
    let bench = Bench::new();
    let project = bench.project("python", "agent");
    bench.passes(&project, "python3 -m unittest discover src");
    bench.gives_the_result(&project);
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
