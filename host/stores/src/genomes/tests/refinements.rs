//! The record of refinements: what was set stays, and its last entry says what counts.

use chimera_layer4_core::config::PartialQuota;
use chimera_layer4_core::json::Tree;
use chimera_layer4_core::refinement::{RefinedBy, Refinement, RefinementChange, RefinementEntry};
use rusqlite::Connection;
use serde_json::json;

use super::super::{NewRefinement, NextRefinement, Refinements, Standing};
use super::*;

fn by() -> RefinedBy {
    RefinedBy { author: "Ada".into(), source_layer: "5".into(), reason: "slow".into() }
}

fn new(agent_type: &str, before: Option<u64>, next: NextRefinement) -> NewRefinement {
    NewRefinement { at: Timestamp(7), agent_type: agent_type.into(), by: by(), before, next }
}

fn to(name: &str) -> Refinement {
    Refinement { route_to: Some(name.into()), ..Refinement::default() }
}

fn numbers(entries: &[RefinementEntry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.number).collect()
}

#[test]
fn what_counts_is_what_the_last_entry_says_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let record = Refinements::open(&store).unwrap();
    assert_eq!(record.standing().unwrap(), []);
    let quota = PartialQuota { max_memory_mb: Some(9), ..PartialQuota::default() };
    let parameters = BTreeMap::from([("a".to_owned(), Tree(json!({ "b": [1.5, null] })))]);
    let whole = Refinement { resource_quota: Some(quota), parameters, ..to("b") };
    let first = record.append(new("a", None, NextRefinement::Set(whole.clone()))).unwrap();
    let other = Refinement::default();
    let second = record.append(new("b", None, NextRefinement::Set(other.clone()))).unwrap();
    let third = record.append(new("a", Some(1), NextRefinement::Set(other.clone()))).unwrap();
    assert_eq!((first.number, second.number, third.number), (1, 2, 3));
    assert_eq!((third.before, third.in_force), (Some(1), Some(3)));
    let of = |agent_type: &str, in_force: &RefinementEntry, was_routed| Standing {
        agent_type: agent_type.into(),
        in_force: Some(in_force.clone()),
        was_routed,
    };
    assert_eq!(record.standing().unwrap(), [of("a", &third, true), of("b", &second, false)]);

    let back = NextRefinement::Undone(Some((1, whole.clone())));
    let fourth = record.append(new("a", Some(3), back)).unwrap();
    assert_eq!((fourth.change, fourth.before), (RefinementChange::Undone, Some(3)));
    assert_eq!((fourth.in_force, fourth.refinement.as_ref()), (Some(1), Some(&whole)));
    drop((record, store));
    let store = open(folder.path());
    let record = Refinements::open(&store).unwrap();
    assert_eq!(record.standing().unwrap(), [of("a", &first, true), of("b", &second, false)]);
    record.append(new("a", Some(1), NextRefinement::Undone(None))).unwrap();
    let none = Standing { agent_type: "a".into(), in_force: None, was_routed: true };
    assert_eq!(record.standing().unwrap(), [none, of("b", &second, false)]);

    assert_eq!(record.entry(3).unwrap(), Some(third));
    assert_eq!(record.entry(6).unwrap(), None);
    let found = |before, limit| numbers(&record.entries("a", before, limit).unwrap());
    assert_eq!(found(None, 10), [5, 4, 3, 1]);
    assert_eq!(found(None, 2), [5, 4]);
    assert_eq!(found(Some(4), 2), [3, 1]);
    assert_eq!(record.entries("a", Some(2), 1).unwrap(), [first]);
    assert_eq!(numbers(&record.entries("c", None, 10).unwrap()), [0; 0]);
}

#[test]
fn nothing_of_the_record_can_be_changed_removed_or_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let record = Refinements::open(&store).unwrap();
    let first = record.append(new("a", None, NextRefinement::Set(to("b")))).unwrap();
    let other = Connection::open(folder.path().join("refinements.db")).unwrap();
    for (sql, message) in [
        ("UPDATE entries SET at = 0", "nothing is changed"),
        ("DELETE FROM entries", "nothing is removed"),
        (
            "INSERT OR REPLACE INTO entries
             SELECT number, 0, 'c', change, '', '', '', before, in_force, routes, refinement
             FROM entries",
            "nothing is replaced",
        ),
    ] {
        let refused = other.execute(sql, []).unwrap_err().to_string();
        assert!(refused.contains(message), "{refused}");
    }
    assert_eq!(record.entries("a", None, 10).unwrap(), [first]);
}
