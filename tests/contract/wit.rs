//! `chimera wit`: the contract in the program is the one in the repository, in
//! a form that other tools take.

use chimera_layer4::fabric::wit::VERSION;
use serde_json::Value;
use wit_parser::Resolve;

use super::texts;
use crate::cli::Chimera;
use crate::harness::root;

fn package(resolve: &Resolve) -> Vec<String> {
    let worlds = resolve.worlds.iter();
    let name = |id| resolve.packages[id].name.to_string();
    worlds.map(|(_, world)| format!("{}/{}", name(world.package.unwrap()), world.name)).collect()
}

fn worlds() -> Vec<String> {
    ["agent", "stateful-agent"].map(|world| format!("chimera:agent@{VERSION}/{world}")).to_vec()
}

#[test]
fn it_prints_one_document_that_is_the_package() {
    let ended = Chimera::new().run(&["wit"]);
    assert_eq!((ended.code, ended.err.trim()), (0, "chimera:agent@0.1.0"));
    let mut resolve = Resolve::default();
    resolve.push_str("contract.wit", &ended.out).unwrap();
    assert_eq!(package(&resolve), worlds());
}

#[test]
fn it_writes_the_files_that_are_in_the_repository() {
    let chimera = Chimera::new();
    let out = chimera.data().join("deep/wit");
    let folder = out.display().to_string();
    // Twice: an older contract is replaced.
    for _ in 0..2 {
        let ended = chimera.run(&["wit", "--out", &folder]);
        assert_eq!((ended.code, ended.out.lines().count()), (0, 5), "{}", ended.err);
    }
    assert_eq!(texts(&out), texts(&root().join("wit")));
    let mut resolve = Resolve::default();
    resolve.push_dir(&out).unwrap();
    assert_eq!(package(&resolve), worlds());

    std::fs::write(out.join("mine.wit"), "package mine:own;").unwrap();
    chimera.refuses(3, &["wit", "--out", &folder], &["mine.wit", "give a folder of its own"]);
    let file = out.join("mine.wit").display().to_string();
    chimera.refuses(3, &["wit", "--out", &file], &["mine.wit"]);
    chimera.refuses(2, &["wit", "--out", &folder, "--changes"], &["--changes"]);
}

#[test]
fn it_says_what_changed_and_tells_programs_the_same() {
    let chimera = Chimera::new();
    let said = chimera.run(&["wit", "--changes"]).out;
    assert_eq!(
        said.trim(),
        std::fs::read_to_string(root().join("wit/CHANGELOG.md")).unwrap().trim()
    );

    let json = |arguments: &[&str]| {
        let value: Value = serde_json::from_str(&chimera.run(arguments).out).unwrap();
        assert_eq!(
            (&value["package"], &value["version"]),
            (&"chimera:agent".into(), &VERSION.into())
        );
        value
    };
    let files = json(&["wit", "--json"])["files"].clone();
    assert_eq!(files.as_array().unwrap().len(), 5);
    assert!(files[0]["text"].as_str().unwrap().contains("package chimera:agent@0.1.0;"));
    assert_eq!(
        json(&["wit", "--changes", "--json"])["changes"].as_str().unwrap().trim(),
        said.trim()
    );
    let folder = chimera.data().display().to_string();
    let written = json(&["wit", "--out", &folder, "--json"])["written"].clone();
    assert!(written[4].as_str().unwrap().ends_with("world.wit"));
}
