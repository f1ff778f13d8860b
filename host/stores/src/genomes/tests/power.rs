//! The power, cut at every moment of every change.
//!
//! A killed process leaves all that it wrote to the system. A loss of power
//! leaves what was synced: a file's bytes once the file was, a name once its
//! folder was, and of what was not, any part. Each such disk is made from the
//! record of what the store did, and the store must open on it.

use super::steps::Change;
use super::*;

/// A change of a name that may not be on the disk yet.
#[derive(Clone)]
enum Pending {
    Add(PathBuf, Vec<u8>),
    Remove(PathBuf),
}

impl Pending {
    fn path(&self) -> &Path {
        match self {
            Self::Add(path, _) | Self::Remove(path) => path,
        }
    }

    fn apply(&self, disk: &mut BTreeMap<PathBuf, Vec<u8>>) {
        match self {
            Self::Add(path, bytes) => drop(disk.insert(path.clone(), bytes.clone())),
            Self::Remove(path) => drop(disk.remove(path)),
        }
    }
}

/// Every disk that a loss of power may leave of these changes.
fn disks(
    root: &Path,
    before: &BTreeMap<PathBuf, Vec<u8>>,
    changes: &[Change],
) -> Vec<BTreeMap<PathBuf, Vec<u8>>> {
    let name = |path: &Path| path.strip_prefix(root).unwrap().to_path_buf();
    // What is on the disk, what a living process sees, and what is between.
    let (mut disk, mut seen, mut pending) = (before.clone(), before.clone(), Vec::<Pending>::new());
    let mut disks = subsets(&disk, &pending);
    for change in changes {
        match change {
            Change::Synced(path, bytes) => drop(seen.insert(name(path), bytes.clone())),
            Change::Renamed(from, to) => {
                // What was never synced may be anything: here, nothing.
                let bytes = seen.remove(&name(from)).unwrap_or_default();
                seen.insert(name(to), bytes.clone());
                pending.extend([Pending::Add(name(to), bytes), Pending::Remove(name(from))]);
            }
            Change::Removed(path) => {
                seen.remove(&name(path));
                pending.push(Pending::Remove(name(path)));
            }
            Change::FolderSynced(folder) => {
                let is_in = |change: &Pending| change.path().parent() == Some(&name(folder));
                pending.iter().filter(|change| is_in(change)).for_each(|c| c.apply(&mut disk));
                pending.retain(|change| !is_in(change));
            }
        }
        pending.retain(|change| match change {
            Pending::Remove(path) => disk.contains_key(path), // Others change nothing.
            Pending::Add(..) => true,
        });
        disks.extend(subsets(&disk, &pending));
    }
    assert!(pending.is_empty(), "all was synced at the end");
    disks.dedup();
    disks
}

fn subsets(
    disk: &BTreeMap<PathBuf, Vec<u8>>,
    pending: &[Pending],
) -> Vec<BTreeMap<PathBuf, Vec<u8>>> {
    let one = |chosen: usize| {
        let mut disk = disk.clone();
        let lasting = pending.iter().enumerate().filter(|(n, _)| chosen & (1 << n) != 0);
        lasting.for_each(|(_, change)| change.apply(&mut disk));
        disk
    };
    (0..1 << pending.len()).map(one).collect()
}

/// What the store is on each disk that a loss of power during `change` leaves,
/// after a first `look`.
fn cut<P, C>(
    prepare: impl FnOnce(&GenomeStore) -> P,
    change: impl FnOnce(&GenomeStore) -> C,
    look: impl Fn(&Path),
) -> Vec<Vec<Digest>> {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    prepare(&store);
    let before = files(folder.path());
    let changes = steps::watch(|| drop(change(&store)));
    let disks = disks(&folder.path().canonicalize().unwrap(), &before, &changes);
    assert!(disks.len() > 5, "{changes:?}");
    let state = |disk| {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &disk);
        look(folder.path());
        recovered(folder.path()).1
    };
    disks.into_iter().map(state).collect()
}

#[test]
fn a_put_lasts_when_it_returns_and_is_never_there_by_half() {
    let [old, new] = ["old", "new"].map(|name| Digest::of(&component(name)));
    let states = cut(|store| put(store, "old"), |store| put(store, "new"), |_| {});
    assert!(states.iter().all(|state| *state == [old] || *state == sorted([old, new])));
    assert_eq!(states.last().unwrap(), &sorted([old, new]));
}

#[test]
fn a_collection_lasts_when_it_returns_and_is_never_done_by_half() {
    let [old, new] = ["old", "new"].map(|name| Digest::of(&component(name)));
    let both = |store: &GenomeStore| (put(store, "old"), put(store, "new"));
    let states = cut(both, |store| collect(store, &[old]), |_| {});
    assert!(states.iter().all(|state| *state == [old] || *state == sorted([old, new])));
    assert_eq!(states.last().unwrap(), &[old]);
}

#[test]
fn damage_is_dealt_with_also_then() {
    let old = Digest::of(&component("old"));
    let verify = |folder: &Path| drop(open(folder).verify().unwrap());
    let blob = |store: &GenomeStore, digest: Digest| store.reader().layout().blob(&digest);
    let damaged_component = |store: &GenomeStore| {
        put(store, "old");
        fs::write(blob(store, old), "damaged").unwrap();
    };
    let states = cut(damaged_component, |store| store.get(&old).unwrap_err(), verify);
    assert!(states.iter().all(Vec::is_empty), "{states:?}");

    let damaged_manifest = |store: &GenomeStore| {
        put(store, "old");
        let manifest = store.list().unwrap()[0].manifest;
        fs::write(blob(store, manifest), "damaged").unwrap();
    };
    let states = cut(damaged_manifest, |store| store.describe(&old).unwrap_err(), verify);
    assert!(states.iter().all(|state| *state == [old]), "{states:?}");
}
