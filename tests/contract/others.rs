//! Components of other versions and other worlds.

use chimera_layer4::fabric::Refusal;
use serde_json::json;

use super::{agent_of, checked, contract_with, refused, texts};
use crate::handmade::{Parts, componentize};
use crate::harness::{config_of, execute, fabric, root, settings, task};

const BUILD: &str = "build it against the contract that `chimera wit` prints";

fn of_version(version: &str, parts: &Parts<'_>) -> Vec<u8> {
    agent_of(&texts(&root().join("wit")), "agent", version, parts)
}

/// Logs "null", the output, which lies at 2048.
const LOGS: Parts<'_> = Parts {
    imports: r#"(import "chimera:agent/telemetry@0.1.0" "log" (func $log (param i32 i32 i32)))"#,
    fields: "",
    init: "",
    execute: "(call $log (i32.const 2) (i32.const 2048) (i32.const 4))",
    output: "",
};

#[tokio::test]
async fn a_later_patch_version_runs_and_is_heard() {
    let bytes = of_version("0.1.7", &LOGS);
    let fabric = fabric(settings()).await;
    let genome = fabric.agents().load(&bytes).await.unwrap();
    assert_eq!(genome.inspection().contract, "0.1.7");
    fabric.agents().spawn_genome(genome, config_of("later", |_| {})).await.unwrap();
    let report = Box::pin(fabric.tasks().run_once(&task("later", json!(1)))).await.unwrap();
    assert_eq!(report.result.unwrap(), json!(null));
    assert_eq!(report.telemetry.log[0].message, "null");
}

#[tokio::test]
async fn a_later_patch_version_may_carry_state() {
    let name = "chimera:agent/state@0.1.0";
    let state = format!(
        r#"(func (export "{name}#save") (result i32) (i32.const 16))
           (func (export "{name}#restore") (param i32 i32) (result i32) (i32.const 16))"#
    );
    let parts = Parts { fields: &state, ..Parts::default() };
    let bytes = agent_of(&texts(&root().join("wit")), "stateful-agent", "0.1.7", &parts);
    let genome = fabric(settings()).await.agents().load(&bytes).await.unwrap();
    assert!(genome.offers_state());
}

#[test]
fn what_a_later_version_added_is_named_where_it_is_used() {
    let later = contract_with("log: func(", "flush: func();\n log: func(");
    let uses = Parts {
        imports: r#"(import "chimera:agent/telemetry@0.1.0" "flush" (func $flush))"#,
        execute: "(call $flush)",
        ..Parts::default()
    };
    refused(
        &agent_of(&later, "agent", "0.1.7", &uses),
        &format!(
            "it imports `telemetry.flush` of chimera:agent@0.1.7, which this host's 0.1.0 has not: \
             run it on a newer host, or {BUILD}"
        ),
    );
    let unused = agent_of(&later, "agent", "0.1.7", &LOGS);
    assert_eq!(checked(&unused).code, 0);

    let later = contract_with(
        "world agent {",
        "interface memory { recall: func(); }\nworld agent {\n import memory;",
    );
    let uses = Parts {
        imports: r#"(import "chimera:agent/memory@0.1.0" "recall" (func $recall))"#,
        execute: "(call $recall)",
        ..Parts::default()
    };
    refused(
        &agent_of(&later, "agent", "0.1.7", &uses),
        &format!(
            "it imports `memory` of chimera:agent@0.1.7, which this host's 0.1.0 has not: run it on \
             a newer host, or {BUILD}"
        ),
    );
}

#[test]
fn an_import_of_the_contract_that_differs_is_refused_with_its_place() {
    let changed = contract_with("log: func(level: level,", "log: func(level: u32,");
    refused(
        &agent_of(&changed, "agent", "0.1.0", &LOGS),
        "interface `telemetry`: function `log`, parameter level is `u32`, expected enum `level`",
    );
}

#[test]
fn another_version_is_refused_as_newer_or_older() {
    for (version, than) in [
        ("0.2.0", "newer"),
        ("1.0.0", "newer"),
        ("0.1.1-draft", "newer"),
        ("0.1.0-draft", "older"),
        ("0.0.9", "older"),
    ] {
        let next = if than == "newer" { "run it on a newer host, or " } else { "" };
        refused(
            &of_version(version, &LOGS),
            &format!(
                "it is built for chimera:agent@{version}, which is {than} than this host's 0.1.0: \
                 {next}{BUILD}"
            ),
        );
    }
}

/// A component with one export, which is a function without parameters.
fn other_world(wit: &str, world: &str, export: &str, params: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("other.wit"), wit).unwrap();
    let text = format!(r#"(module (func (export "{export}") {params} (unreachable)))"#);
    componentize(wat::parse_str(text).unwrap(), folder.path(), world)
}

#[test]
fn a_program_and_an_http_handler_are_refused_with_what_they_are() {
    let wit = "package wasi:cli@0.2.6; interface run { run: func() -> result; } \
               world command { export run; }";
    let program = other_world(wit, "command", "wasi:cli/run@0.2.6#run", "(result i32)");
    refused(
        &program,
        "it is a command-line program, which exports wasi:cli/run@0.2.6, and an agent exports \
         `chimera:agent/lifecycle`: `chimera agent new` makes a project of one",
    );
    let wit = "package wasi:http@0.2.6; interface types { resource request; resource outparam; } \
               interface incoming-handler { use types.{request, outparam}; \
               handle: func(request: request, out: outparam); } \
               world proxy { import types; export incoming-handler; }";
    let handle = "wasi:http/incoming-handler@0.2.6#handle";
    refused(
        &other_world(wit, "proxy", handle, "(param i32 i32)"),
        "it is an HTTP handler, which exports wasi:http/incoming-handler@0.2.6, and an agent \
         exports `chimera:agent/lifecycle`: `chimera agent new` makes a project of one",
    );
}

#[test]
fn an_unknown_world_is_refused_with_what_it_exports() {
    let wit = "package other:tool; world other { export work: func(); }";
    refused(
        &other_world(wit, "other", "work", ""),
        &format!("interface `chimera:agent/lifecycle` is not exported, only work: {BUILD}"),
    );
    let empty = wat::parse_str("(component)").unwrap();
    refused(
        &empty,
        &format!(
            "interface `chimera:agent/lifecycle` is not exported, and nothing else is: {BUILD}"
        ),
    );
}

#[tokio::test]
async fn exports_that_no_contract_knows_are_left_alone() {
    let more = contract_with(
        "export lifecycle;",
        "export lifecycle;\n export exports: interface { run: func(); }\n export init: func() -> u32;",
    );
    let fields =
        r#"(func (export "exports#run")) (func (export "init") (result i32) (i32.const 1))"#;
    let bytes = agent_of(&more, "agent", "0.1.0", &Parts { fields, ..Parts::default() });
    let fabric = fabric(settings()).await;
    let genome = fabric.agents().load(&bytes).await.unwrap();
    assert_eq!(genome.inspection().exports.len(), 3, "{:?}", genome.inspection().exports);
    fabric.agents().spawn_genome(genome, config_of("more", |_| {})).await.unwrap();
    assert!(execute(&fabric, "more", json!(1)).await.success);
}

#[tokio::test]
async fn one_that_serves_two_contracts_runs_by_the_one_that_is_known() {
    let two = [
        contract_with(
            "export lifecycle;",
            "export lifecycle;\n export chimera:agent/lifecycle@0.2.0;",
        ),
        vec![(
            "deps/next.wit".to_owned(),
            "package chimera:agent@0.2.0; interface lifecycle { begin: func(); }".to_owned(),
        )],
    ];
    let fields = r#"(func (export "chimera:agent/lifecycle@0.2.0#begin"))"#;
    let bytes = agent_of(&two.concat(), "agent", "0.1.0", &Parts { fields, ..Parts::default() });
    let fabric = fabric(settings()).await;
    fabric.agents().spawn(&bytes, config_of("both", |_| {})).await.unwrap();
    assert!(execute(&fabric, "both", json!(1)).await.success);
}

#[tokio::test]
async fn an_import_from_another_wasi_is_refused_by_name() {
    for (interface, version) in
        [("wasi:cli/environment", "0.3.0"), ("wasi:keyvalue/store", "0.2.0")]
    {
        let (package, name) = interface.split_once('/').unwrap();
        let import = format!("import telemetry;\n    import {interface}@{version};");
        let mut texts = contract_with("import telemetry;", &import);
        let wit = format!("package {package}@{version}; interface {name} {{ ask: func(); }}");
        texts.push(("deps/other.wit".into(), wit));
        let imports = format!(r#"(import "{interface}@{version}" "ask" (func $ask))"#);
        let parts = Parts { imports: &imports, execute: "(call $ask)", ..Parts::default() };
        let bytes = agent_of(&texts, "agent", "0.1.0", &parts);
        refused(
            &bytes,
            &format!(
                "the component imports {interface}@{version}, which this host does not offer; build \
                 it without that import, or for WASI 0.2 if it is of another"
            ),
        );
        let refusal = fabric(settings()).await.agents().load(&bytes).await.unwrap_err();
        let chimera_layer4::fabric::FabricError::Refused(refusal) = refusal else {
            panic!("{refusal}")
        };
        assert!(matches!(refusal, Refusal::NotGranted { .. }));
    }
}
