//! The genome store, from the outside.

mod crash;
mod flips;
mod foreign;
mod lineage;
mod power;
mod recordings;
mod refinements;
pub(super) mod steps;
mod store;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use chimera_layer4_core::Digest;
use chimera_layer4_core::scheduler::Timestamp;
use serde_json::Value;

use super::{About, GenomeStore, GenomeStoreError, GenomeStoreOptions};

const MAX_BYTES: u64 = 1 << 16;

fn options(folder: &Path) -> GenomeStoreOptions {
    GenomeStoreOptions { folder: folder.to_path_buf(), max_genome_bytes: MAX_BYTES }
}

fn open(folder: &Path) -> GenomeStore {
    GenomeStore::open(&options(folder)).unwrap().0
}

/// A component of a few bytes; these tests do not check that it is one.
fn component(name: &str) -> Vec<u8> {
    [b"\0asm\x0d\0\x01\0".as_slice(), name.as_bytes()].concat()
}

fn about() -> About {
    About {
        author: Some("Ada".into()),
        created: Timestamp(1_700_000_000_123),
        parent: Some(Digest::of(b"parent")),
        source: Some("file:agent.wasm".into()),
        imports: vec!["wasi:io/streams@0.2.6".into()],
        exports: vec!["chimera:agent/agent@0.1.0".into()],
    }
}

fn put(store: &GenomeStore, name: &str) -> Digest {
    store.put(&component(name), &about()).unwrap().digest
}

/// The names of a store's genomes, in the order of the store.
fn listed(store: &GenomeStore) -> Vec<Digest> {
    store.list().unwrap().into_iter().map(|stored| stored.genome).collect()
}

fn sorted<const N: usize>(mut genomes: [Digest; N]) -> Vec<Digest> {
    genomes.sort_unstable();
    genomes.to_vec()
}

/// A collection whose keep cannot fail.
fn collect(store: &GenomeStore, keep: &[Digest]) -> super::Collected {
    let keep = keep.iter().copied().collect();
    store.gc::<GenomeStoreError>(|| Ok(keep)).unwrap()
}

/// Every file below a folder, by its path in it.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for file in fs::read_dir(next).unwrap() {
            let path = file.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_path_buf();
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn write(folder: &Path, files: &BTreeMap<PathBuf, Vec<u8>>) {
    use std::os::unix::fs::DirBuilderExt;
    for (name, bytes) in files {
        let path = folder.join(name);
        let parent = path.parent().unwrap();
        fs::DirBuilder::new().recursive(true).mode(0o700).create(parent).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// Opens a store after something happened to it, holds it to all that it
/// promises, and returns what it stores.
fn recovered(folder: &Path) -> (GenomeStore, Vec<Digest>) {
    let store = open(folder);
    let report = store.verify().unwrap();
    assert!(report.is_sound(), "{report:?}");
    let genomes = listed(&store);
    for genome in &genomes {
        assert_eq!(Digest::of(&store.get(genome).unwrap()), *genome);
        store.describe(genome).unwrap();
    }
    let blobs: Vec<_> = fs::read_dir(folder.join("blobs/sha256"))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(blobs.len(), 3 * genomes.len(), "nothing is left over: {blobs:?}");
    assert_eq!(follow(folder), genomes, "other tools see the same");
    (store, genomes)
}

/// Reads a layout as the OCI specification says and by nothing else: index,
/// manifest, layer. Returns the digests of the components.
fn follow(folder: &Path) -> Vec<Digest> {
    let json = |path: PathBuf| serde_json::from_slice::<Value>(&fs::read(path).unwrap()).unwrap();
    let blob = |descriptor: &Value| {
        let (algorithm, hex) = descriptor["digest"].as_str().unwrap().split_once(':').unwrap();
        let path = folder.join("blobs").join(algorithm).join(hex);
        assert_eq!(fs::metadata(&path).unwrap().len(), descriptor["size"].as_u64().unwrap());
        path
    };
    assert_eq!(json(folder.join("oci-layout"))["imageLayoutVersion"], "1.0.0");
    let index = json(folder.join("index.json"));
    assert_eq!(index["schemaVersion"], 2);
    assert_eq!(index["mediaType"], "application/vnd.oci.image.index.v1+json");
    let each = |descriptor: &Value| {
        assert_eq!(descriptor["mediaType"], "application/vnd.oci.image.manifest.v1+json");
        let manifest = json(blob(descriptor));
        assert_eq!(manifest["schemaVersion"], 2);
        // It may be left out of the manifest itself.
        assert!([&Value::Null, &descriptor["mediaType"]].contains(&&manifest["mediaType"]));
        assert_eq!(manifest["config"]["mediaType"], "application/vnd.wasm.config.v0+json");
        let [layer] = manifest["layers"].as_array().unwrap().as_slice() else { panic!() };
        assert_eq!(layer["mediaType"], "application/wasm");
        let config = json(blob(&manifest["config"]));
        assert_eq!((&config["architecture"], &config["os"]), (&"wasm".into(), &"wasip2".into()));
        assert_eq!(config["layerDigests"], Value::from(vec![layer["digest"].clone()]));
        assert!(config["component"]["exports"].is_array(), "{config}");
        let digest = Digest::of(&fs::read(blob(layer)).unwrap());
        assert_eq!(layer["digest"], digest.to_string());
        assert_eq!(
            descriptor["annotations"]["org.opencontainers.image.ref.name"],
            digest.hex(),
            "the tag by which `oras` and others name it"
        );
        digest
    };
    index["manifests"].as_array().unwrap().iter().map(each).collect()
}
