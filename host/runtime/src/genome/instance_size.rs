//! What the engine keeps for an instance of a component, beside its memories and
//! tables: a record of fields for each of its core instances.
//!
//! A component can ask for mebibytes of such fields, and an agent for many
//! instances of it. wasmtime bounds their sum for one instance and reports it for
//! none, so it is added up here from the bytes, by the layout that
//! wasmtime-environ's `vmoffsets.rs` describes. What cannot be known, such as a
//! module that an instance exports, counts as the largest one of the component.

use wasmparser::{
    BinaryReaderError, ComponentAlias, ComponentExternalKind, ComponentInstance,
    ComponentOuterAliasKind, ComponentTypeRef, ElementItems, ExternalKind, Instance, Parser,
    Payload, TypeRef,
};

/// Fields of every record, and what the engine's own structures add to it.
const RECORD_BYTES: u64 = 1024;
/// An import; the largest kind.
const IMPORT_BYTES: u64 = 32;
/// A function that others can refer to.
const FUNCTION_BYTES: u64 = 32;
const GLOBAL_BYTES: u64 = 16;
/// A memory or a table: its field, and the engine's own record of it.
const STORAGE_BYTES: u64 = 256;
/// A segment of data or elements, or a tag.
const SEGMENT_BYTES: u64 = 16;
/// A function between components, or between one and the host.
const CANONICAL_BYTES: u64 = 64;

/// Bytes of all records of one instance of a component.
///
/// # Errors
/// The bytes are no component. Those that were validated are.
pub(super) fn of(component: &[u8]) -> Result<u64, BinaryReaderError> {
    let mut walk = Walk::default();
    for payload in Parser::new(0).parse_all(component) {
        walk.step(&payload?)?;
    }
    Ok(walk.total)
}

/// A module or component that is being read.
#[derive(Default)]
struct Scope {
    is_module: bool,
    /// Of the component's own instances, or of the module's record.
    bytes: u64,
    /// Functions that a module has and those that others can refer to.
    functions: u64,
    referred: u64,
    /// Bytes of an instance of each module and component, by index.
    modules: Vec<u64>,
    components: Vec<u64>,
}

#[derive(Default)]
struct Walk {
    scopes: Vec<Scope>,
    /// The largest module and component so far.
    largest: u64,
    total: u64,
}

impl Walk {
    fn step(&mut self, payload: &Payload<'_>) -> Result<(), BinaryReaderError> {
        match payload {
            Payload::Version { encoding, .. } => {
                let is_module = *encoding == wasmparser::Encoding::Module;
                let bytes = if is_module { RECORD_BYTES } else { 0 };
                self.scopes.push(Scope { is_module, bytes, ..Scope::default() });
            }
            Payload::End(_) => self.end(),
            Payload::InstanceSection(section) => {
                for instance in section.clone() {
                    if let Instance::Instantiate { module_index, .. } = instance? {
                        self.add(self.module(0, module_index));
                    }
                }
            }
            Payload::ComponentInstanceSection(section) => {
                for instance in section.clone() {
                    if let ComponentInstance::Instantiate { component_index, .. } = instance? {
                        self.add(self.component(0, component_index));
                    }
                }
            }
            Payload::ComponentAliasSection(section) => {
                for alias in section.clone() {
                    self.alias(&alias?);
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section.clone() {
                    match import?.ty {
                        ComponentTypeRef::Module(_) => self.name(self.largest, true),
                        ComponentTypeRef::Component(_) => self.name(self.largest, false),
                        _ => {}
                    }
                }
            }
            Payload::ComponentExportSection(section) => {
                // An export is a new name of what it exports.
                for export in section.clone() {
                    let export = export?;
                    match export.kind {
                        ComponentExternalKind::Module => {
                            self.name(self.module(0, export.index), true);
                        }
                        ComponentExternalKind::Component => {
                            self.name(self.component(0, export.index), false);
                        }
                        _ => {}
                    }
                }
            }
            Payload::ComponentCanonicalSection(section) => {
                self.add(CANONICAL_BYTES.saturating_mul(u64::from(section.count())));
            }
            other => self.module_section(other)?,
        }
        Ok(())
    }

    fn module_section(&mut self, payload: &Payload<'_>) -> Result<(), BinaryReaderError> {
        let Some(scope) = self.scopes.last_mut() else { return Ok(()) };
        let (count, each) = match payload {
            Payload::ImportSection(section) => {
                for import in section.clone().into_imports() {
                    scope.functions += u64::from(matches!(import?.ty, TypeRef::Func(_)));
                }
                (section.count(), IMPORT_BYTES)
            }
            Payload::FunctionSection(section) => {
                scope.functions += u64::from(section.count());
                (0, 0)
            }
            Payload::TableSection(section) => (section.count(), STORAGE_BYTES),
            Payload::MemorySection(section) => (section.count(), STORAGE_BYTES),
            Payload::TagSection(section) => (section.count(), SEGMENT_BYTES),
            Payload::GlobalSection(section) => {
                scope.referred += u64::from(section.count());
                (section.count(), GLOBAL_BYTES)
            }
            Payload::ExportSection(section) => {
                for export in section.clone() {
                    scope.referred += u64::from(export?.kind == ExternalKind::Func);
                }
                (0, 0)
            }
            Payload::ElementSection(section) => {
                for element in section.clone() {
                    let items = match element?.items {
                        ElementItems::Functions(functions) => functions.count(),
                        ElementItems::Expressions(_, expressions) => expressions.count(),
                    };
                    scope.referred += u64::from(items);
                }
                (section.count(), SEGMENT_BYTES)
            }
            Payload::DataSection(section) => (section.count(), SEGMENT_BYTES),
            _ => (0, 0),
        };
        self.add(each.saturating_mul(u64::from(count)));
        Ok(())
    }

    /// What was read last is whole.
    fn end(&mut self) {
        let Some(mut scope) = self.scopes.pop() else { return };
        if scope.is_module {
            // The first function may be the module's start.
            let referred = scope.functions.min(scope.referred + 1);
            scope.bytes = scope.bytes.saturating_add(FUNCTION_BYTES.saturating_mul(referred));
        }
        self.largest = self.largest.max(scope.bytes);
        if self.scopes.is_empty() {
            self.total = scope.bytes;
        }
        self.name(scope.bytes, scope.is_module);
    }

    fn add(&mut self, bytes: u64) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.bytes = scope.bytes.saturating_add(bytes);
        }
    }

    /// The innermost component has one more module or component, of so many bytes.
    fn name(&mut self, bytes: u64, is_module: bool) {
        if let Some(scope) = self.scopes.last_mut() {
            let list = if is_module { &mut scope.modules } else { &mut scope.components };
            list.push(bytes);
        }
    }

    fn alias(&mut self, alias: &ComponentAlias<'_>) {
        match *alias {
            ComponentAlias::InstanceExport { kind: ComponentExternalKind::Module, .. } => {
                self.name(self.largest, true);
            }
            ComponentAlias::InstanceExport { kind: ComponentExternalKind::Component, .. } => {
                self.name(self.largest, false);
            }
            ComponentAlias::Outer { kind, count, index } => match kind {
                ComponentOuterAliasKind::CoreModule => self.name(self.module(count, index), true),
                ComponentOuterAliasKind::Component => {
                    self.name(self.component(count, index), false);
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn module(&self, up: u32, index: u32) -> u64 {
        self.in_scope(up, index, |scope| &scope.modules)
    }

    fn component(&self, up: u32, index: u32) -> u64 {
        self.in_scope(up, index, |scope| &scope.components)
    }

    fn in_scope(&self, up: u32, index: u32, list: impl Fn(&Scope) -> &Vec<u64>) -> u64 {
        let scope = self.scopes.iter().rev().nth(up as usize);
        let bytes = scope.and_then(|scope| list(scope).get(index as usize));
        bytes.copied().unwrap_or(self.largest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(text: &str) -> u64 {
        of(&wat::parse_str(text).unwrap()).unwrap()
    }

    #[test]
    fn each_instance_has_the_records_of_its_module() {
        let module = "(core module $m (global i32 (i32.const 0)) (global i32 (i32.const 0)))";
        assert_eq!(size(&format!("(component {module})")), 0, "no instance");
        let one = size(&format!("(component {module} (core instance (instantiate $m)))"));
        assert_eq!(one, RECORD_BYTES + 2 * GLOBAL_BYTES);
        let instances = "(core instance (instantiate $m))".repeat(7);
        assert_eq!(size(&format!("(component {module} {instances})")), 7 * one);
    }

    #[test]
    fn functions_count_as_far_as_others_can_refer_to_them() {
        let module = |more: &str| {
            size(&format!(
                "(component (core module $m {} {more}) (core instance (instantiate $m)))",
                "(func)".repeat(10)
            ))
        };
        assert_eq!(module(""), RECORD_BYTES + FUNCTION_BYTES);
        let exported = module(r#"(export "a" (func 0)) (export "b" (func 1))"#);
        assert_eq!(exported, RECORD_BYTES + 3 * FUNCTION_BYTES);
        let in_table =
            module("(table 100 funcref) (elem (i32.const 0) func 0 1 2 3 4 5 6 7 8 9 1 2 3)");
        let storage = STORAGE_BYTES + SEGMENT_BYTES;
        assert_eq!(in_table, RECORD_BYTES + storage + 10 * FUNCTION_BYTES);
    }

    #[test]
    fn nested_components_and_aliases_multiply() {
        let text = r#"(component
            (core module $m (memory 1))
            (component $inner
                (alias outer 1 $m (core module $mine))
                (core instance (instantiate $mine))
                (core instance (instantiate $mine)))
            (component $outer
                (alias outer 1 $inner (component $its))
                (instance (instantiate $its))
                (instance (instantiate $its)))
            (instance (instantiate $outer))
            (instance (instantiate $inner)))"#;
        assert_eq!(size(text), 6 * (RECORD_BYTES + STORAGE_BYTES));
    }

    #[test]
    fn what_is_not_known_counts_as_the_largest() {
        let text = r#"(component
            (core module $small)
            (core module $large (memory 1))
            (component $giver (core module $given) (export "it" (core module $given)))
            (instance $gives (instantiate $giver))
            (alias export $gives "it" (core module $got))
            (core instance (instantiate $got)))"#;
        assert_eq!(size(text), RECORD_BYTES + STORAGE_BYTES);
    }
}
