//! `kill -9` at every step of every change.
//!
//! This program is started again to run one test alone, in a folder with a
//! plan. It kills itself at the step that the plan names; then the store must
//! open with the old or the new state.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use chimera_layer4_core::genome::lineage::Event;
use chimera_layer4_core::genome::rollout::How;

use super::super::{Active, Entries, Lineage, NewEntry};
use super::*;

/// The child. Without a plan it has nothing to do.
#[test]
fn child() {
    let Ok(plan) = fs::read_to_string("genome-crash-plan") else { return };
    let (change, after) = plan.split_once(' ').unwrap();
    run(change, || steps::die_after(after.parse().unwrap()));
    fs::write("done", "").unwrap();
}

/// Makes a change to the store in the working folder.
fn run(change: &str, arm: impl FnOnce()) {
    let folder = Path::new("genomes");
    if change == "open" {
        arm();
        open(folder);
        return;
    }
    let store = open(folder);
    let genome = Digest::of(&component("old"));
    match change {
        "put" => {
            arm();
            put(&store, "new");
        }
        "gc" => {
            arm();
            collect(&store, &[genome]);
        }
        "get" => {
            arm();
            store.get(&genome).unwrap_err();
        }
        "describe" => {
            arm();
            store.describe(&genome).unwrap_err();
        }
        "append" => {
            let lineage = Lineage::open(&store).unwrap();
            arm();
            lineage.append_all(&[entry("promoted", 2), entry("noted", 3)]).unwrap();
        }
        other => panic!("{other}"),
    }
}

fn entry(genome: &str, at: u64) -> NewEntry {
    let event = match genome {
        "noted" => Event::Pinned,
        _ => Event::Promoted { from: None, how: How::Passed },
    };
    let (genome, agent_type) = (Digest::of(genome.as_bytes()), Some("t".into()));
    NewEntry { at: Timestamp(at), genome, agent_type, event }
}

/// Has `change` killed at each of its steps, on what `prepare` made, and has
/// `check` look at what is left. Returns at how many.
fn kill_at_each_step(
    change: &str,
    prepare: impl FnOnce(&Path),
    mut check: impl FnMut(&Path, bool),
) -> usize {
    let prepared = tempfile::tempdir().unwrap();
    prepare(prepared.path());
    let before = files(prepared.path());
    let (_, module) = module_path!().split_once("::").unwrap();
    for step in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let genomes = folder.path().join("genomes");
        write(&genomes, &before);
        fs::write(folder.path().join("genome-crash-plan"), format!("{change} {step}")).unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &format!("{module}::child")])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let done = folder.path().join("done").exists();
        assert_eq!(child.status.signal(), (!done).then_some(9), "{change} {step}: {child:?}");
        check(&genomes, done);
        if done {
            return step;
        }
    }
    unreachable!()
}

#[test]
fn a_put_is_there_or_not() {
    let [old, new] = ["old", "new"].map(|name| Digest::of(&component(name)));
    let prepare = |folder: &Path| {
        put(&open(folder), "old");
    };
    let mut seen = Vec::new();
    let steps = kill_at_each_step("put", prepare, |folder, done| {
        let (store, genomes) = recovered(folder);
        let is_new = genomes == sorted([old, new]);
        assert!(is_new || (!done && genomes == [old]), "{genomes:?}");
        seen.push(is_new);
        put(&store, "new");
        drop(store);
        assert_eq!(recovered(folder).1, sorted([old, new]));
    });
    assert_eq!(steps, 14, "four files, each written, synced and renamed, and two folders");
    assert!(seen.is_sorted() && !seen[0], "once it is there it stays: {seen:?}");
}

#[test]
fn a_collection_is_done_or_not() {
    let [old, new] = ["old", "new"].map(|name| Digest::of(&component(name)));
    let prepare = |folder: &Path| {
        let store = open(folder);
        put(&store, "old");
        put(&store, "new");
    };
    let steps = kill_at_each_step("gc", prepare, |folder, done| {
        let (_, genomes) = recovered(folder);
        assert!(genomes == [old] || (!done && genomes == sorted([old, new])), "{genomes:?}");
    });
    assert_eq!(steps, 8);
}

#[test]
fn damage_is_dealt_with_whenever_it_was_interrupted() {
    let [old, other] = ["old", "other"].map(|name| Digest::of(&component(name)));
    for (change, genomes) in [("get", vec![other]), ("describe", sorted([old, other]))] {
        let prepare = |folder: &Path| {
            let store = open(folder);
            put(&store, "old");
            put(&store, "other");
            let manifest = store.describe(&old).unwrap().0.manifest;
            let damaged = if change == "get" { old } else { manifest };
            fs::write(folder.join("blobs/sha256").join(damaged.hex()), "damaged").unwrap();
        };
        let steps = kill_at_each_step(change, prepare, |folder, _| {
            open(folder).verify().unwrap();
            let (_, found) = recovered(folder);
            assert_eq!(found, genomes, "{change}");
            let kept = files(&folder.join("quarantine"));
            assert!(kept.values().any(|bytes| bytes == b"damaged"), "the evidence is kept");
        });
        assert!(steps > 10, "{steps}");
    }
}

#[test]
fn an_opening_that_was_interrupted_is_made_again() {
    let old = Digest::of(&component("old"));
    let prepare = |folder: &Path| {
        put(&open(folder), "old");
        fs::write(folder.join("index.json"), "damaged").unwrap();
        fs::remove_file(folder.join("oci-layout")).unwrap();
        let orphan = Digest::of(b"orphan").hex();
        fs::write(folder.join("blobs/sha256").join(orphan), "orphan").unwrap();
    };
    let steps = kill_at_each_step("open", prepare, |folder, _| {
        assert_eq!(recovered(folder).1, [old]);
    });
    assert!(steps > 10, "{steps}");
}

#[test]
fn a_promotion_is_recorded_and_in_force_or_neither() {
    let prepare = |folder: &Path| {
        let lineage = Lineage::open(&open(folder)).unwrap();
        lineage.append(entry("first", 1)).unwrap();
    };
    let mut seen = Vec::new();
    let steps = kill_at_each_step("append", prepare, |folder, done| {
        let store = open(folder);
        let lineage = Lineage::open(&store).unwrap();
        let which = Entries { limit: 100, ..Entries::default() };
        let entries = lineage.reader().entries(&which).unwrap();
        let found: Vec<_> = entries.iter().map(|entry| entry.genome).collect();
        let [first, promoted, noted] =
            ["first", "promoted", "noted"].map(|name| Digest::of(name.as_bytes()));
        let active = lineage.reader().active("t").unwrap().unwrap();
        let is_new = active.genome == promoted;
        let old = Active { genome: first, sequence: 0 };
        match is_new {
            true => assert_eq!((found, active.sequence), (vec![first, promoted, noted], 1)),
            false => assert_eq!((found, active), (vec![first], old)),
        }
        assert!(is_new || !done);
        seen.push(is_new);
    });
    assert_eq!(steps, 6, "begun, recorded, activated, recorded, done, committed");
    assert_eq!(seen, [false, false, false, false, false, true, true]);
}
