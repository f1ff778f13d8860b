//! Compares a type of the contract with what a component has in its place.
//!
//! Types are compared by shape, as the component model does: the name of a
//! record does not matter, the names and order of its fields do. Every
//! difference is reported with the path to it, so that an author can correct
//! all of them at once.

use wit_parser::{Handle, Resolve, Type, TypeDefKind};

/// Where a type is looked up.
type In<'a> = (&'a Resolve, Type);

/// Nesting beyond this is not the contract's; a component could nest for ever.
const DEPTH: usize = 32;

/// Adds to `into` each place where `found` differs from `wanted`.
pub(super) fn compare(wanted: In<'_>, found: In<'_>, path: &str, into: &mut Vec<String>) {
    compare_at(wanted, found, path, into, 0);
}

fn compare_at(wanted: In<'_>, found: In<'_>, path: &str, into: &mut Vec<String>, depth: usize) {
    let (wanted, found) = (resolved(wanted), resolved(found));
    let (Type::Id(want), Type::Id(have)) = (wanted.1, found.1) else {
        if wanted.1 != found.1 {
            into.push(format!("{path} is {}, expected {}", name(found), name(wanted)));
        }
        return;
    };
    let (Some(want), Some(have)) = (wanted.0.types.get(want), found.0.types.get(have)) else {
        return;
    };
    if depth > DEPTH {
        return into.push(format!("{path} is nested too deep to compare"));
    }
    let mut next = |a: Type, b: Type, path: String| {
        compare_at((wanted.0, a), (found.0, b), &path, into, depth + 1);
    };
    match (&want.kind, &have.kind) {
        (TypeDefKind::Record(a), TypeDefKind::Record(b)) => {
            for (x, y) in a.fields.iter().zip(&b.fields).filter(|(x, y)| x.name == y.name) {
                next(x.ty, y.ty, format!("{path}.{}", x.name));
            }
            let names =
                |fields: &[wit_parser::Field]| fields.iter().map(|f| f.name.clone()).collect();
            names_differ(names(&a.fields), names(&b.fields), "field", path, into);
        }
        (TypeDefKind::Variant(a), TypeDefKind::Variant(b)) => {
            for (x, y) in a.cases.iter().zip(&b.cases).filter(|(x, y)| x.name == y.name) {
                optional(wanted.0, x.ty, found.0, y.ty, &format!("{path}.{}", x.name), into, depth);
            }
            let names = |cases: &[wit_parser::Case]| cases.iter().map(|c| c.name.clone()).collect();
            names_differ(names(&a.cases), names(&b.cases), "case", path, into);
        }
        (TypeDefKind::Enum(a), TypeDefKind::Enum(b)) => {
            let names =
                |cases: &[wit_parser::EnumCase]| cases.iter().map(|c| c.name.clone()).collect();
            names_differ(names(&a.cases), names(&b.cases), "case", path, into);
        }
        (TypeDefKind::Tuple(a), TypeDefKind::Tuple(b)) if a.types.len() == b.types.len() => {
            for (index, (x, y)) in a.types.iter().zip(&b.types).enumerate() {
                next(*x, *y, format!("{path}.{index}"));
            }
        }
        (TypeDefKind::List(a), TypeDefKind::List(b)) => next(*a, *b, format!("{path}[]")),
        (TypeDefKind::Option(a), TypeDefKind::Option(b)) => next(*a, *b, format!("{path}?")),
        (TypeDefKind::Result(a), TypeDefKind::Result(b)) => {
            optional(wanted.0, a.ok, found.0, b.ok, &format!("{path}.ok"), into, depth);
            optional(wanted.0, a.err, found.0, b.err, &format!("{path}.err"), into, depth);
        }
        (TypeDefKind::Handle(Handle::Own(_)), TypeDefKind::Handle(Handle::Own(_)))
        | (TypeDefKind::Handle(Handle::Borrow(_)), TypeDefKind::Handle(Handle::Borrow(_)))
        | (TypeDefKind::Resource, TypeDefKind::Resource) => {}
        (want, have) => {
            into.push(format!("{path} is a {}, expected a {}", have.as_str(), want.as_str()));
        }
    }
}

/// A payload that may be absent on either side.
fn optional(
    wanted_in: &Resolve,
    wanted: Option<Type>,
    found_in: &Resolve,
    found: Option<Type>,
    path: &str,
    into: &mut Vec<String>,
    depth: usize,
) {
    match (wanted, found) {
        (Some(a), Some(b)) => compare_at((wanted_in, a), (found_in, b), path, into, depth + 1),
        (None, None) => {}
        (Some(a), None) => into.push(format!("{path} is empty, expected {}", name((wanted_in, a)))),
        (None, Some(b)) => {
            into.push(format!("{path} is {}, expected nothing", name((found_in, b))))
        }
    }
}

fn names_differ(
    wanted: Vec<String>,
    found: Vec<String>,
    what: &str,
    path: &str,
    into: &mut Vec<String>,
) {
    if wanted == found {
        return;
    }
    let before = into.len();
    let missing = wanted.iter().filter(|name| !found.contains(name));
    into.extend(missing.map(|name| format!("{path} has no {what} `{name}`")));
    let extra = found.iter().filter(|name| !wanted.contains(name));
    into.extend(
        extra.map(|name| format!("{path} has a {what} `{name}` that the contract has not")),
    );
    if into.len() == before {
        into.push(format!(
            "{path} has its {what}s in another order, expected {}",
            wanted.join(", ")
        ));
    }
}

/// Follows aliases, which the component model does not see.
fn resolved((resolve, ty): In<'_>) -> In<'_> {
    let mut ty = ty;
    for _ in 0..DEPTH {
        let Type::Id(id) = ty else { break };
        match resolve.types.get(id).map(|definition| &definition.kind) {
            Some(TypeDefKind::Type(target)) => ty = *target,
            _ => break,
        }
    }
    (resolve, ty)
}

fn name((resolve, ty): In<'_>) -> String {
    match resolved((resolve, ty)).1 {
        Type::Id(id) => match resolve.types.get(id) {
            Some(definition) => match &definition.name {
                Some(name) => format!("{} `{name}`", definition.kind.as_str()),
                None => format!("a {}", definition.kind.as_str()),
            },
            None => "unknown".into(),
        },
        plain => format!("`{}`", format!("{plain:?}").to_lowercase()),
    }
}
