//! Layouts that other tools wrote, here by hand.

use serde_json::json;

use super::super::read_layout;
use super::*;

/// An OCI layout, made without anything of the store's.
struct Foreign(tempfile::TempDir);

impl Foreign {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("blobs/sha256")).unwrap();
        fs::write(folder.path().join("oci-layout"), r#"{ "imageLayoutVersion": "1.0.0" }"#)
            .unwrap();
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn blob(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = Digest::of(bytes);
        fs::write(self.path().join("blobs/sha256").join(digest.hex()), bytes).unwrap();
        json!({ "mediaType": media_type, "digest": digest.to_string(), "size": bytes.len() })
    }

    fn manifest(&self, layers: &[Value], tag: &str) -> Value {
        let digests: Vec<_> = layers.iter().map(|layer| &layer["digest"]).collect();
        let config = json!({
            "created": "2024-02-29T12:00:00.5+00:00", "author": "Grace", "architecture": "wasm",
            "os": "wasip2", "layerDigests": digests,
            "component": { "exports": ["a:b/c"], "imports": [], "target": "a:b/world" },
        });
        let config = config.to_string();
        let config = self.blob("application/vnd.wasm.config.v0+json", config.as_bytes());
        let manifest = json!({
            "schemaVersion": 2, "config": config, "layers": layers, "annotations": null,
        });
        let mut manifest = self.blob(
            "application/vnd.oci.image.manifest.v1+json",
            serde_json::to_string_pretty(&manifest).unwrap().as_bytes(),
        );
        manifest["annotations"] = json!({ "org.opencontainers.image.ref.name": tag });
        manifest
    }

    fn index(&self, manifests: &[Value]) {
        let index = json!({ "schemaVersion": 2, "manifests": manifests });
        fs::write(self.path().join("index.json"), index.to_string()).unwrap();
    }

    fn component(&self, name: &str, tag: &str) -> Value {
        self.manifest(&[self.blob("application/wasm", &component(name))], tag)
    }
}

const NOW: Timestamp = Timestamp(1);

#[test]
fn a_genome_is_taken_from_another_layout_by_tag_or_digest() {
    let foreign = Foreign::new();
    let [one, two] = ["one", "two"].map(|name| foreign.component(name, name));
    let by_digest = one["digest"].as_str().unwrap().to_owned();
    foreign.index(&[one.clone(), two]);
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let import = |reference| {
        let (component, about) = read_layout(foreign.path(), reference, NOW, MAX_BYTES)?;
        store.put(&component, &about)
    };

    let put = import(Some("two")).unwrap();
    assert!(put.new && put.digest == Digest::of(&component("two")));
    let (_, told) = store.describe(&put.digest).unwrap();
    assert_eq!((told.author.as_deref(), told.exports), (Some("Grace"), vec!["a:b/c".into()]));
    assert_eq!(told.created, Timestamp(1_709_208_000_500));
    assert_eq!(told.source, Some(format!("oci:{}:two", foreign.path().display())));

    assert_eq!(import(Some(&by_digest)).unwrap().digest, Digest::of(&component("one")));
    let refused = import(None).unwrap_err().to_string();
    assert!(refused.contains("2 manifests answer; name one of one, two"), "{refused}");
    let refused = import(Some("three")).unwrap_err().to_string();
    assert!(refused.contains(r#"no "three"; name one of one, two"#), "{refused}");
    foreign.index(&[one]);
    assert!(!import(None).unwrap().new, "the only one needs no name");
}

#[test]
fn what_is_no_single_whole_component_is_refused() {
    let foreign = Foreign::new();
    let read =
        |max_bytes| read_layout(foreign.path(), None, NOW, max_bytes).map(|(bytes, _)| bytes);
    let refused = |message: &str| {
        let refused = read(MAX_BYTES).unwrap_err();
        assert_eq!(refused.code(), "oci-layout-unusable");
        assert!(refused.to_string().contains(message), "{refused}");
    };
    refused("index.json cannot be read");
    foreign.index(&[]);
    refused("it is empty");

    let layer = foreign.blob("application/wasm", &component("a"));
    foreign.index(&[foreign.manifest(&[layer.clone(), layer.clone()], "t")]);
    refused("2 layers (application/wasm, application/wasm); a genome has");
    let tar = foreign.blob("application/vnd.oci.image.layer.v1.tar", b"tar");
    foreign.index(&[foreign.manifest(&[tar], "t")]);
    refused("1 layers (application/vnd.oci.image.layer.v1.tar)");
    foreign.index(&[foreign.blob("application/vnd.oci.image.index.v1+json", b"{}")]);
    refused("missing field `manifests`");
    let odd = foreign.blob("application/vnd.docker.distribution.manifest.v2+json", b"{}");
    foreign.index(&[odd]);
    refused("a genome has a \"application/vnd.oci.image.manifest.v1+json\"");

    let manifest = foreign.component("a", "t");
    foreign.index(std::slice::from_ref(&manifest));
    assert_eq!(read(MAX_BYTES).unwrap(), component("a"));
    assert_eq!(read(3).unwrap_err().code(), "genome-too-large");
    fs::write(foreign.path().join("blobs/sha256").join(Digest::of(&component("a")).hex()), "b")
        .unwrap();
    refused("is damaged");
    let mut lying = foreign.component("a", "t");
    lying["size"] = json!(1_u64 << 40);
    foreign.index(&[lying]);
    refused("should have 1099511627776 bytes; up to 262144 are read");
    for digest in ["sha256:../../../../etc/passwd", "sha512:00", "/etc/passwd"] {
        let mut lying = manifest.clone();
        lying["digest"] = json!(digest);
        foreign.index(&[lying]);
        refused("is not a digest");
    }
    fs::write(foreign.path().join("oci-layout"), r#"{"imageLayoutVersion":"9"}"#).unwrap();
    refused(r#"its version is "9""#);
}

#[test]
fn what_another_tool_puts_into_the_store_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let ours = put(&store, "ours");
    let foreign = Foreign::new();
    let theirs = foreign.component("theirs", "v1");
    // As `oras` does: blobs first, then the index, written its own way.
    write(
        folder.path(),
        &files(foreign.path()).into_iter().filter(|f| f.0.starts_with("blobs")).collect(),
    );
    let path = folder.path().join("index.json");
    let mut index: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    index["manifests"].as_array_mut().unwrap().push(theirs);
    fs::write(&path, index.to_string()).unwrap();

    let both = sorted([ours, Digest::of(&component("theirs"))]);
    assert_eq!(listed(&store), both);
    put(&store, "more");
    assert_eq!(listed(&store).len(), 3);
    drop(store);
    assert_eq!(recovered(folder.path()).1.len(), 3);
}

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

impl Foreign {
    /// An index in the index, under a tag.
    fn nested(&self, manifests: &[Value], tag: &str) -> Value {
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests });
        let mut index = self.blob(INDEX, index.to_string().as_bytes());
        index["annotations"] = json!({ "org.opencontainers.image.ref.name": tag });
        index
    }

    /// What is read under a reference: the component, or why there is none.
    fn read(&self, reference: Option<&str>) -> Result<Vec<u8>, String> {
        let read = read_layout(self.path(), reference, NOW, MAX_BYTES);
        read.map(|(bytes, _)| bytes).map_err(|error| error.to_string())
    }
}

fn digest(descriptor: &Value) -> &str {
    descriptor["digest"].as_str().unwrap()
}

fn untagged(mut descriptor: Value) -> Value {
    descriptor.as_object_mut().unwrap().remove("annotations");
    descriptor
}

#[test]
fn a_manifest_may_be_in_an_index_of_the_index() {
    let foreign = Foreign::new();
    let one = untagged(foreign.component("one", ""));
    let inner = foreign.nested(std::slice::from_ref(&one), "inner");
    let outer = foreign.nested(std::slice::from_ref(&inner), "v1");
    foreign.index(std::slice::from_ref(&outer));
    let names = [None, Some("v1"), Some("inner"), Some(digest(&one)), Some(digest(&outer))];
    for name in names.into_iter().chain([Some(digest(&inner))]) {
        assert_eq!(foreign.read(name), Ok(component("one")), "{name:?}");
    }

    // With another component in it, each is named by what means only this one.
    let two = untagged(foreign.component("two", ""));
    foreign.index(&[foreign.nested(&[one.clone(), two.clone()], "v1")]);
    let refused = foreign.read(Some("v1")).unwrap_err();
    let names = format!("2 manifests answer; name one of {}, {}", digest(&one), digest(&two));
    assert!(refused.contains(&names), "{refused}");
    assert_eq!(foreign.read(Some(digest(&two))), Ok(component("two")));

    // A description of a component is none.
    let about = foreign.blob("application/vnd.in-toto+json", b"{}");
    let about = untagged(foreign.manifest(&[about], ""));
    foreign.index(&[foreign.nested(&[about, two.clone()], "v1")]);
    assert_eq!(foreign.read(Some("v1")), Ok(component("two")));

    // A damaged one does not matter unless it is asked for.
    let damaged = foreign.nested(&[], "damaged");
    let hex = digest(&damaged).trim_start_matches("sha256:");
    fs::write(foreign.path().join("blobs/sha256").join(hex), "{").unwrap();
    foreign.index(&[
        damaged,
        foreign.nested(std::slice::from_ref(&two), "v1"),
        foreign.component("three", "v3"),
    ]);
    assert_eq!(foreign.read(Some("v3")), Ok(component("three")));
    assert_eq!(foreign.read(Some(digest(&two))), Ok(component("two")));
    assert!(foreign.read(Some("damaged")).unwrap_err().contains("is damaged"));
    assert!(foreign.read(Some("none")).unwrap_err().contains("is damaged"));
}

#[test]
fn two_tags_on_one_manifest_are_one_manifest() {
    let foreign = Foreign::new();
    let (v1, latest) = (foreign.component("one", "v1"), foreign.component("one", "latest"));
    assert_eq!(digest(&v1), digest(&latest));
    foreign.index(&[v1.clone(), latest.clone()]);
    for name in [None, Some("v1"), Some("latest"), Some(digest(&v1))] {
        assert_eq!(foreign.read(name), Ok(component("one")), "{name:?}");
    }
    // One tag on two manifests says neither: they are named by their digests.
    let other = foreign.component("two", "v1");
    foreign.index(&[v1.clone(), other.clone()]);
    let refused = foreign.read(Some("v1")).unwrap_err();
    assert!(refused.contains(digest(&v1)) && refused.contains(digest(&other)), "{refused}");
}

#[test]
fn a_digest_of_another_kind_hinders_no_other_component() {
    let foreign = Foreign::new();
    let mut other = foreign.component("other", "other");
    other["digest"] = json!(format!("sha512:{}", "0".repeat(128)));
    foreign.index(&[other, foreign.component("one", "v1")]);
    assert_eq!(foreign.read(Some("v1")), Ok(component("one")));
    assert_eq!(foreign.read(None), Ok(component("one")));
    assert!(foreign.read(Some("other")).unwrap_err().contains("is not a digest"));
}

#[test]
fn indexes_without_end_are_not_read_to_it() {
    let foreign = Foreign::new();
    let mut index = untagged(foreign.component("one", ""));
    for _ in 0..65 {
        index = foreign.nested(&[index], "v1");
    }
    foreign.index(&[index]);
    assert!(foreign.read(Some("v1")).unwrap_err().contains("more than 64 indexes"));
}
