//! What was published stays true: an old component runs, and the present
//! contract takes all that was built for the old one.

use std::collections::BTreeSet;
use std::path::PathBuf;

use chimera_layer4::fabric::{Fabric, FabricError, Fault, HealthStatus, Priority, Task};
use serde_json::{Value, json};
use wit_component::semver_check;
use wit_parser::{PackageId, Resolve, SourceMap};

use super::{contract_with, texts};
use crate::harness::{config_of, execute, fabric, root, settings, task};

/// Which was built for chimera:agent@0.1.0, and is never built again.
const OLD: &str = "witness";

fn data(path: &str) -> PathBuf {
    root().join("tests/data").join(path)
}

fn old_agent() -> Vec<u8> {
    std::fs::read(data("agent-0.1.0/agent.wasm")).unwrap()
}

/// The same agent as another genome: sections of its own mean nothing.
fn with_a_section(mut component: Vec<u8>) -> Vec<u8> {
    component.extend_from_slice(b"\0\x05\x04next");
    component
}

async fn ends_with(fabric: &Fabric, order: &str) -> Result<Value, Fault> {
    let result = execute(fabric, OLD, json!(order)).await;
    result.fault.map_or(Ok(result.output.to_value()), Err)
}

#[tokio::test]
async fn an_agent_of_the_first_version_does_all_that_it_could() {
    assert!(old_agent().len() < 100_000);
    let fabric = fabric(settings()).await;
    let config = config_of(OLD, |config| {
        config.parameters.insert("step".into(), json!(2));
    });
    let id = fabric.agents().spawn(&old_agent(), config).await.unwrap();
    assert_eq!(fabric.agents().active()[0].capabilities.features, ["witness"]);

    let report = Box::pin(fabric.tasks().run_once(&task(OLD, json!("add")))).await.unwrap();
    assert_eq!(report.result.unwrap(), json!({ "count": 2 }));
    let told = report.telemetry;
    assert_eq!((told.spans.len(), told.spans[0].name.as_str()), (1, "add"));
    assert_eq!(told.spans[0].attributes, [("by".to_owned(), "witness".to_owned())]);
    assert_eq!((told.metrics[0].name.as_str(), told.metrics[0].value), ("added", 1.0));
    assert_eq!(told.metrics[0].labels, [("kind".to_owned(), "witness".to_owned())]);
    let progress = told.progress.unwrap();
    assert_eq!((progress.fraction, progress.message.as_deref()), (0.5, Some("half way")));
    assert_eq!(told.log[0].message, "added");

    for word in ["invalid-input", "unavailable", "failed"] {
        let report = Box::pin(fabric.tasks().run_once(&task(OLD, json!(word)))).await.unwrap();
        assert_eq!(report.result.unwrap_err().code(), word);
    }
    let health = fabric.agents().check(id).await.unwrap().health;
    assert_eq!(health.status, HealthStatus::Degraded);
    assert_eq!(health.message.as_deref(), Some("counted to 2"));

    let swapped = Box::pin(fabric.genomes().update_agent(id, with_a_section(old_agent()))).await;
    let state = serde_json::to_value(swapped.unwrap().state).unwrap();
    assert_eq!(state["bytes"], json!(4), "{state}");
    assert_eq!(ends_with(&fabric, "add").await.unwrap(), json!({ "count": 4 }));
    fabric.shutdown().await.unwrap();
}

#[tokio::test]
async fn it_is_handed_what_it_was_promised() {
    let fabric = fabric(settings()).await;
    fabric.agents().spawn(&old_agent(), config_of(OLD, |_| {})).await.unwrap();
    let mut order = Task { priority: Priority::High, ..task(OLD, json!("tell")) };
    order.metadata.insert("who".into(), "a test".into());
    let told = Box::pin(fabric.tasks().run_once(&order)).await.unwrap().result.unwrap();
    let expected = json!({
        "agent_type": OLD, "target": OLD, "priority": 1, "attempt": 1, "memory": 32,
        "metadata": { "who": "a test" },
    });
    assert_eq!(told, expected);

    let wrong = config_of(OLD, |config| {
        config.parameters.insert("step".into(), json!("two"));
    });
    match fabric.agents().spawn(&old_agent(), wrong).await.unwrap_err() {
        FabricError::AgentFault { fault, .. } => assert_eq!(fault.code(), "invalid-input"),
        other => panic!("{other}"),
    }
}

/// Adds a contract under a version of its own, since a name is there once; the
/// check looks at no versions.
fn add(resolve: &mut Resolve, texts: &[(String, String)], version: &str) -> PackageId {
    let mut files = SourceMap::default();
    for (name, text) in texts {
        let text = text.replace("chimera:agent@0.1.0", &format!("chimera:agent@{version}"));
        files.push_str(name, text);
    }
    let group = files.parse().map_err(|(_, error)| error).unwrap();
    resolve.push_group(group).unwrap()
}

/// Every function that a package has, with its interface.
fn functions(resolve: &Resolve, package: PackageId) -> BTreeSet<(&str, &str)> {
    let interfaces = resolve.packages[package].interfaces.iter();
    let functions = interfaces.flat_map(|(name, id)| {
        resolve.interfaces[*id].functions.keys().map(|function| (name.as_str(), function.as_str()))
    });
    functions.collect()
}

/// Whether what was built for the published contract fits these texts, and
/// still has all that it was promised: a host that calls less would fit too.
fn takes_what_was_published(texts_now: &[(String, String)]) -> anyhow::Result<()> {
    let mut resolve = Resolve::default();
    let old = add(&mut resolve, &texts(&data("contract-0.1.0")), "0.0.1");
    let new = add(&mut resolve, texts_now, "0.0.2");
    let (before, now) = (functions(&resolve, old), functions(&resolve, new));
    let gone: Vec<_> = before.difference(&now).collect();
    anyhow::ensure!(gone.is_empty(), "{gone:?} is gone");
    for world in ["agent", "stateful-agent"] {
        let of = |package| resolve.select_world(&[package], Some(world));
        semver_check(resolve.clone(), of(old)?, of(new)?)?;
    }
    Ok(())
}

#[test]
fn what_was_built_for_the_published_contract_fits_the_present_one() {
    takes_what_was_published(&texts(&root().join("wit"))).unwrap();
}

#[test]
fn a_change_that_would_break_it_is_found() {
    for (from, to) in [
        ("attempt: u32,", "attempt: u32, tries: u32,"),
        ("attempt: u32,", "attempt: u64,"),
        ("failed(string),", "failed(string), refused(string),"),
        ("background,", "background, idle,"),
        ("health: func()", "health: func(deep: bool)"),
        ("health: func() -> agent-health;", ""),
        ("shutdown: func()", "pause: func();\n shutdown: func()"),
        ("log: func(level: level, message: string);", ""),
        ("log: func(level: level, message: string)", "log: func(message: string)"),
        ("save: func() -> result<list<u8>, agent-error>;", ""),
        ("save: func()", "forget: func();\n save: func()"),
    ] {
        let texts = contract_with(from, to);
        assert!(takes_what_was_published(&texts).is_err(), "{from:?} became {to:?}");
    }
}

#[test]
fn a_change_that_only_adds_something_optional_is_accepted() {
    for (from, to) in [
        ("log: func(", "flush: func();\n log: func("),
        ("    import telemetry;", "    import telemetry;\n    import types;"),
        ("/// What an agent exports.", "/// Other words."),
        ("world agent {", "world later-agent { include agent; }\nworld agent {"),
    ] {
        takes_what_was_published(&contract_with(from, to)).unwrap();
    }
}
