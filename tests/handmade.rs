//! Components made by hand from WebAssembly text: what no toolchain would
//! produce.

use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::harness::root;

/// The parts of a hand-made agent that a test replaces.
#[derive(Default)]
pub(crate) struct Parts<'a> {
    /// Imports of the core module.
    pub(crate) imports: &'a str,
    /// Fields of the core module: more memories, tables, functions.
    pub(crate) fields: &'a str,
    /// What `init` does before it returns well.
    pub(crate) init: &'a str,
    /// What `execute-task` does before it returns the text of `output`.
    pub(crate) execute: &'a str,
    /// What `execute-task` returns; `null` when it is empty.
    pub(crate) output: &'a str,
}

/// An agent that meets the contract, as a component.
pub(crate) fn agent(parts: &Parts<'_>) -> Vec<u8> {
    let module = wat::parse_str(module(parts)).expect("the text is WebAssembly");
    componentize(module, &root().join("wit"), "agent")
}

/// Turns a core module into a component of a world.
pub(crate) fn componentize(mut module: Vec<u8>, wit: &Path, world: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(wit).unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

/// The canonical ABI by hand: results are pointers into memory, and memory of
/// zeros reads as success, no list, no option.
pub(crate) fn module(parts: &Parts<'_>) -> String {
    let output = if parts.output.is_empty() { "null" } else { parts.output };
    let escaped: String = output.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    let length: String =
        (output.len() as u32).to_le_bytes().iter().map(|byte| format!("\\{byte:02x}")).collect();
    let Parts { imports, fields, init, execute, .. } = parts;
    let name = "chimera:agent/lifecycle@0.1.0";
    format!(
        r#"(module
  {imports}
  (memory (export "memory") 1)
  (global $free (mut i32) (i32.const 8192))
  (data (i32.const 1032) "\00\08\00\00{length}")
  (data (i32.const 2048) "{escaped}")
  {fields}
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
    (global.set $free (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (func (export "{name}#init")
    (param i32 i32 i32 i32 f64 i64 i64 i32 f64 i32 i32 i32 i32) (result i32)
    {init}
    (global.set $free (i32.const 8192))
    (i32.const 16))
  (func (export "{name}#capabilities") (result i32) (i32.const 512))
  (func (export "{name}#execute-task") (param i32) (result i32)
    {execute}
    (global.set $free (i32.const 8192))
    (i32.const 1024))
  (func (export "{name}#health") (result i32) (i32.const 16))
  (func (export "{name}#shutdown") (result i32) (i32.const 16)))"#
    )
}
