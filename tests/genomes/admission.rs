//! What a genome goes through before it may run.

use chimera_layer4::fabric::genome::lineage::{Event, Stage};
use chimera_layer4::fabric::{Digest, FabricError, NewGenome};
use chimera_layer4_toolchain::{self as toolchain, Stop};
use serde_json::json;

use super::host_of;
use super::variants::{BROKEN, ILL, Variant};
use crate::harness::{execute, guest, guests_target, root};
use crate::shell::outside_of_cargo;

fn of_type(bytes: Vec<u8>) -> NewGenome {
    NewGenome { agent_type: Some("variant".into()), ..NewGenome::new(bytes) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_genome_is_stored_once_with_what_was_found() {
    let (fabric, _) = host_of(Variant::default()).await;
    let bytes = Variant::version(2).bytes();
    let new = NewGenome {
        samples: vec![json!(1).into()],
        author: "ada".into(),
        ..of_type(bytes.clone())
    };
    let pushed = fabric.genomes().push(new.clone()).await.unwrap();
    assert_eq!((pushed.genome, pushed.new), (Digest::of(&bytes), true));
    assert_eq!(pushed.report.contract, "0.1.0");
    let smoke: Vec<&str> = pushed.report.smoke.iter().map(|step| step.what.as_str()).collect();
    assert_eq!(smoke, ["init and capabilities", "health", "sample task 1"]);
    let untried = NewGenome { samples: Vec::new(), ..new.clone() };
    let again = fabric.genomes().push(untried).await.unwrap();
    assert!(!again.new && again.report == pushed.report, "the same bytes cost nothing");
    let detail = fabric.genomes().detail(pushed.genome).await.unwrap();
    assert_eq!(detail.author.as_deref(), Some("ada"));
    assert_eq!(detail.history.len(), 2, "stored and admitted: {:?}", detail.history);
    assert!(detail.imports.iter().any(|import| import.starts_with("chimera:agent/telemetry")));
    let failing = NewGenome { samples: vec![json!("no number").into()], ..new };
    let error = fabric.genomes().push(failing).await.unwrap_err();
    assert!(error.to_string().contains("sample task 1"), "others are tried: {error}");
    fabric.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_admitted_is_refused_with_the_check_that_it_failed() {
    let (fabric, _) = host_of(Variant::default()).await;
    let broken = Variant { state: BROKEN, ..Variant::default() }.bytes();
    let ill = Variant { state: ILL, ..Variant::default() }.bytes();
    let failing = Variant { failing: 1000, ..Variant::default() }.bytes();
    let cases = [
        (b"no component".to_vec(), Stage::Contract, "not a component"),
        (broken, Stage::Smoke, "it is not to start"),
        (ill, Stage::Smoke, "as its bytes say"),
        (failing, Stage::Smoke, "sample task 1"),
        // The agent in charge imports no files.
        (guest("data-analyzer"), Stage::Capabilities, "wasi:filesystem"),
    ];
    for (bytes, stage, words) in cases {
        let genome = Digest::of(&bytes);
        let new = NewGenome { samples: vec![json!(1).into()], ..of_type(bytes) };
        let error = fabric.genomes().push(new).await.unwrap_err();
        assert!(error.to_string().contains(words), "{words}: {error}");
        let history = fabric.genomes().history("variant").await.unwrap();
        let of_it = history.iter().find(|entry| entry.genome == genome);
        match (stage, of_it.map(|entry| &entry.event)) {
            // No agent at all: the answer says so, and the lineage has no entry.
            (Stage::Contract, None) => {}
            (stage, Some(Event::Rejected { stage: recorded, reason })) => {
                assert_eq!(*recorded, stage, "{reason}");
            }
            (_, other) => panic!("{other:?}"),
        }
        assert!(matches!(
            fabric.genomes().detail(genome).await,
            Err(FabricError::GenomeNotFound(_))
        ));
    }
    fabric.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_capability_takes_an_explicit_yes() {
    let (fabric, _) = host_of(Variant::default()).await;
    fabric.genomes().promote("variant", Variant::version(1).bytes(), "a test").await.unwrap();
    let analyzer = guest("data-analyzer");
    let refused = fabric.genomes().push(of_type(analyzer.clone())).await.unwrap_err();
    assert_eq!(refused.code(), "genome-rejected");
    let allow = vec!["wasi:filesystem".to_owned()];
    let allowed = NewGenome { allow, ..of_type(analyzer) };
    let admitted = fabric.genomes().push(allowed).await.unwrap();
    let new = &admitted.report.new_capabilities;
    assert!(new.iter().all(|name| name.starts_with("wasi:filesystem/")) && !new.is_empty());
    fabric.shutdown().await.unwrap();
}

/// The core module that cargo makes of an agent for WASI's first preview.
fn core_module(agent: &str) -> Vec<u8> {
    let target = "wasm32-wasip1";
    let folder = root().join("agents").join(agent);
    toolchain::add_target(&folder, target, &Stop::default(), &mut |_| {}).unwrap();
    let manifest = folder.join("Cargo.toml");
    let mut cargo = outside_of_cargo("cargo");
    cargo.args(["build", "--quiet", "--release", "--target", target, "--manifest-path"]);
    cargo.arg(manifest).arg("--target-dir").arg(guests_target());
    assert!(cargo.status().unwrap().success(), "{agent} builds for {target}");
    let name = agent.replace('-', "_");
    std::fs::read(guests_target().join(target).join(format!("release/{name}.wasm"))).unwrap()
}

/// What cargo leaves for `wasm32-wasip1` is a module with the component's type.
#[tokio::test(flavor = "multi_thread")]
async fn a_core_module_that_says_what_it_would_be_is_made_a_component() {
    let (fabric, _) = host_of(Variant::default()).await;
    let module = core_module("echo");
    assert!(module.starts_with(b"\0asm\x01\0\0\0"), "a core module");
    // The adapter for it imports files, which the agent in charge does not.
    let allow = vec!["wasi:filesystem".to_owned()];
    let new = NewGenome { allow, ..of_type(module.clone()) };
    let pushed = fabric.genomes().push(new).await.unwrap();
    assert_ne!(pushed.genome, Digest::of(&module), "the component is the genome");
    let swapped = fabric.genomes().promote("variant", pushed.genome, "a test").await.unwrap();
    assert_eq!(swapped.to, pushed.genome);
    let done = execute(&fabric, "variant", json!("hello")).await;
    assert_eq!(done.output, "hello");
    fabric.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_tasks_are_samples() {
    let (fabric, _) = host_of(Variant::default()).await;
    fabric.genomes().list().await.unwrap(); // From now on tasks are recorded.
    execute(&fabric, "variant", json!(7)).await;
    let push = async |variant: Variant| {
        let new = NewGenome { recorded_samples: 1, ..of_type(variant.bytes()) };
        fabric.genomes().push(new).await
    };
    let tried = async {
        // It is written down by a thread of its own.
        for version in 10.. {
            let pushed = push(Variant::version(version)).await.unwrap();
            if pushed.report.smoke.last().is_some_and(|last| last.what == "sample task 1") {
                return;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), tried).await.unwrap();
    // Stored without one, it is tried once there are some.
    let early = Variant { failing: 1000, ..Variant::version(2) };
    let stored = fabric.genomes().push(of_type(early.bytes())).await.unwrap();
    assert_eq!(stored.report.samples_tried(), 0);
    let late = push(early).await.unwrap_err();
    assert!(late.to_string().contains("sample task 1"), "{late}");
    let failing = push(Variant { failing: 1000, ..Variant::version(1) }).await.unwrap_err();
    assert!(failing.to_string().contains("sample task 1"), "{failing}");
    fabric.shutdown().await.unwrap();
}
