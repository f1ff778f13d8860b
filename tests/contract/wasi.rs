//! Guests bring the WASI 0.2 of their toolchain, whichever release that is.

use serde_json::json;

use super::{agent_of, contract_with};
use crate::handmade::Parts;
use crate::harness::{config_of, execute, fabric, settings};

/// A part of each package of WASI 0.2 that the host links.
const WASI: [(&str, &str); 7] = [
    ("cli", "interface environment { get-environment: func() -> list<tuple<string, string>>; }"),
    (
        "clocks",
        "interface monotonic-clock { use wasi:io/poll@VERSION.{pollable}; now: func() -> u64; \
         subscribe-duration: func(when: u64) -> pollable; }",
    ),
    (
        "filesystem",
        "interface types { resource descriptor; } \
         interface preopens { use types.{descriptor}; \
         get-directories: func() -> list<tuple<descriptor, string>>; }",
    ),
    (
        "http",
        "interface types { resource fields { constructor(); } \
         resource outgoing-request { constructor(headers: fields); } }",
    ),
    ("io", "interface poll { resource pollable { block: func(); } }"),
    ("random", "interface random { get-random-u64: func() -> u64; }"),
    (
        "sockets",
        "interface network { resource network; } \
         interface instance-network { use network.{network}; instance-network: func() -> network; }",
    ),
];

const INTERFACES: [&str; 7] = [
    "cli/environment",
    "clocks/monotonic-clock",
    "filesystem/preopens",
    "http/types",
    "io/poll",
    "random/random",
    "sockets/instance-network",
];

const IMPORTS: &str = r#"
  (import "wasi:cli/environment@VERSION" "get-environment" (func $environment (param i32)))
  (import "wasi:clocks/monotonic-clock@VERSION" "now" (func $now (result i64)))
  (import "wasi:clocks/monotonic-clock@VERSION" "subscribe-duration"
    (func $after (param i64) (result i32)))
  (import "wasi:filesystem/preopens@VERSION" "get-directories" (func $folders (param i32)))
  (import "wasi:http/types@VERSION" "[constructor]fields" (func $fields (result i32)))
  (import "wasi:http/types@VERSION" "[constructor]outgoing-request"
    (func $request (param i32) (result i32)))
  (import "wasi:http/types@VERSION" "[resource-drop]outgoing-request" (func $unsent (param i32)))
  (import "wasi:io/poll@VERSION" "[method]pollable.block" (func $block (param i32)))
  (import "wasi:io/poll@VERSION" "[resource-drop]pollable" (func $drop (param i32)))
  (import "wasi:random/random@VERSION" "get-random-u64" (func $random (result i64)))
  (import "wasi:sockets/instance-network@VERSION" "instance-network" (func $net (result i32)))
  (global $soon (mut i32) (i32.const 0))"#;

/// Calls each of them.
const EXECUTE: &str = "
    (call $environment (i32.const 4096))
    (if (i64.eqz (call $now)) (then (unreachable)))
    (call $folders (i32.const 4096))
    (call $unsent (call $request (call $fields)))
    (drop (call $random))
    (drop (call $net))
    (global.set $soon (call $after (i64.const 1)))
    (call $block (global.get $soon))
    (call $drop (global.get $soon))";

fn guest_of(version: &str) -> Vec<u8> {
    let wit = |name| format!("    import wasi:{name}@{version};\n");
    let imports: String = INTERFACES.iter().map(wit).collect();
    let mut texts = contract_with("import telemetry;", &format!("import telemetry;\n{imports}"));
    texts.extend(WASI.map(|(name, text)| {
        let text = format!("package wasi:{name}@VERSION; {text}").replace("VERSION", version);
        (format!("deps/{name}.wit"), text)
    }));
    let imports = IMPORTS.replace("VERSION", version);
    let parts = Parts { imports: &imports, execute: EXECUTE, ..Parts::default() };
    agent_of(&texts, "agent", "0.1.0", &parts)
}

#[tokio::test]
async fn every_release_of_wasi_0_2_links_and_runs() {
    let fabric = fabric(settings()).await;
    for patch in 0..=12 {
        let version = format!("0.2.{patch}");
        let genome = fabric.agents().load(&guest_of(&version)).await.unwrap();
        let imports = &genome.inspection().imports;
        let of_version = imports.iter().filter(|import| import.name.ends_with(&version)).count();
        assert!(of_version >= INTERFACES.len(), "{imports:?}");
        let id = fabric.agents().spawn_genome(genome, config_of(&version, |_| {})).await.unwrap();
        let result = execute(&fabric, &version, json!(1)).await;
        assert!(result.success, "{version}: {result:?}");
        fabric.agents().shutdown(id).await.unwrap();
    }
}
