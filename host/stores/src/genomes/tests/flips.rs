//! Every byte of a stored genome, changed.

use super::super::{GenomeReader, Part};
use super::*;

/// The path of a part of the only genome.
fn part(folder: &Path, part: Part) -> PathBuf {
    let json = |path: PathBuf| serde_json::from_slice::<Value>(&fs::read(path).unwrap()).unwrap();
    let blob = |descriptor: &Value| {
        let hex = descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
        folder.join("blobs/sha256").join(hex)
    };
    let manifest = blob(&json(folder.join("index.json"))["manifests"][0]);
    match part {
        Part::Manifest => manifest,
        Part::Config => blob(&json(manifest)["config"]),
        Part::Layer => blob(&json(manifest)["layers"][0]),
    }
}

/// Calls `check` with the file in each state that differs from its own in a
/// byte, or has lost its last, or has one more.
fn with_each_flip(path: &Path, mut check: impl FnMut(&str)) {
    let whole = fs::read(path).unwrap();
    for offset in 0..whole.len() {
        for bits in [0x01, 0x80, 0xff] {
            let mut flipped = whole.clone();
            flipped[offset] ^= bits;
            fs::write(path, flipped).unwrap();
            check(&format!("byte {offset} of {}, bits {bits:x}", path.display()));
        }
    }
    for other in [&whole[1..], &whole[..whole.len() - 1], &[whole.as_slice(), b"\n"].concat(), b""]
    {
        fs::write(path, other).unwrap();
        check(&format!("{} bytes instead of {}", other.len(), whole.len()));
    }
    fs::write(path, whole).unwrap();
}

#[test]
fn each_flip_of_a_blob_is_found_by_every_reader() {
    let folder = tempfile::tempdir().unwrap();
    let genome = put(&open(folder.path()), "a");
    for which in [Part::Layer, Part::Config, Part::Manifest] {
        with_each_flip(&part(folder.path(), which), |flip| {
            let reader = GenomeReader::open(folder.path(), MAX_BYTES).unwrap();
            let used = match which {
                Part::Layer => reader.get(&genome).map(drop),
                Part::Config | Part::Manifest => reader.describe(&genome).map(drop),
            };
            let Err(GenomeStoreError::Damaged(found)) = used else { panic!("{flip}: {used:?}") };
            assert_eq!((found.part, found.genome), (which, genome), "{flip}");
            assert_eq!(reader.verify().unwrap().findings, [*found], "{flip}");
        });
    }
    assert!(open(folder.path()).verify().unwrap().is_sound(), "readers changed nothing");
}

#[test]
fn each_flip_of_the_index_is_found_and_the_blobs_say_what_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let genome = put(&open(folder.path()), "a");
    with_each_flip(&folder.path().join("index.json"), |flip| {
        let reader = GenomeReader::open(folder.path(), MAX_BYTES).unwrap();
        let report = reader.verify().unwrap();
        assert!(report.index.is_some() && report.findings.is_empty(), "{flip}: {report:?}");
        assert_eq!(reader.get(&genome).unwrap(), component("a"), "{flip}");
        assert_eq!(reader.describe(&genome).unwrap().1, about(), "{flip}");
    });
}

#[test]
fn an_index_is_mended_as_the_store_opens_and_while_it_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let genome = put(&open(folder.path()), "a");
    let index = folder.path().join("index.json");
    let whole = fs::read(&index).unwrap();
    let kept = folder.path().join("quarantine/index.json");
    let orphan = folder.path().join("blobs/sha256").join(Digest::of(b"orphan").hex());
    fs::write(&index, "{}").unwrap();
    fs::write(&orphan, "whose?").unwrap();
    let (store, found) = GenomeStore::open(&options(folder.path())).unwrap();
    assert!(found.index.unwrap().contains("missing field"));
    assert_eq!(
        (fs::read(&index).unwrap(), fs::read(&kept).unwrap()),
        (whole.clone(), b"{}".into())
    );
    // Its manifest may have been the one that is damaged.
    assert_eq!(found.leftovers, 1);
    assert!(!orphan.exists() && kept.with_file_name(Digest::of(b"orphan").hex()).exists());

    fs::remove_file(&index).unwrap();
    let report = store.verify().unwrap();
    assert_eq!((report.index.as_deref(), report.genomes), (Some("it is missing"), 1));
    assert_eq!(fs::read(&index).unwrap(), whole);
    assert!(store.verify().unwrap().is_sound());
    assert_eq!(listed(&store), [genome]);
}

#[test]
fn a_damaged_component_is_put_aside_and_may_come_again() {
    for missing in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        let (genome, other) = (put(&store, "a"), put(&store, "b"));
        let path = folder.path().join("blobs/sha256").join(genome.hex());
        let kept = folder.path().join("quarantine").join(genome.hex());
        if missing { fs::remove_file(&path) } else { fs::write(&path, "other") }.unwrap();
        let refused = store.get(&genome).unwrap_err();
        let message = refused.to_string();
        if missing {
            assert!(message.contains("component of the genome") && message.contains("is missing"));
        } else {
            assert_eq!(fs::read(&kept).unwrap(), b"other");
            assert!(message.contains(&kept.display().to_string()), "{message}");
        }
        assert!(matches!(store.get(&genome), Err(GenomeStoreError::Unknown(_))));
        assert!(store.verify().unwrap().is_sound());
        assert!(store.put(&component("a"), &about()).unwrap().new);
        drop(store);
        assert_eq!(recovered(folder.path()).1, sorted([genome, other]));
    }
}

#[test]
fn a_damaged_description_costs_no_genome() {
    for (which, left) in [
        (Part::Config, About { imports: vec![], exports: vec![], ..about() }),
        (Part::Manifest, About { parent: None, source: None, ..about() }),
    ] {
        for missing in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let store = open(folder.path());
            let genome = put(&store, "a");
            let path = part(folder.path(), which);
            if missing { fs::remove_file(&path) } else { fs::write(&path, "other") }.unwrap();
            let found = store.verify().unwrap().findings;
            let [found] = found.as_slice() else { panic!("{found:?}") };
            assert_eq!((found.part, found.found.is_none()), (which, missing), "{found}");
            assert_eq!(found.kept_at.is_some(), !missing);
            assert!(store.verify().unwrap().is_sound());
            assert_eq!(store.get(&genome).unwrap(), component("a"));
            assert_eq!(store.describe(&genome).unwrap().1, left);
            drop(store);
            assert_eq!(recovered(folder.path()).1, [genome]);
        }
    }
}

#[test]
fn a_genome_whose_whole_description_is_lost_is_still_there() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let genome = put(&store, "a");
    let paths = [Part::Config, Part::Manifest].map(|which| part(folder.path(), which));
    paths.iter().for_each(|path| fs::write(path, "[]").unwrap());
    let found = store.verify().unwrap().findings;
    assert!(found.len() == 2 && found.iter().all(|found| found.kept_at.is_some()), "{found:?}");
    assert_eq!(store.describe(&genome).unwrap().1, About::default());
    assert_eq!(store.get(&genome).unwrap(), component("a"));
}
