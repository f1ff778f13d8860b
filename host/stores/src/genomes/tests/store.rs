//! What the store does while nothing goes wrong, and what it refuses.

use std::collections::HashSet;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::thread;
use std::time::{Duration, SystemTime};

use super::super::{GenomeReader, Put};
use super::*;

#[test]
fn a_genome_comes_back_with_its_description() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let genome = put(&store, "a");
    assert_eq!(genome, Digest::of(&component("a")));
    let check = |reader: &GenomeReader| {
        assert_eq!(reader.get(&genome).unwrap(), component("a"));
        let (stored, told) = reader.describe(&genome).unwrap();
        assert_eq!((stored.genome, stored.bytes), (genome, component("a").len() as u64));
        assert_eq!(told, about());
    };
    check(store.reader());
    check(&GenomeReader::open(folder.path(), MAX_BYTES).unwrap());
    drop(store);
    check(open(folder.path()).reader());
    assert_eq!(follow(folder.path()), [genome]);
}

#[test]
fn the_same_bytes_again_write_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    put(&store, "a");
    let stamps = || {
        let names = files(folder.path()).into_keys().chain(["blobs/sha256".into(), "".into()]);
        let stamp = |name| {
            let found = fs::metadata(folder.path().join(&name)).unwrap();
            (name, found.ino(), found.mtime(), found.mtime_nsec(), found.ctime_nsec())
        };
        names.map(stamp).collect::<Vec<_>>()
    };
    let before = stamps();
    let mut again = None;
    let changes = steps::watch(|| {
        let told = About { author: Some("another".into()), ..about() };
        again = Some(store.put(&component("a"), &told).unwrap());
    });
    assert!(!again.unwrap().new && changes.is_empty(), "{changes:?}");
    assert_eq!(stamps(), before);
}

#[test]
fn a_collection_keeps_what_is_named_or_held() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let [kept, _gone] = ["kept", "gone"].map(|name| put(&store, name));
    let Put { digest: fresh, held, .. } = store.put(&component("fresh"), &about()).unwrap();
    let again = store.hold(&fresh).unwrap();

    let failing = store.gc(|| Err(GenomeStoreError::Unknown(kept)));
    assert!(failing.is_err() && listed(&store).len() == 3, "keep failed: nothing goes");
    let collected = store.gc::<GenomeStoreError>(|| {
        let stored = listed(&store).into_iter(); // It may look.
        Ok(stored.filter(|genome| *genome == kept).collect())
    });
    let collected = collected.unwrap();
    assert_eq!(collected.removed, [Digest::of(&component("gone"))]);
    assert!(collected.freed_bytes > component("gone").len() as u64, "{collected:?}");
    drop(held);
    assert_eq!(collect(&store, &[kept]), Default::default(), "it is held once more");
    drop(again);
    assert_eq!(collect(&store, &[kept]).removed, [fresh]);
    assert!(matches!(store.get(&fresh), Err(GenomeStoreError::Unknown(_))));
    assert!(matches!(store.hold(&fresh), Err(GenomeStoreError::Unknown(_))));
    drop(store);
    assert_eq!(recovered(folder.path()).1, [kept]);
}

#[test]
fn files_that_no_entry_names_go_when_they_are_old() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let genome = put(&store, "a");
    let blobs = folder.path().join("blobs/sha256");
    let strangers = [
        blobs.join(Digest::of(b"orphan").hex()),
        blobs.join(".tmp-abc"),
        folder.path().join(".tmp-abc"),
        blobs.join("README"), // Not ours, whatever its age.
    ];
    strangers.iter().for_each(|path| fs::write(path, "orphan").unwrap());
    let there = || strangers.iter().map(|path| path.exists()).collect::<Vec<_>>();
    collect(&store, &[genome]);
    assert_eq!(there(), [true; 4], "another tool may be writing them");
    let old = SystemTime::now() - Duration::from_secs(3600);
    for path in &strangers {
        fs::File::open(path).unwrap().set_modified(old).unwrap();
    }
    assert_eq!(collect(&store, &[genome]).freed_bytes, 18);
    assert_eq!(there(), [false, false, false, true]);

    strangers.iter().for_each(|path| fs::write(path, "orphan").unwrap());
    drop(store);
    let (_, found) = GenomeStore::open(&options(folder.path())).unwrap();
    assert_eq!((found.leftovers, found.index), (3, None));
    assert_eq!(there(), [false, false, false, true]);
}

#[test]
fn what_is_too_much_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let before = files(folder.path());
    let large = vec![0; MAX_BYTES as usize + 1];
    let refused = store.put(&large, &about()).unwrap_err();
    assert!(refused.to_string().contains("65537 bytes; this host stores up to 65536"), "{refused}");
    let told = About { author: Some("x".repeat(300 << 10)), ..about() };
    let refused = store.put(&component("a"), &told).unwrap_err();
    assert_eq!(refused.code(), "genome-description-too-large");
    assert_eq!(files(folder.path()), before);

    let genome = store.put(&large[1..], &about()).unwrap().digest;
    drop(store);
    let less = GenomeStoreOptions { max_genome_bytes: 10, ..options(folder.path()) };
    let (store, _) = GenomeStore::open(&less).unwrap();
    assert_eq!(store.get(&genome).unwrap_err().code(), "genome-too-large");
    assert!(store.verify().unwrap().is_sound(), "it is only larger than is allowed now");
}

#[test]
fn one_process_writes_and_others_read() {
    let folder = tempfile::tempdir().unwrap();
    let reader = |path: &Path| GenomeReader::open(path, MAX_BYTES);
    let refused = reader(folder.path()).unwrap_err().to_string();
    assert!(refused.contains("is not there"), "{refused}");

    let store = open(folder.path());
    let refused = GenomeStore::open(&options(folder.path())).unwrap_err().to_string();
    let us = format!("written to by the process {}", std::process::id());
    assert!(refused.contains(&us) && refused.contains("stop it first"), "{refused}");

    let reader = reader(folder.path()).unwrap();
    for name in ["a", "b", "c"] {
        let genome = put(&store, name);
        assert_eq!(reader.get(&genome).unwrap(), component(name), "the reader sees what is new");
    }
    collect(&store, &[]);
    assert_eq!(reader.list().unwrap(), []);
}

#[test]
fn a_folder_that_others_can_write_to_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("genomes");
    put(&open(&path), "a");
    for made in [path.clone(), path.join("blobs/sha256"), path.join("quarantine")] {
        assert_eq!(fs::metadata(made).unwrap().mode() & 0o777, 0o700);
    }
    for file in files(&path).keys() {
        assert_eq!(fs::metadata(path.join(file)).unwrap().mode() & 0o777, 0o600, "{file:?}");
    }
    for inner in ["", "blobs", "blobs/sha256"] {
        let inner = path.join(inner);
        fs::set_permissions(&inner, fs::Permissions::from_mode(0o720)).unwrap();
        let refused = GenomeStore::open(&options(&path)).unwrap_err().to_string();
        assert!(refused.contains("mode 720") && refused.contains("chmod go-w"), "{refused}");
        fs::set_permissions(&inner, fs::Permissions::from_mode(0o700)).unwrap();
    }
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let refused = GenomeStore::open(&options(&path)).unwrap_err().to_string();
    assert!(refused.contains("put another in its place"), "{refused}");
}

#[test]
fn a_layout_of_another_version_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("oci-layout"), r#"{"imageLayoutVersion":"2.0.0"}"#).unwrap();
    let refused = GenomeStore::open(&options(folder.path())).unwrap_err().to_string();
    assert!(refused.contains(r#"version "2.0.0"; this program knows 1.0.0"#), "{refused}");
}

#[test]
fn many_put_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let put = |thread: usize| {
        let each = |name: usize| {
            let name =
                if name.is_multiple_of(2) { format!("{thread}/{name}") } else { format!("{name}") };
            let put = store.put(&component(&name), &about()).unwrap();
            assert_eq!(store.get(&put.digest).unwrap(), component(&name));
            put.new.then_some(put.digest)
        };
        (0..10).filter_map(each).collect::<Vec<_>>()
    };
    let new = thread::scope(|scope| {
        let threads = [0, 1, 2, 3].map(|thread| scope.spawn(move || put(thread)));
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    let different: HashSet<_> = new.iter().copied().collect();
    assert_eq!((new.len(), different.len()), (25, 25), "each was new to one of them");
    drop(store);
    assert_eq!(recovered(folder.path()).1.len(), 25);
}
