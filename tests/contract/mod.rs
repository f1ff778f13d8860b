//! The contract over time: what was built for it once runs for ever, and what
//! was built for another one is refused in a sentence that says so.

mod others;
mod published;
mod reference;
mod wasi;
mod wit;

use std::path::Path;

use crate::cli::{Chimera, Ended};
use crate::handmade::{Parts, componentize, module};
use crate::harness::root;

/// The texts of a contract's files, by their names.
fn texts(folder: &Path) -> Vec<(String, String)> {
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut texts: Vec<(String, String)> = files
        .filter(|path| path.extension().is_some_and(|end| end == "wit"))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    texts.sort();
    assert_eq!(texts.len(), 5, "{}", folder.display());
    texts
}

/// The present contract with one text replaced.
fn contract_with(from: &str, to: &str) -> Vec<(String, String)> {
    let mut texts = texts(&root().join("wit"));
    let found: usize = texts.iter().map(|(_, text)| text.matches(from).count()).sum();
    assert!(found > 0, "{from:?} is not in the contract");
    texts.iter_mut().for_each(|(_, text)| *text = text.replace(from, to));
    texts
}

/// A hand-made agent of a world of these texts. Its module is made for the
/// present version and renamed to `version`.
fn agent_of(texts: &[(String, String)], world: &str, version: &str, parts: &Parts<'_>) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in texts {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(
            path,
            text.replace("chimera:agent@0.1.0", &format!("chimera:agent@{version}")),
        )
        .unwrap();
    }
    let text = module(parts).replace("@0.1.0", &format!("@{version}"));
    componentize(wat::parse_str(text).unwrap(), folder.path(), world)
}

/// What `chimera agent check` says of a component.
fn checked(bytes: &[u8]) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("agent.wasm");
    std::fs::write(&file, bytes).unwrap();
    Chimera::new().run(&["agent", "check", &file.display().to_string()])
}

/// It is refused, and for one reason, which is this sentence.
#[track_caller]
fn refused(bytes: &[u8], sentence: &str) {
    let ended = checked(bytes);
    assert_eq!(ended.code, 4, "{}{}", ended.out, ended.err);
    let said = ended.out.strip_prefix("does not meet chimera:agent@0.1.0:").unwrap();
    assert_eq!(said.trim(), sentence);
}
