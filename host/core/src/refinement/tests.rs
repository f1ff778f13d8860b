//! The rules, without a host.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::Task;
use crate::scheduler::Submission;
use crate::scheduler::submission::ASKED_FOR_LABEL;

/// Agent types with what they support, and refinements.
#[derive(Default)]
struct Host {
    types: BTreeMap<&'static str, BTreeSet<&'static str>>,
    refined: BTreeMap<&'static str, (u64, Refinement)>,
}

impl Host {
    fn of(types: &[(&'static str, &[&'static str])]) -> Self {
        let types = types.iter().map(|(name, all)| (*name, all.iter().copied().collect()));
        Self { types: types.collect(), ..Self::default() }
    }

    fn refine(&mut self, name: &'static str, refinement: Refinement) {
        let number = self.refined.len() as u64 + 1;
        self.refined.insert(name, (number, refinement));
    }
}

impl Directory for Host {
    fn is_type(&self, name: &str) -> bool {
        self.types.contains_key(name)
    }

    fn refinement(&self, name: &str) -> Option<(u64, &Refinement)> {
        self.refined.get(name).map(|(number, refinement)| (*number, refinement))
    }

    fn supporting(&self, task_type: &str, passed: &[String]) -> Option<String> {
        let supports = |(name, all): &(&&str, &BTreeSet<&str>)| {
            all.contains(task_type) && !passed.iter().any(|one| one == **name)
        };
        self.types.iter().find(supports).map(|(name, _)| (*name).to_owned())
    }
}

fn to(name: &str) -> Refinement {
    Refinement { route_to: Some(name.to_owned()), ..Refinement::default() }
}

fn task(target: &str) -> Task {
    Task {
        id: Uuid::from_u128(1).into(),
        priority: Priority::Low,
        payload: json!({ "n": 1 }).into(),
        created_at: SystemTime::UNIX_EPOCH,
        deadline: None,
        resource_quota: ResourceQuota { max_memory_mb: 64, ..ResourceQuota::default() },
        source_layer: "2".into(),
        target_agent_type: target.into(),
        metadata: BTreeMap::new(),
    }
}

fn admitted(target: &str, host: &Host) -> Task {
    let mut task = task(target);
    admit(&mut task, host);
    task
}

#[test]
fn without_a_refinement_a_task_stays_as_it_is() {
    let host = Host::of(&[("a", &["sum"])]);
    assert_eq!(admitted("a", &host), task("a"));
    assert_eq!(admitted("unknown", &host), task("unknown"));
    let sum = admitted("sum", &host);
    assert_eq!((&*sum.target_agent_type, sum.asked_for()), ("a", "sum"));
    // What the submitter put under the host's labels is gone.
    let mut claimed = task("a");
    claimed.metadata =
        [ASKED_FOR_LABEL, REFINEMENT_LABEL, "own"].map(|k| (k.into(), "x".into())).into();
    admit(&mut claimed, &host);
    assert_eq!(claimed.metadata, BTreeMap::from([("own".into(), "x".into())]));
}

#[test]
fn a_field_that_is_there_counts_in_place_of_the_submitters_and_others_stay() {
    let mut host = Host::of(&[("a", &[])]);
    host.refine("a", Refinement::default());
    let plain = admitted("a", &host);
    assert_eq!((plain.priority, &plain.resource_quota), (Priority::Low, &task("a").resource_quota));
    assert_eq!(plain.metadata[REFINEMENT_LABEL], "1");
    let quota = PartialQuota { max_execution_time_secs: Some(7), ..PartialQuota::default() };
    let refinement = Refinement {
        priority: Some(Priority::High),
        resource_quota: Some(quota),
        ..Refinement::default()
    };
    host.refine("a", refinement);
    let refined = admitted("a", &host);
    let quota = ResourceQuota { max_execution_time_secs: 7, ..task("a").resource_quota };
    assert_eq!((refined.priority, refined.resource_quota), (Priority::High, quota));
    assert_eq!(refined.target_agent_type, "a");
    assert!(!refined.metadata.contains_key(ASKED_FOR_LABEL));
}

#[test]
fn a_task_that_is_routed_is_a_submission_to_where_it_goes() {
    let mut host = Host::of(&[("a", &[]), ("b", &[]), ("c", &[])]);
    host.refine("a", Refinement { priority: Some(Priority::High), ..to("b") });
    host.refine("b", to("c"));
    let quota = PartialQuota { max_memory_mb: Some(8), ..PartialQuota::default() };
    let last = Refinement { resource_quota: Some(quota), ..Refinement::default() };
    host.refine("c", last);
    let sent = admitted("a", &host);
    assert_eq!((&*sent.target_agent_type, sent.asked_for()), ("c", "a"));
    assert_eq!((sent.priority, sent.resource_quota.max_memory_mb), (Priority::High, 8));
    assert_eq!(sent.metadata[REFINEMENT_LABEL], "1,2,3");
    // The one that comes last counts.
    host.refine("c", Refinement { priority: Some(Priority::Background), ..Refinement::default() });
    assert_eq!(admitted("a", &host).priority, Priority::Background);
    // It is the same piece of work wherever it goes.
    let of = |task| Submission::from(task).fingerprint();
    assert_eq!(of(admitted("a", &host)), of(task("a")));
}

#[test]
fn a_route_may_name_a_task_type_and_never_comes_back() {
    let mut host = Host::of(&[("a", &["sum"]), ("b", &["sum"])]);
    host.refine("a", to("sum"));
    assert_eq!(admitted("a", &host).target_agent_type, "b");
    // A task that named the task type goes on from the type that it came to.
    assert_eq!(admitted("sum", &host).target_agent_type, "b");
    host.types.remove("b");
    assert_eq!(admitted("a", &host).target_agent_type, "sum", "which no type supports");
    // A circle that no host lets in ends all the same.
    host.refine("b", to("a"));
    host.refine("a", to("b"));
    assert_eq!(admitted("a", &host).target_agent_type, "a");
    // The route of a type that is gone still counts.
    host.refine("gone", to("b"));
    host.types.insert("b", BTreeSet::new());
    host.refined.remove("b");
    assert_eq!(admitted("gone", &host).target_agent_type, "b");
}

#[test]
fn a_circle_is_found_with_its_way_and_a_dead_end_is_not_one() {
    let mut host = Host::of(&[("a", &["sum"]), ("b", &[]), ("c", &[])]);
    host.refine("b", to("c"));
    let way = |names: &[&str]| Err(names.iter().map(|name| (*name).to_owned()).collect());
    assert_eq!(circle("a", "a", &host), way(&["a", "a"]));
    assert_eq!(circle("c", "b", &host), way(&["c", "b", "c"]));
    assert_eq!(circle("a", "b", &host), Ok("c".into()));
    assert_eq!(circle("a", "none", &host), Ok("none".into()));
    assert_eq!(circle("b", "sum", &host), Ok("a".into()));
    assert_eq!(circle("a", "sum", &host), Ok("sum".into()), "it alone supports it");

    // The type that supports it sends tasks on to the same task type: none is left.
    let mut host = Host::of(&[("a", &["sum"]), ("b", &["sum"])]);
    host.refine("a", to("sum"));
    assert_eq!(circle("b", "sum", &host), Ok("sum".into()));
    let mut host = Host::of(&[("a", &["sum"]), ("b", &["sum"]), ("c", &["sum"])]);
    host.refine("a", to("sum"));
    let end = circle("b", "sum", &host);
    assert_eq!(end, Ok("c".into()));
}

#[test]
fn a_way_is_bounded() {
    let types =
        ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q"];
    let mut host = Host::of(&types.map(|name| (name, &[][..])));
    for pair in types[1..].windows(2) {
        host.refine(pair[0], to(pair[1]));
    }
    assert_eq!(circle("a", "c", &host), Ok("q".into()), "sixteen");
    let way = circle("a", "b", &host).unwrap_err();
    assert_eq!(way.len(), MOST_ON_THE_WAY + 1);
}

#[test]
fn every_field_out_of_range_is_named() {
    let most = Refinement::MOST_BYTES;
    let quota = PartialQuota { max_memory_mb: Some(0), ..PartialQuota::default() };
    let parameters = BTreeMap::from([("long".to_owned(), Tree(json!("x".repeat(most))))]);
    let wrong = Refinement {
        route_to: Some("a\nb".into()),
        priority: None,
        resource_quota: Some(quota),
        parameters,
    };
    let complaints = wrong.complaints();
    assert_eq!(complaints.len(), 3, "{complaints:?}");
    for (complaint, start) in complaints.iter().zip([
        "route_to: the name has the control character",
        "resource_quota.max_memory_mb is 0; allowed is 1 to 4096",
        "the refinement has ",
    ]) {
        assert!(complaint.starts_with(start), "{complaint}");
    }
    assert!(!format!("{wrong:?}").contains("xxx"), "{wrong:?}");
    let at_most = "x".repeat(most - r#"{"parameters":{"long":""}}"#.len());
    let parameters = BTreeMap::from([("long".to_owned(), Tree(json!(at_most)))]);
    let fits = Refinement { parameters, ..Refinement::default() };
    assert_eq!(fits.complaints(), [""; 0]);
    assert!(serde_json::from_str::<Refinement>(r#"{"prio": "high"}"#).is_err());
}

#[test]
fn who_and_why_are_bounded() {
    let by = |length: usize| RefinedBy {
        author: "a".repeat(length.min(257)),
        source_layer: "l".repeat(length.min(257)),
        reason: "r".repeat(length),
    };
    let longest = RefinedBy { reason: "r".repeat(RefinedBy::MOST_REASON_BYTES), ..by(256) };
    assert_eq!(longest.complaints(), [""; 0]);
    let complaints = by(4097).complaints();
    assert_eq!(
        complaints,
        [
            "author has 257 bytes; allowed are up to 256",
            "source_layer has 257 bytes; allowed are up to 256",
            "reason has 4097 bytes; allowed are up to 4096",
        ]
    );
}

#[test]
fn parameters_go_over_those_of_their_name() {
    let declared = BTreeMap::from([("a".to_owned(), json!(1)), ("b".to_owned(), json!(2))]);
    let own = [("b", json!(null)), ("c", json!([3]))].map(|(k, v)| (k.to_owned(), Tree(v)));
    let refinement = Refinement { parameters: own.into(), ..Refinement::default() };
    let all = [("a", json!(1)), ("b", json!(null)), ("c", json!([3]))];
    let all: BTreeMap<String, Value> = all.map(|(k, v)| (k.to_owned(), v)).into();
    assert_eq!(refinement.parameters_over(&declared), all);
    assert_eq!(RefinementSummary::of(3, &refinement).parameters, ["b", "c"]);
}
