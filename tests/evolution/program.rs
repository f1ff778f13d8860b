//! `chimera evolve` as an operator has it: killed, gone on with, handed over.

use std::fs::Permissions;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use serde_json::Value;

use super::packer::{TASKS, generator};
use super::scoring;
use crate::cli::Chimera;
use crate::harness::{guest_path, program, root};

/// A data folder, its tasks, and the command's arguments.
struct Evolving {
    chimera: Chimera,
    arguments: Vec<String>,
}

impl Evolving {
    fn new(generations: &str) -> Self {
        let chimera = Chimera::new();
        std::fs::create_dir_all(chimera.data()).unwrap();
        std::fs::set_permissions(chimera.data(), Permissions::from_mode(0o700)).unwrap();
        let file = |name: &str| {
            let text = std::fs::read_to_string(root().join("agents/packer/data").join(name));
            let lines: Vec<String> = text.unwrap().lines().take(TASKS).map(str::to_owned).collect();
            let path = chimera.data().join(name);
            std::fs::write(&path, lines.join("\n")).unwrap();
            path.display().to_string()
        };
        let (train, held_out) = (file("train.jsonl"), file("held-out.jsonl"));
        let (start, command) = (guest_path("packer"), generator());
        let arguments = [
            "evolve",
            "packer",
            "--start",
            &start.display().to_string(),
            "--command",
            &command.display().to_string(),
            "--tasks",
            &train,
            "--held-out",
            &held_out,
            "--objective",
            "/score",
            "--weight",
            "latency=0,cpu=0,memory=0,size=0",
            "--generations",
            generations,
            "--population",
            "4",
            "--json",
        ];
        let arguments = arguments.iter().map(|word| (*word).to_owned()).collect();
        Self { chimera, arguments }
    }

    fn arguments(&self) -> Vec<&str> {
        self.arguments.iter().map(String::as_str).collect()
    }

    /// Kills it, without a chance to end, as soon as it says this.
    fn kill_when_it_says(&self, words: &str) {
        let mut command = std::process::Command::new(program());
        command.args(self.arguments()).env("XDG_DATA_HOME", self.chimera.data().parent().unwrap());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        let found = said.any(|line| line.unwrap().contains(words));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found, "it never said {words:?}");
    }

    /// A line, a component and a file that no state came after.
    fn leave_what_a_crash_leaves(&self) {
        let folder = self.chimera.data().join("evolution/packer");
        let lines = std::fs::OpenOptions::new().append(true).open(folder.join("candidates.jsonl"));
        lines.unwrap().write_all(b"{\"number\": 9").unwrap();
        std::fs::write(folder.join("components/stray.wasm"), "stray").unwrap();
        std::fs::write(folder.join(".tmp-state"), "{").unwrap();
    }

    fn to_its_end(&self) -> Value {
        let ended = self.chimera.run(&self.arguments());
        assert_eq!(ended.code, 0, "{}", ended.err);
        serde_json::from_str(&ended.out).unwrap()
    }
}

#[test]
fn one_that_is_killed_goes_on_and_ends_the_same() {
    let (whole, killed) = (Evolving::new("3"), Evolving::new("3"));
    let undisturbed = whole.to_its_end();
    // The one killed shares what the other has compiled.
    let compiled = |of: &Evolving| of.chimera.data().join("compiled");
    std::fs::rename(compiled(&whole), compiled(&killed)).unwrap();
    killed.kill_when_it_says("the start ");
    killed.kill_when_it_says("generation 0: ");
    killed.kill_when_it_says("generation 1: ");
    killed.leave_what_a_crash_leaves();
    let resumed = killed.to_its_end();
    assert_ne!(undisturbed["best"], undisturbed["start"], "{undisturbed:#}");
    for field in ["best", "score", "candidates", "ended", "parents"] {
        assert_eq!(resumed[field], undisturbed[field], "{field}\n{resumed:#}");
    }
    let lines = |of: &Evolving| {
        let path = of.chimera.data().join("evolution/packer/candidates.jsonl");
        let text = std::fs::read_to_string(path).unwrap();
        let one = |line: &str| {
            let mut line: Value = serde_json::from_str(line).unwrap();
            line["cpu_seconds"].take();
            line
        };
        text.lines().map(one).collect::<Vec<_>>()
    };
    assert_eq!(lines(&killed), lines(&whole), "each candidate once, and the same");
    let left = killed.chimera.data().join("evolution/packer");
    for stray in ["components/stray.wasm", ".tmp-state"] {
        assert!(!left.join(stray).exists(), "{stray}");
    }
}

#[test]
fn the_best_is_stored_where_no_host_serves() {
    let chimera = Chimera::new();
    let folder = chimera.data();
    std::fs::create_dir_all(folder.join("candidates")).unwrap();
    std::fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
    std::fs::write(folder.join("start.wasm"), scoring(1.0)).unwrap();
    std::fs::write(folder.join("candidates/a.wasm"), scoring(2.0)).unwrap();
    std::fs::write(folder.join("tasks.jsonl"), "{\"payload\": 1}\n{\"payload\": 2}\n").unwrap();
    let misspelled = "{\"payload\": 1}\n{\"payload\": 2, \"expcted\": 2}\n";
    std::fs::write(folder.join("misspelled.jsonl"), misspelled).unwrap();
    let path = |name: &str| folder.join(name).display().to_string();
    let misspelled = path("misspelled.jsonl");
    let (start, candidates, tasks) = (path("start.wasm"), path("candidates"), path("tasks.jsonl"));
    let common = [
        "evolve",
        "scorer",
        "--candidates",
        &candidates,
        "--tasks",
        &tasks,
        "--objective",
        "/score",
    ];
    chimera.refuses(3, &common, &["no genome is in charge of \"scorer\"", "--start"]);
    let all = [&common[..], &["--start", &start]].concat();
    for (more, words) in [
        (["--axis", "score"], "NAME=POINTER:LOW..HIGH/CELLS"),
        (["--weight", "speed=1"], "there is no measure \"speed\""),
        (["--cpu-budget", "0"], "--cpu-budget is 0; allowed is a number above 0"),
        (["--generations", "0"], "generations is 0; allowed is 1 to 100000"),
        (["--held-out", &tasks], "it is the file of --tasks"),
        (["--held-out", &misspelled], "line 2: unknown field `expcted`, expected `payload` or"),
        (["--objective-", "0"], "--objective-"),
    ] {
        let code = if more[0] == "--objective-" { 2 } else { 3 };
        chimera.refuses(code, &[&all[..], &more].concat(), &[words]);
    }

    std::fs::write(folder.join("candidates/b.wasm"), "no component").unwrap();
    let ended = chimera.run(&[&all[..], &["--rollout"]].concat());
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.contains("the last candidate that fell: "), "{}", ended.out);
    assert!(ended.out.contains("not a component"), "{}", ended.out);
    let best = ended.out.lines().next().unwrap();
    assert!(ended.out.contains("objective 1.0000 → 2.0000"), "{}", ended.out);
    assert!(ended.out.contains("it is stored; no host serves"), "{}", ended.out);
    let shown = chimera.run(&["genome", "show", best, "--json"]);
    let shown: Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!(shown["source"], "evolution");
    assert!(shown["parent"].as_str().unwrap().starts_with("sha256:"), "{shown:#}");
}

/// A component that does nothing is small and fast, and wins without an objective.
#[test]
fn what_no_objective_judges_is_not_handed_over() {
    let of = Evolving::new("1");
    let folder = of.chimera.data();
    std::fs::create_dir_all(folder.join("candidates")).unwrap();
    std::fs::copy(guest_path("echo"), folder.join("candidates/echo.wasm")).unwrap();
    let path = |name: &str| folder.join(name).display().to_string();
    let (start, tasks) = (guest_path("packer").display().to_string(), path("train.jsonl"));
    let ended = of.chimera.run(&[
        "evolve",
        "packer",
        "--start",
        &start,
        "--candidates",
        &path("candidates"),
        "--tasks",
        &tasks,
        "--rollout",
    ]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.contains("nothing tells right outputs from wrong ones"), "{}", ended.out);
    let stored = of.chimera.run(&["genome", "list", "--json"]).out;
    assert_eq!(stored.trim(), "[]");
}
