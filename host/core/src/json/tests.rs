//! What is taken, what it becomes, and what it costs.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::*;

const RAW: &str = "$serde_json::private::RawValue";

fn nested(depth: usize) -> String {
    "[".repeat(depth) + &"]".repeat(depth)
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Around {
    payload: JsonText,
}

#[test]
fn private_keys_mean_nothing() {
    for key in [RAW, "$serde_json::private::Number", "$toml::private::datetime"] {
        let text = json!([{ key: "[1,2,3]" }, 1]).to_string();
        let read = JsonText::parse(&text).unwrap();
        assert_eq!(read.as_str(), text);
        assert_eq!(read.to_value()[0][key], "[1,2,3]");
        assert_eq!(tree(&text).unwrap()[0][key], "[1,2,3]");
        assert_eq!(serde_json::to_value(&read).unwrap()[0][key], "[1,2,3]");

        let around = format!("{{\"payload\":{text}}}");
        let read: Around = serde_json::from_str(&around).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), around);
    }
}

#[test]
fn a_text_inside_another_is_as_deep_as_it_is_itself() {
    let deepest = nested(127);
    let read: Around = serde_json::from_str(&format!("{{\"payload\":{deepest}}}")).unwrap();
    assert_eq!((read.payload.depth(), read.payload.as_str()), (127, deepest.as_str()));
    assert_eq!(JsonText::from(read.payload.to_value()).depth(), 127);
    let Err(InvalidJson::Beyond(words)) = JsonText::parse(&nested(128)) else { panic!() };
    assert!(words.contains("recursion limit") && words.contains("128 levels"), "{words}");
}

#[test]
fn what_is_no_json_is_malformed_and_what_is_too_much_beyond() {
    for text in
        ["", "{", "{} {}", "NaN", "[1,]", "{\"a\"}", "\"\u{1}\"", "\"\\x\"", "01", "\\ud800"]
    {
        assert!(matches!(JsonText::parse(text), Err(InvalidJson::Malformed(_))), "{text}");
    }
    assert!(matches!(JsonText::parse("[1e400]"), Err(InvalidJson::Beyond(_))));
}

#[test]
fn numbers_and_order_stay_and_space_between_values_goes() {
    let text = " {\"b\" : [ 123456789012345678901234567890 , 0.10 ],\n\"a\":\"x  \\\" y\" } ";
    let read = JsonText::parse(text).unwrap();
    let plain = r#"{"b":[123456789012345678901234567890,0.10],"a":"x  \" y"}"#;
    assert_eq!(read.as_str(), plain);
    assert_eq!(
        read,
        JsonText::parse(r#"{"a":"x  \" y","b":[1.2345678901234568e29,0.1]}"#).unwrap()
    );
    assert_ne!(read, JsonText::parse("{}").unwrap());
}

#[test]
fn half_a_surrogate_pair_is_replaced() {
    let rows = [
        (r#""a\ud800b""#, "\"a\u{fffd}b\""),
        (r#""\udc00""#, "\"\u{fffd}\""),
        (r#""\ud800\ud800\udc00""#, "\"\u{fffd}\u{10000}\""),
        (r#""\uD83D\uDE00""#, "\"😀\""),
        (r#""\\ud800""#, r#""\\ud800""#),
        (r#"{"\udfff":"\ud800\\udc00"}"#, "{\"\u{fffd}\":\"\u{fffd}\\\\udc00\"}"),
        (r#""ü\"\ud800""#, "\"ü\\\"\u{fffd}\""),
    ];
    for (text, expected) in rows {
        let read = JsonText::parse(text).unwrap();
        assert_eq!(read.to_value().to_string(), expected, "{text}");
    }
}

#[test]
fn it_looks_like_what_is_around_it() {
    let read = Around { payload: JsonText::parse("{\"b\":[1],\"a\":{}}").unwrap() };
    let pretty = "{\n  \"payload\": {\n    \"b\": [\n      1\n    ],\n    \"a\": {}\n  }\n}";
    assert_eq!(serde_json::to_string_pretty(&read).unwrap(), pretty);
    let value = serde_json::to_value(&read).unwrap();
    assert_eq!(serde_json::from_value::<Around>(value).unwrap(), read);
}

#[test]
fn what_is_shown_has_the_digits_of_the_text() {
    let text = r#"{"a":[12345678901234567890123,-0,1E5,0.10,-9223372036854775809,1e-400,-7,true,null,[],{}],"ü\"":"\u0000\\ü"}"#;
    let read = JsonText::parse(text).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), text);
    let around = Around { payload: read };
    assert_eq!(serde_json::to_string(&around).unwrap(), format!("{{\"payload\":{text}}}"));
    // Of a serializer that builds values.
    let value = serde_json::to_value(&around).unwrap();
    assert_eq!(value["payload"]["a"][0], json!(1.2345678901234568e22));
    assert_eq!(serde_json::from_value::<Around>(value).unwrap(), around);
}

#[test]
fn what_is_too_deep_to_be_read_is_not_shown() {
    let mut value = json!([]);
    for _ in 0..126 {
        value = json!([value]);
    }
    assert_eq!(serde_json::to_string(&JsonText::from(&value)).unwrap(), nested(127));
    let error = serde_json::to_string(&JsonText::from(json!([value]))).unwrap_err();
    assert!(error.to_string().contains("127 levels"), "{error}");
}

#[test]
fn a_pointer_finds_what_serde_jsons_finds() {
    let value = json!({ "a": [1, { "b/~": [true] }], "": { "0": "x" }, "0": 7 });
    let text = JsonText::from(&value);
    let pointers =
        ["", "/a", "/a/1", "/a/1/b~1~0/0", "/", "//0", "/0", "/a/2", "/a/01", "/a/-", "/b", "a"];
    for pointer in pointers {
        let found = text.pointer(pointer).map(|found| found.to_value());
        assert_eq!(found.as_ref(), value.pointer(pointer), "{pointer}");
    }
}

#[test]
fn a_tree_is_built_within_a_bound_only() {
    let bomb = format!("[{}0]", "{\"\":0},".repeat(1 << 20));
    let read = JsonText::parse(&bomb).unwrap();
    assert!(read.tree().is_none());
    assert_eq!(read, read.clone());
    assert_eq!(JsonText::parse("{\"a\":[1]}").unwrap().tree(), Some(json!({ "a": [1] })));
}

#[test]
fn what_is_inside_a_string_is_only_text() {
    let text = r#""{{{,,,[[[\"{{{""#;
    assert_eq!((tree_bytes(text), nesting(text.as_bytes())), (text.len(), 0));
    assert_eq!(tree_bytes("[1,2]"), 5 + 2 * 80);
    assert_eq!(nesting(b"[[]{[{"), 4);
}

#[test]
fn it_is_compared_with_values() {
    let text = JsonText::parse("{\"b\":1,\"a\":2}").unwrap();
    assert_eq!(text, json!({ "a": 2, "b": 1 }));
    assert_eq!(JsonText::from(Value::from("x")), "x");
    assert_eq!(JsonText::default(), Value::Null);
}
