//! What holds for every key-value store.

use std::collections::BTreeMap;
use std::sync::Arc;

use chimera_layer4::fabric::keyvalue::{
    ABSENT, Change, KeyValueError, KeyValueStore, MemoryKeyValue, Place, weight,
};
use chimera_layer4::fabric::stores::keyvalue::SqliteKeyValue;
use proptest::prelude::*;

const MOST: u64 = 1 << 20;

fn stores() -> (tempfile::TempDir, [Arc<dyn KeyValueStore>; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = SqliteKeyValue::at(folder.path().join("keyvalue.db"));
    (folder, [Arc::new(MemoryKeyValue::default()), Arc::new(sqlite)])
}

fn at(bucket: &str) -> Place<'_> {
    Place { space: "tests", bucket }
}

fn put(key: &str, value: &str) -> Change {
    Change { key: key.into(), value: Some(value.into()), expected: None }
}

/// Value and version of a key.
async fn get(store: &dyn KeyValueStore, bucket: &str, key: &str) -> Option<(Vec<u8>, u64)> {
    let found = store.read(at(bucket), &[key.into()], MOST).await.unwrap().pop().unwrap();
    found.map(|entry| (entry.value, entry.version))
}

#[tokio::test]
async fn a_change_is_whole_and_under_its_conditions() {
    let (_folder, stores) = stores();
    for store in stores {
        let store = store.as_ref();
        store.change(at("b"), vec![put("a", "1")], MOST).await.unwrap();
        let (_, version) = get(store, "b", "a").await.unwrap();
        assert_eq!(store.version(at("b"), "a").await.unwrap(), version);
        assert_eq!(store.version(at("b"), "none").await.unwrap(), ABSENT);
        let expecting = |key: &str, expected| Change { expected: Some(expected), ..put(key, "2") };
        // One of two conditions fails: neither change is made.
        let both = [expecting("a", version), expecting("c", version)];
        assert_eq!(store.change(at("b"), both.into(), MOST).await, Err(KeyValueError::Conflict));
        assert_eq!(get(store, "b", "a").await.unwrap().0, b"1");
        let both = [expecting("a", version), expecting("c", ABSENT)];
        store.change(at("b"), both.into(), MOST).await.unwrap();
        assert_eq!(get(store, "b", "c").await.unwrap().0, b"2");
        // An entry that went and came again is another.
        let (_, before) = get(store, "b", "a").await.unwrap();
        let gone = Change { value: None, ..put("a", "") };
        store.change(at("b"), vec![gone], MOST).await.unwrap();
        store.change(at("b"), vec![put("a", "2")], MOST).await.unwrap();
        let stale = [expecting("a", before)];
        assert_eq!(store.change(at("b"), stale.into(), MOST).await, Err(KeyValueError::Conflict));
    }
}

#[tokio::test]
async fn an_answer_is_bounded() {
    let (_folder, stores) = stores();
    for store in stores {
        let changes = ["a", "b"].map(|key| put(key, &"x".repeat(1000)));
        store.change(at("b"), changes.into(), MOST).await.unwrap();
        let keys = ["a".to_owned(), "b".to_owned()];
        assert_eq!(store.read(at("b"), &keys, 2000).await.unwrap().len(), 2);
        let refused = store.read(at("b"), &keys, 1999).await;
        assert_eq!(refused, Err(KeyValueError::TooMuch { most: 1999 }));
    }
}

#[tokio::test]
async fn a_file_that_is_something_else_is_left_alone_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keyvalue.db");
    std::fs::write(&path, "a letter").unwrap();
    let store = SqliteKeyValue::at(path.clone());
    let refused = store.read(at("b"), &["a".into()], MOST).await.unwrap_err().to_string();
    assert!(refused.contains("keyvalue.db is damaged or no database"), "{refused}");
    assert_eq!(std::fs::read(path).unwrap(), b"a letter");
}

/// What to do with a key, of few, in a bucket, of two.
fn changes() -> impl Strategy<Value = Vec<(bool, Vec<Change>)>> {
    let change = ("[a-d]", proptest::option::of("[a-z]{0,300}"));
    let change = change.prop_map(|(key, value)| Change {
        key,
        value: value.map(String::into_bytes),
        expected: None,
    });
    let step = (any::<bool>(), proptest::collection::vec(change, 1..4));
    proptest::collection::vec(step, 1..20)
}

#[tokio::test]
async fn a_space_is_emptied_and_the_others_stay() {
    let (_folder, stores) = stores();
    for store in stores {
        let store = store.as_ref();
        assert_eq!(store.spaces().await.unwrap(), []);
        assert_eq!(store.clear("tests").await.unwrap(), 0);
        let other = Place { space: "others", bucket: "b" };
        for (at, key) in [(at("b"), "a"), (at("c"), "a"), (other, "a")] {
            store.change(at, vec![put(key, "1")], MOST).await.unwrap();
        }
        let one = weight("b", "a", b"1");
        let both = [("others".to_owned(), one), ("tests".to_owned(), 2 * one)];
        assert_eq!(store.spaces().await.unwrap(), both);
        let (_, version) = get(store, "b", "a").await.unwrap();
        assert_eq!(store.clear("tests").await.unwrap(), 2 * one);
        assert_eq!(get(store, "b", "a").await, None);
        assert_eq!(store.bytes("tests").await.unwrap(), 0);
        assert_eq!(store.spaces().await.unwrap(), both[..1]);
        // A reader that kept the old version sees that the entry is another one.
        store.change(at("b"), vec![put("a", "1")], MOST).await.unwrap();
        assert!(get(store, "b", "a").await.unwrap().1 > version);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Both stores hold what a map would, count it alike, and refuse alike.
    #[test]
    fn stores_agree_with_a_map(steps in changes()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            const LITTLE: u64 = 1000;
            let (_folder, stores) = stores();
            for store in stores {
                let mut model: BTreeMap<(&str, String), Vec<u8>> = BTreeMap::new();
                for (other, changes) in &steps {
                    let bucket = if *other { "two" } else { "one" };
                    let mut after = model.clone();
                    for Change { key, value, .. } in changes {
                        match value {
                            Some(value) => drop(after.insert((bucket, key.clone()), value.clone())),
                            None => drop(after.remove(&(bucket, key.clone()))),
                        }
                    }
                    let bytes = |kept: &BTreeMap<(&str, String), Vec<u8>>| -> u64 {
                        kept.iter().map(|((bucket, key), value)| weight(bucket, key, value)).sum()
                    };
                    let done = store.change(at(bucket), changes.clone(), LITTLE).await;
                    if bytes(&after) > LITTLE && bytes(&after) > bytes(&model) {
                        let full = KeyValueError::Full { bytes: bytes(&after), most: LITTLE };
                        prop_assert_eq!(done, Err(full));
                    } else {
                        prop_assert_eq!(done, Ok(()));
                        model = after;
                    }
                    prop_assert_eq!(store.bytes("tests").await.unwrap(), bytes(&model));
                    for bucket in ["one", "two"] {
                        let mut keys: Vec<String> = store.keys(at(bucket), 0, 10).await.unwrap()
                            .into_iter().map(|(key, _)| key).collect();
                        keys.sort();
                        let expected: Vec<String> = model.keys()
                            .filter(|(of, _)| *of == bucket).map(|(_, key)| key.clone()).collect();
                        prop_assert_eq!(keys, expected);
                    }
                }
                for ((bucket, key), value) in &model {
                    prop_assert_eq!(get(store.as_ref(), bucket, key).await.unwrap().0, value.clone());
                }
            }
            Ok(())
        })?;
    }
}
