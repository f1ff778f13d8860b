//! The record: what it tells later, and what damage does to it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chimera_layer4::fabric::config::TaskStoreKind;
use chimera_layer4::fabric::genome::Plan;
use chimera_layer4::fabric::genome::lineage::{Event, Retention};
use chimera_layer4::fabric::{Digest, FabricConfig, NewGenome};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::variants::Variant;
use super::{host_of, host_with, running};
use crate::cli::Chimera;
use crate::harness::{config_of, execute, guest, guest_path, settings, settings_with};
use crate::http::declared;
use crate::http::service::Service;

pub(super) fn durable() -> (TempDir, FabricConfig) {
    let folder = crate::folders::data_folder();
    let data_dir = Some(folder.path().to_owned());
    let config = settings_with(|c| {
        c.data_dir = data_dir;
        c.queue.task_store = TaskStoreKind::Embedded;
    });
    (folder, config)
}

pub(super) fn blob(folder: &Path, genome: Digest) -> PathBuf {
    folder.join("genomes/blobs/sha256").join(genome.hex())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_genome_whose_bytes_are_gone_is_still_described() {
    let (fabric, _) = host_of(Variant::version(1)).await;
    let old = Variant::version(2).bytes();
    let new = NewGenome { author: "ada".into(), ..NewGenome::new(old.clone()) };
    let pushed = fabric.genomes().push(new).await.unwrap().genome;
    let stored = fabric.genomes().detail(pushed).await.unwrap();
    let none = Retention { ancestors: 0, quiet_for: Duration::ZERO };
    let collected = fabric.genomes().collect(none).await.unwrap();
    assert!(collected.removed.contains(&pushed), "{collected:?}");
    let gone = fabric.genomes().detail(pushed).await.unwrap();
    assert_eq!(
        (gone.summary.bytes, gone.author, gone.imports),
        (old.len() as u64, stored.author, stored.imports)
    );
    assert!(matches!(gone.history.last().unwrap().event, Event::Collected));
    let kept = fabric.genomes().push(NewGenome::new(Variant::version(3).bytes())).await.unwrap();
    assert_eq!(fabric.genomes().diff(pushed, kept.genome).await.unwrap().bytes, 0);
    fabric.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_genome_of_one_agent_is_in_the_record_of_its_type() {
    let (fabric, first) = host_of(Variant::version(1)).await;
    let second = Variant::version(2).bytes();
    fabric.genomes().promote("variant", second.clone(), "ada").await.unwrap();
    let agent = fabric.agents().active()[0].id;
    fabric.genomes().update_agent(agent, first).await.unwrap_err();
    let third = Variant::version(3).bytes();
    fabric.genomes().update_agent(agent, third.clone()).await.unwrap();
    let history = fabric.genomes().history("variant").await.unwrap();
    let last = history.last().unwrap();
    assert_eq!(last.genome, Digest::of(&third));
    assert_eq!(last.event, Event::Updated { agent, from: Digest::of(&second) });
    let tree = fabric.genomes().tree("variant").await.unwrap();
    assert!(tree.contains(&format!("run by agent {agent}")), "{tree}");
    let in_charge = tree.lines().find(|line| line.contains("● active")).unwrap();
    assert!(in_charge.contains(&Digest::of(&second).hex()[..12]), "{tree}");
    fabric.shutdown().await.unwrap();
}

/// What was new beside nothing is new beside the genome that came in charge.
#[tokio::test(flavor = "multi_thread")]
async fn a_capability_is_asked_about_also_when_it_was_admitted_before() {
    let (fabric, _) = host_of(Variant::version(1)).await;
    let analyzer = guest("data-analyzer");
    let of_echo = |allow: &[&str]| NewGenome {
        agent_type: Some("echo".into()),
        allow: allow.iter().map(|name| (*name).to_owned()).collect(),
        ..NewGenome::new(analyzer.clone())
    };
    let admitted = fabric.genomes().push(of_echo(&[])).await.unwrap().genome;
    fabric.agents().spawn(&guest("echo"), config_of("echo", |_| {})).await.unwrap();
    let error = fabric.genomes().promote("echo", admitted, "ada").await.unwrap_err();
    assert_eq!(error.code(), "genome-rejected");
    assert!(error.to_string().contains("wasi:filesystem"), "{error}");
    let error =
        fabric.genomes().start_rollout("echo", admitted, Plan::default()).await.unwrap_err();
    assert_eq!(error.code(), "genome-rejected");
    fabric.genomes().push(of_echo(&["wasi:filesystem"])).await.unwrap();
    fabric.genomes().promote("echo", admitted, "ada").await.unwrap();
    fabric.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_bytes_are_stored_anew_when_they_come_again() {
    let (folder, config) = durable();
    let (fabric, _) = host_with(Variant::version(1), config).await;
    let bytes = Variant::version(2).bytes();
    let push = || {
        fabric
            .genomes()
            .push(NewGenome { agent_type: Some("variant".into()), ..NewGenome::new(bytes.clone()) })
    };
    let genome = push().await.unwrap().genome;
    assert!(!push().await.unwrap().new);
    let path = blob(folder.path(), genome);
    let damages: [&dyn Fn(); 2] = [
        &|| {
            let mut damaged = fs::read(&path).unwrap();
            damaged[1000] ^= 1;
            fs::write(&path, damaged).unwrap();
        },
        &|| fs::remove_file(&path).unwrap(),
    ];
    for damage in damages {
        damage();
        assert!(push().await.unwrap().new, "it is stored anew");
        assert_eq!(fs::read(&path).unwrap(), bytes);
        assert_eq!(fabric.genomes().verify().await.unwrap().findings.len(), 0);
    }
    fabric.genomes().promote("variant", genome, "ada").await.unwrap();
    fabric.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_tasks_that_are_damaged_keep_no_host_down() {
    let (folder, config) = durable();
    let genomes = folder.path().join("genomes");
    let (fabric, _) = host_with(Variant::version(1), config.clone()).await;
    fabric.genomes().list().await.unwrap();
    fabric.shutdown().await.unwrap();
    drop(fabric);
    fs::write(genomes.join("recordings.db"), "garbage").unwrap();
    let (fabric, _) = host_with(Variant::version(1), config).await;
    fabric.genomes().list().await.unwrap();
    assert_eq!(fs::read(genomes.join("recordings.db.damaged")).unwrap(), b"garbage");
    fabric.shutdown().await.unwrap();
}

/// The record says who really runs where the one in charge cannot any more.
#[tokio::test(flavor = "multi_thread")]
async fn in_the_place_of_a_damaged_genome_the_files_runs_and_the_record_says_so() {
    let (folder, config) = durable();
    let component = folder.path().join("variant.wasm");
    let [file, better] = [1, 2].map(|version| Variant::version(version).bytes());
    fs::write(&component, &file).unwrap();
    let fabric = crate::harness::fabric(config.clone()).await;
    fabric.apply_agents(&declared("variant", component.clone()), |_| {}).await;
    fabric.genomes().promote("variant", better.clone(), "ada").await.unwrap();
    fabric.shutdown().await.unwrap();
    drop(fabric);
    let path = blob(folder.path(), Digest::of(&better));
    let mut damaged = fs::read(&path).unwrap();
    damaged[1000] ^= 1;
    fs::write(&path, damaged).unwrap();

    let fabric = crate::harness::fabric(config).await;
    fabric.apply_agents(&declared("variant", component.clone()), |_| {}).await;
    let in_charge = Digest::of(&file);
    assert_eq!(running(&fabric), [in_charge]);
    let history = fabric.genomes().history("variant").await.unwrap();
    let last = history.last().unwrap();
    assert_eq!(
        (last.genome, last.event.puts_in_charge(last.genome)),
        (Digest::of(&better), Some(in_charge))
    );
    let tree = fabric.genomes().tree("variant").await.unwrap();
    assert!(tree.contains("it cannot be run any more"), "{tree}");
    fabric.shutdown().await.unwrap();
}

/// What a reload puts in charge stays in charge, though it ends a trial first.
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_during_a_trial_has_the_last_word() {
    let folder = tempfile::tempdir().unwrap();
    let component = folder.path().join("variant.wasm");
    let declared = || declared("variant", component.clone());
    let fabric = Arc::new(crate::harness::fabric(settings()).await);
    let put = |version| fs::write(&component, Variant::version(version).bytes()).unwrap();
    put(0);
    fabric.apply_agents(&declared(), |_| {}).await;
    for version in (1..20).step_by(2) {
        let candidate = Variant::version(version).bytes();
        fabric.genomes().start_rollout("variant", candidate, Plan::default()).await.unwrap();
        put(version + 1);
        fabric.apply_agents(&declared(), |_| {}).await;
        let in_charge = Digest::of(&Variant::version(version + 1).bytes());
        let history = fabric.genomes().history("variant").await.unwrap();
        let last = history.iter().rev().find_map(|entry| entry.event.puts_in_charge(entry.genome));
        assert_eq!((last, running(&fabric)), (Some(in_charge), vec![in_charge]));
        assert!(fabric.genomes().rollout("variant").is_err(), "the trial is over");
    }
    assert_eq!(execute(&fabric, "variant", json!(2)).await.output.to_value()["version"], 20);
    fabric.shutdown().await.unwrap();
}

/// From a file, from another host's folder, through a host that serves and in a
/// folder that none does.
#[test]
fn where_a_genome_came_from_is_kept() {
    let chimera = Chimera::new();
    let there = chimera.data().join("there");
    let run = |arguments: &[&str], data: &str| {
        let ended = chimera.run(&[arguments, &["--json", "--data-dir", data]].concat());
        assert_eq!(ended.code, 0, "{}", ended.err);
        serde_json::from_str::<Value>(&ended.out).unwrap()
    };
    let (echo, there) = (guest_path("echo").display().to_string(), there.display().to_string());
    let pushed = run(&["genome", "push", &echo, "--author", "ada"], &there);
    let genome = pushed["genome"].as_str().unwrap().to_owned();
    assert_eq!(run(&["genome", "show", &genome], &there)["source"], "file");

    let service = Service::start(Chimera::new(), "");
    let served = service.chimera.data().join("data").display().to_string();
    let hex = genome.strip_prefix("sha256:").unwrap();
    let layout = format!("oci:{there}/genomes:{hex}");
    run(&["genome", "push", &layout], &served);
    let shown = run(&["genome", "show", &genome], &served);
    assert_eq!((&shown["source"], &shown["author"]), (&json!(layout), &json!("ada")));
    run(&["genome", "push", &guest_path("courier").display().to_string()], &served);
    let stored = service.get("/v1/genomes");
    let other = stored.as_array().unwrap().iter().find(|one| one["genome"] != genome).unwrap();
    let other = other["genome"].as_str().unwrap();
    assert_eq!(service.get(&format!("/v1/genomes/{other}"))["source"], "file");

    let unknown = format!("oci:{there}/genomes:latest");
    chimera.refuses(
        3,
        &["genome", "push", &unknown, "--data-dir", &served],
        &["no \"latest\"", hex],
    );
    chimera.refuses(3, &["genome", "push", "oci:nowhere", "--data-dir", &served], &["nowhere"]);
}
