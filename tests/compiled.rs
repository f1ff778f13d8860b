//! Compiled code: at which level it is, and when a component is compiled anew.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chimera_layer4::fabric::config::OptLevel;
use serde_json::{Value, json};

use crate::cli::Chimera;
use crate::folders::data_folder;
use crate::harness::{execute, fabric, guest_path, settings_with, spawn};

/// Runs a task on `echo`, compiled at this level where it is not there at this level yet.
async fn run_at(level: OptLevel, folder: &Path) {
    let settings = settings_with(|all| {
        all.data_dir = Some(folder.to_path_buf());
        all.components.compile_opt_level = level;
    });
    let fabric = fabric(settings).await;
    spawn(&fabric, "echo").await;
    let result = execute(&fabric, "echo", json!({ "at": level })).await;
    assert!(result.success && result.output == json!({ "at": level }), "{result:?}");
    fabric.shutdown().await.unwrap();
}

/// The bytes of each compiled code, by its sha256, as the records have it.
fn codes(folder: &Path) -> BTreeMap<String, u64> {
    let compiled = folder.join("compiled");
    let records = std::fs::read_dir(compiled.join("known")).unwrap();
    let code = |record: std::io::Result<std::fs::DirEntry>| {
        let record = std::fs::read(record.unwrap().path()).unwrap();
        let record: Value = serde_json::from_slice(&record).unwrap();
        let file = compiled.join("code").join(record["code"].as_str().unwrap());
        (record["sum"].to_string(), file.metadata().unwrap().len())
    };
    records.map(code).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_level_has_code_of_its_own() {
    let folder = data_folder();
    let mut seen = Vec::new();
    for level in [OptLevel::Speed, OptLevel::None, OptLevel::SpeedAndSize] {
        run_at(level, folder.path()).await;
        let codes = codes(folder.path());
        seen.push(codes.len());
        println!("with {level}: {codes:?}");
    }
    assert_eq!(seen, [1, 2, 3]);
    let kept = codes(folder.path());
    let sizes: BTreeSet<u64> = kept.values().copied().collect();
    assert!(sizes.len() > 1, "{kept:?}");

    run_at(OptLevel::Speed, folder.path()).await;
    assert_eq!(codes(folder.path()), kept, "what is there is not compiled again");
}

#[test]
fn a_run_of_another_level_compiles_anew() {
    let chimera = Chimera::new();
    let echo = guest_path("echo").display().to_string();
    let at = |level: &str| {
        let mut command = chimera.command(&["run", &echo, "--task", "1"]);
        let ended = Chimera::end(command.env("LAYER4_COMPILE_OPT_LEVEL", level));
        (ended.code, ended.err)
    };
    for (level, found) in [("speed", "miss"), ("none", "miss"), ("none", "hit"), ("speed", "hit")] {
        let (code, err) = at(level);
        assert!(code == 0 && err.contains(&format!("cache {found}")), "{level}: {err}");
    }
    let (code, err) = at("fast");
    let refusal =
        "LAYER4_COMPILE_OPT_LEVEL is \"fast\"; allowed is `none`, `speed` or `speed-and-size`";
    assert!(code != 0 && err.contains(refusal), "{err}");
}
