//! A sample's JSON with something else in it.

use serde_json::Value;

/// Bytes of the longest string.
pub(super) fn longest(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(longest).max().unwrap_or(0),
        Value::Object(members) => members.values().map(longest).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

/// The value as JSON, with other literals for the strings that `instead` has
/// one for.
pub(super) fn written(value: &Value, instead: &dyn Fn(&str) -> Option<String>) -> String {
    match value {
        Value::String(text) => instead(text).unwrap_or_else(|| value.to_string()),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| written(item, instead)).collect();
            format!("[{}]", items.join(","))
        }
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| {
                format!("{}:{}", Value::from(name.as_str()), written(value, instead))
            };
            let members: Vec<String> = members.iter().map(member).collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// The value with the elements of its first array repeated up to so many bytes,
/// if it has one.
pub(super) fn repeated(value: &Value, bytes: usize) -> Option<String> {
    match value {
        Value::Array(items) if !items.is_empty() => {
            let round = items.iter().map(Value::to_string).collect::<Vec<_>>().join(",");
            let rounds = bytes.div_ceil(round.len() + 1);
            Some(format!("[{}]", vec![round; rounds].join(",")))
        }
        Value::Object(members) => {
            let (name, longer) =
                members.iter().find_map(|(name, v)| Some((name, repeated(v, bytes)?)))?;
            let member = |(each, value): (&String, &Value)| {
                let value = if each == name { longer.clone() } else { value.to_string() };
                format!("{}:{value}", Value::from(each.as_str()))
            };
            let members: Vec<String> = members.iter().map(member).collect();
            Some(format!("{{{}}}", members.join(",")))
        }
        _ => None,
    }
}
