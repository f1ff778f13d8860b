//! `chimera wit`: the contract that this program speaks, for people and tools.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::args::WitArgs;
use super::exit::{BadInput, Exit};
use super::output::Output;
use chimera_layer4_contract::wit::{CHANGES, FILES, VERSION, document};

/// Prints the contract, or writes it where other tools look for it.
pub(super) fn run(args: &WitArgs, output: &Output) -> anyhow::Result<Exit> {
    let written = match &args.out {
        Some(folder) => Some(write(folder)?),
        None => None,
    };
    if output.is_json() {
        output.value(&report(args, written.as_deref()))?;
        return Ok(Exit::Success);
    }
    match written {
        Some(files) => {
            files.iter().try_for_each(|file| output.line(&file.display().to_string()))?
        }
        None if args.changes => output.line(CHANGES.trim_end())?,
        None => output.line(document().trim_end())?,
    }
    output.note(&format!("chimera:agent@{VERSION}"));
    Ok(Exit::Success)
}

fn report(args: &WitArgs, written: Option<&[PathBuf]>) -> Value {
    let contract = json!({ "package": "chimera:agent", "version": VERSION });
    let texts: Vec<Value> =
        FILES.iter().map(|(name, text)| json!({ "name": name, "text": text })).collect();
    let (field, value) = match written {
        Some(files) => ("written", json!(files)),
        None if args.changes => ("changes", json!(CHANGES)),
        None => ("files", json!(texts)),
    };
    let mut report = contract;
    if let Some(fields) = report.as_object_mut() {
        fields.insert(field.to_owned(), value);
    }
    report
}

/// A folder is one package, so what lies in it must be the contract's alone. An
/// older contract is replaced.
fn write(folder: &Path) -> Result<Vec<PathBuf>, BadInput> {
    let failed = |path: &Path, error: &dyn std::fmt::Display| {
        BadInput(format!("--out: {}: {error}", path.display()))
    };
    fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    for entry in fs::read_dir(folder).map_err(|error| failed(folder, &error))? {
        let path = entry.map_err(|error| failed(folder, &error))?.path();
        let ours = FILES.iter().any(|(name, _)| path.ends_with(name));
        if !ours && path.extension().is_some_and(|end| end == "wit") {
            let why = "is not of the contract, and tools would read both as one; give a folder of \
                       its own";
            return Err(failed(&path, &why));
        }
    }
    let write = |(name, text): (&str, &str)| {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|error| failed(&path, &error))?;
        Ok(path)
    };
    FILES.into_iter().map(write).collect()
}
