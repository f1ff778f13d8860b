//! What is taken out, and that nothing else is.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn redacted(paths: &[&str], mut value: Value) -> Value {
    let redaction = Redaction::new(paths).unwrap();
    let text = redaction.redacted(&JsonText::from(&value));
    redaction.apply(&mut value);
    assert_eq!(crate::json::tree(&text).unwrap(), value, "a text is treated like its value");
    value
}

#[test]
fn what_lies_at_a_path_is_replaced() {
    let value = json!({
        "user": { "email": "a@b.c", "name": "Ada" },
        "items": [{ "token": "t1", "n": 1 }, { "token": { "deep": "t2" } }, "text"],
        "odd name": [1, 2, 3],
    });
    let with = |at: &str, redacted: Value| {
        let mut value = value.clone();
        *value.pointer_mut(at).unwrap() = redacted;
        value
    };
    let rows = [
        ("$.user.email", with("/user/email", json!(REDACTED))),
        ("$['odd name'][1]", with("/odd name/1", json!(REDACTED))),
        ("$['odd name']", with("/odd name", json!(REDACTED))),
        ("$.user.*", with("/user", json!({ "email": REDACTED, "name": REDACTED }))),
        ("$.items[0].n", with("/items/0/n", json!(REDACTED))),
        ("$..deep", with("/items/1/token/deep", json!(REDACTED))),
        ("$.items..deep", with("/items/1/token/deep", json!(REDACTED))),
        ("$.user..deep", value.clone()),
        ("$..token", {
            let mut both = with("/items/0/token", json!(REDACTED));
            both["items"][1]["token"] = json!(REDACTED);
            both
        }),
        ("$", json!(REDACTED)),
        ("$.missing.path", value.clone()),
        ("$.items.token", value.clone()),
        ("$.user[0]", value.clone()),
        ("$.items[9]", value.clone()),
    ];
    for (path, expected) in rows {
        assert_eq!(redacted(&[path], value.clone()), expected, "{path}");
    }
    assert_eq!(
        redacted(&["$.items[*].token"], value.clone()),
        redacted(&["$..token"], value.clone())
    );
    assert_eq!(redacted(&[], value.clone()), value);
    let is_empty = |paths: &[&str]| Redaction::new(paths).unwrap().is_empty();
    assert!(is_empty(&[]) && !is_empty(&["$.a"]));
}

#[test]
fn a_secret_within_a_secret_is_gone_with_it() {
    let value = json!({ "a": { "b": { "a": { "b": 1, "c": 2 } }, "c": 3 } });
    let expected = json!({ "a": { "b": REDACTED, "c": 3 } });
    assert_eq!(redacted(&["$..a..b", "$.a.b.a.c"], value), expected);
}

#[test]
fn what_is_no_path_is_refused_with_where_and_what_is_allowed() {
    let rows = [
        ("", 1, "it does not begin with `$`"),
        ("user.email", 1, "it does not begin with `$`"),
        ("$user", 2, "a step begins with neither `.` nor `[`"),
        ("$.", 3, "there is no name"),
        ("$..", 4, "there is no name"),
        ("$..*", 4, "there is no name"),
        ("$.über. x", 8, "there is no name"),
        ("$.a[?(@.b)]", 5, "the bracket holds neither a number, `*`, nor a 'name'"),
        ("$.a[-1]", 5, "the bracket holds neither a number, `*`, nor a 'name'"),
        (
            "$.a[99999999999999999999999]",
            5,
            "the bracket holds neither a number, `*`, nor a 'name'",
        ),
        ("$.a[1", 5, "the bracket has no end (`]`)"),
        ("$['a", 4, "the name has no end (`']`)"),
        ("$.a b", 4, "a step begins with neither `.` nor `[`"),
    ];
    for (path, at, problem) in rows {
        let Err(InvalidRedaction::Paths(errors)) = Redaction::new([path]) else {
            panic!("{path} was taken")
        };
        assert_eq!((errors[0].at, errors[0].problem), (at, problem), "{path}");
        assert!(errors[0].to_string().contains("allowed are `$.name`"));
    }
    let long = format!("${}", ".a".repeat(MOST_STEPS + 1));
    assert!(Redaction::new([&long]).is_err());
    assert!(Redaction::new([&long[..long.len() - 2]]).is_ok());
    let many = vec!["$.a"; MOST_PATHS + 1];
    assert_eq!(Redaction::new(&many), Err(InvalidRedaction::TooMany(101)));
}

#[test]
fn it_is_written_as_its_paths() {
    let redaction = Redaction::new(["$.a", "$..b['c d'][*]"]).unwrap();
    let json = serde_json::to_string(&redaction).unwrap();
    assert_eq!(json, r#"["$.a","$..b['c d'][*]"]"#);
    assert_eq!(serde_json::from_str::<Redaction>(&json).unwrap(), redaction);
    let wrong = serde_json::from_str::<Redaction>(r#"["a", "$.b", "$["]"#).unwrap_err().to_string();
    assert!(wrong.contains("\"a\" is not a path") && wrong.contains("\"$[\" is not"), "{wrong}");
}

#[test]
fn a_deep_value_costs_no_more_than_its_size_and_hides_nothing() {
    let mut value = json!("secret");
    for _ in 0..1000 {
        value = json!({ "a": value });
    }
    let path = "$".to_owned() + &"..a".repeat(MOST_STEPS);
    let mut other = value.clone();
    Redaction::new([path]).unwrap().apply(&mut other);
    Redaction::new(["$..password"]).unwrap().apply(&mut value);
    assert!(!value.to_string().contains("secret"), "too deep to look at, hence gone");
    assert!(!other.to_string().contains("secret"));
    let mut list = (0..1000).fold(json!("secret"), |inner, _| json!([inner]));
    Redaction::new(["$..password"]).unwrap().apply(&mut list);
    assert!(!list.to_string().contains("secret"), "lists are as deep as objects");
}

const NAMES: [&str; 4] = ["password", "user", "items", "a"];

fn any_name() -> impl Strategy<Value = String> {
    proptest::sample::select(NAMES.to_vec()).prop_map(str::to_owned)
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z]{0,5}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((any_name(), inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn any_path() -> impl Strategy<Value = String> {
    let step = prop_oneof![
        any_name().prop_map(|name| format!(".{name}")),
        any_name().prop_map(|name| format!("..{name}")),
        (0..3).prop_map(|index| format!("[{index}]")),
        Just("[*]".to_owned()),
    ];
    proptest::collection::vec(step, 0..5).prop_map(|steps| format!("${}", steps.concat()))
}

/// Puts a secret under every `password`, whatever was there.
fn hide(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::Object(members) => {
            for (name, member) in members {
                if name == "password" { *member = json!({ "x": ["SECRET"] }) } else { hide(member) }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Each path by the book: one after the other, every way there is.
fn by_the_book(path: &str, value: &mut Value) {
    if path.is_empty() {
        *value = json!(REDACTED);
    } else if let Some(after) = path.strip_prefix("..") {
        let (name, rest) = after.split_at(after.find(['.', '[']).unwrap_or(after.len()));
        if let Some(member) = value.get_mut(name) {
            by_the_book(rest, member);
        }
        within(value, |inner| by_the_book(path, inner));
    } else if let Some(after) = path.strip_prefix('.') {
        let (name, rest) = after.split_at(after.find(['.', '[']).unwrap_or(after.len()));
        if let Some(member) = value.get_mut(name) {
            by_the_book(rest, member);
        }
    } else if let Some(rest) = path.strip_prefix("[*]") {
        within(value, |inner| by_the_book(rest, inner));
    } else {
        let (index, rest) = path[1..].split_once(']').unwrap();
        if let Some(item) = value.get_mut(index.parse::<usize>().unwrap()) {
            by_the_book(rest, item);
        }
    }
}

fn within(value: &mut Value, each: impl FnMut(&mut Value)) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(each),
        Value::Object(members) => members.values_mut().for_each(each),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

proptest! {
    #[test]
    fn the_secret_is_never_left(mut value in any_value()) {
        hide(&mut value);
        prop_assert!(!redacted(&["$..password"], value).to_string().contains("SECRET"));
    }

    #[test]
    fn what_no_path_leads_to_is_unchanged(value in any_value()) {
        prop_assert_eq!(redacted(&["$..absent", "$.x.y[*]", "$[7]"], value.clone()), value);
    }

    #[test]
    fn one_walk_finds_what_all_ways_find(path in any_path(), value in any_value()) {
        let mut expected = value.clone();
        by_the_book(path.strip_prefix('$').unwrap(), &mut expected);
        prop_assert_eq!(redacted(&[&path], value), expected);
    }

    #[test]
    fn any_text_is_a_path_or_an_error(text in "\\PC{0,20}", more in "[$.\\[\\]*'a0]{0,10}") {
        let _ = Redaction::new([text, format!("${more}")]);
    }
}
