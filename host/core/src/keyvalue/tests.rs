//! What the store in memory promises, as any other store must.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;

use super::*;

const AT: Place<'static> = Place { space: "echo", bucket: "notes" };
const ROOM: u64 = 10_000;

/// This store never waits, so that one poll is all of a call.
fn now<T>(call: impl Future<Output = T>) -> T {
    match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("the store in memory waits"),
    }
}

fn set(key: &str, value: &[u8]) -> Change {
    Change::set(key.into(), value.into())
}

fn change(store: &MemoryKeyValue, changes: Vec<Change>) -> Result<(), KeyValueError> {
    now(store.change(AT, changes, ROOM))
}

fn read(store: &MemoryKeyValue, keys: &[&str]) -> Vec<Option<Vec<u8>>> {
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    let entries = now(store.read(AT, &keys, ROOM)).unwrap();
    entries.into_iter().map(|entry| entry.map(|entry| entry.value)).collect()
}

#[test]
fn an_entry_counts_for_its_names_its_value_and_a_hundred() {
    assert_eq!(weight("", "", b""), 100);
    assert_eq!(weight("ab", "cde", b"fghi"), 109);
    assert_eq!(weight("ü", "", b""), 102, "bytes, not characters");
}

/// What is over its bound already may shrink, so that an agent can free what it needs.
#[test]
fn only_what_grows_past_the_bound_is_refused() {
    for (before, bytes, most, fits) in [
        (0, 10, 10, true),
        (0, 11, 10, false),
        (10, 11, 10, false),
        (20, 19, 10, true),
        (20, 20, 10, true),
        (20, 21, 10, false),
        (0, 0, 0, true),
    ] {
        let answer = check_room(before, bytes, most);
        let expected = if fits { Ok(()) } else { Err(KeyValueError::Full { bytes, most }) };
        assert_eq!(answer, expected, "{before} {bytes} {most}");
    }
}

#[test]
fn keys_are_read_in_the_order_that_was_asked() {
    let store = MemoryKeyValue::default();
    assert_eq!(read(&store, &["a"]), [None]);
    change(&store, vec![set("a", b"1"), set("b", b"22")]).unwrap();
    let all = read(&store, &["b", "x", "a", "b"]);
    assert_eq!(all, [Some(b"22".into()), None, Some(b"1".into()), Some(b"22".into())]);
    change(&store, vec![Change::delete("a".into()), set("b", b"3")]).unwrap();
    assert_eq!(read(&store, &["a", "b"]), [None, Some(b"3".into())]);
}

#[test]
fn an_answer_is_bounded_by_its_values() {
    let store = MemoryKeyValue::default();
    change(&store, vec![set("a", b"123"), set("b", b"45")]).unwrap();
    let ask = |keys: &[&str], most| {
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        now(store.read(AT, &keys, most)).map(|entries| entries.len())
    };
    assert_eq!(ask(&["a", "b", "x"], 5), Ok(3));
    assert_eq!(ask(&["a", "b"], 4), Err(KeyValueError::TooMuch { most: 4 }));
    assert_eq!(ask(&["b", "b"], 4), Ok(2));
    assert_eq!(ask(&[], 0), Ok(0));
}

#[test]
fn a_change_is_made_as_a_whole_or_not_at_all() {
    let store = MemoryKeyValue::default();
    let first = Change { expected: Some(ABSENT), ..set("a", b"1") };
    change(&store, vec![first.clone()]).unwrap();
    assert_eq!(change(&store, vec![set("b", b"2"), first]), Err(KeyValueError::Conflict));
    assert_eq!(read(&store, &["a", "b"]), [Some(b"1".into()), None]);

    let version = now(store.version(AT, "a")).unwrap();
    assert_ne!(version, ABSENT);
    assert_eq!(now(store.version(AT, "b")), Ok(ABSENT));
    let again = Change { expected: Some(version), ..set("a", b"2") };
    change(&store, vec![again.clone()]).unwrap();
    assert_eq!(change(&store, vec![again]), Err(KeyValueError::Conflict), "it was changed");
    assert!(now(store.version(AT, "a")).unwrap() > version);
}

#[test]
fn a_version_is_never_given_twice() {
    let store = MemoryKeyValue::default();
    let version = |key| now(store.version(AT, key)).unwrap();
    change(&store, vec![set("a", b"1"), set("b", b"1")]).unwrap();
    let before = version("a").max(version("b"));
    assert_ne!(version("a"), version("b"));
    change(&store, vec![Change::delete("a".into())]).unwrap();
    change(&store, vec![set("a", b"1")]).unwrap();
    assert!(version("a") > before);
}

#[test]
fn of_a_key_that_is_named_twice_the_last_counts() {
    let store = MemoryKeyValue::default();
    change(&store, vec![set("a", b"long"), Change::delete("b".into()), set("a", b"s")]).unwrap();
    assert_eq!(read(&store, &["a"]), [Some(b"s".into())]);
    assert_eq!(now(store.bytes("echo")), Ok(weight("notes", "a", b"s")));
}

#[test]
fn what_does_not_fit_changes_nothing() {
    let store = MemoryKeyValue::default();
    let most = weight("notes", "a", b"12");
    let fill = |value: &[u8]| now(store.change(AT, vec![set("a", value)], most));
    assert_eq!(fill(b"12"), Ok(()));
    let full = KeyValueError::Full { bytes: most + 1, most };
    assert_eq!(fill(b"123"), Err(full));
    assert_eq!(read(&store, &["a"]), [Some(b"12".into())]);
    // The bound was lowered meanwhile: less is kept, and that is no mistake.
    assert_eq!(now(store.change(AT, vec![set("a", b"1")], 0)), Ok(()));
    assert_eq!(now(store.bytes("echo")), Ok(most - 1));
}

#[test]
fn a_list_goes_on_after_the_last_version_that_was_seen() {
    let store = MemoryKeyValue::default();
    change(&store, vec![set("b", b"1")]).unwrap();
    change(&store, vec![set("a", b"1")]).unwrap();
    change(&store, vec![set("c", b"1")]).unwrap();
    let page = |after, limit| now(store.keys(AT, after, limit)).unwrap();
    let names =
        |page: &[(String, u64)]| page.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>();
    let all = page(0, 10);
    assert_eq!(names(&all), ["b", "a", "c"]);
    assert_eq!(page(0, 2), all[..2]);
    assert_eq!(page(all[0].1, 10), all[1..]);
    assert_eq!(page(all[2].1, 10), []);
    for (key, version) in &all {
        assert_eq!(now(store.version(AT, key)), Ok(*version));
    }
    assert_eq!(now(store.keys(Place { bucket: "other", ..AT }, 0, 10)), Ok(vec![]));
}

#[test]
fn owners_and_buckets_do_not_see_each_other() {
    let store = MemoryKeyValue::default();
    let elsewhere = [Place { space: "other", ..AT }, Place { bucket: "other", ..AT }];
    change(&store, vec![set("a", b"1")]).unwrap();
    for place in elsewhere {
        assert_eq!(now(store.version(place, "a")), Ok(ABSENT));
        now(store.change(place, vec![set("a", b"22")], ROOM)).unwrap();
    }
    assert_eq!(read(&store, &["a"]), [Some(b"1".into())]);
    let (one, two) = (weight("notes", "a", b"1"), weight("notes", "a", b"22"));
    assert_eq!(now(store.bytes("echo")), Ok(one + two));
    let spaces = vec![("echo".to_owned(), one + two), ("other".to_owned(), two)];
    assert_eq!(now(store.spaces()), Ok(spaces));
}

#[test]
fn an_owner_that_keeps_nothing_is_not_listed() {
    let store = MemoryKeyValue::default();
    change(&store, vec![set("a", b"1")]).unwrap();
    change(&store, vec![Change::delete("a".into()), Change::delete("x".into())]).unwrap();
    assert_eq!((now(store.spaces()), now(store.bytes("echo"))), (Ok(vec![]), Ok(0)));

    change(&store, vec![set("a", b"123")]).unwrap();
    assert_eq!(now(store.clear("echo")), Ok(weight("notes", "a", b"123")));
    assert_eq!(now(store.clear("echo")), Ok(0));
    assert_eq!(read(&store, &["a"]), [None]);
}

proptest! {
    /// However keys are set and removed, an owner's bytes are those of what is there.
    #[test]
    fn bytes_are_those_of_the_entries(
        steps in prop::collection::vec(prop::collection::vec(("[a-d]", prop::option::of(0..40_usize)), 1..4), 1..20),
    ) {
        let store = MemoryKeyValue::default();
        let mut kept = std::collections::BTreeMap::new();
        for step in steps {
            let changes = step.iter().map(|(key, length)| Change {
                key: key.clone(),
                value: length.map(|length| vec![0; length]),
                expected: None,
            });
            let changed = now(store.change(AT, changes.collect(), 350));
            let mut after = kept.clone();
            for (key, length) in step {
                match length {
                    Some(length) => drop(after.insert(key, length)),
                    None => drop(after.remove(&key)),
                }
            }
            let bytes = |kept: &std::collections::BTreeMap<String, usize>| {
                kept.iter().map(|(key, length)| weight("notes", key, &vec![0; *length])).sum::<u64>()
            };
            let full = bytes(&after) > 350 && bytes(&after) > bytes(&kept);
            prop_assert_eq!(changed.is_err(), full);
            if !full {
                kept = after;
            }
            prop_assert_eq!(now(store.bytes("echo")), Ok(bytes(&kept)));
        }
    }
}
