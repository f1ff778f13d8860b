//! What is taken, what it becomes, and what it costs.

use proptest::prelude::*;
use serde::de::IntoDeserializer;
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
    let Err(InvalidJson::Beyond(message)) = JsonText::parse(&nested(128)) else { panic!() };
    assert!(message.contains("recursion limit") && message.contains("128 levels"), "{message}");
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
        (r#""abcdefgh\u0041\ud800""#, "\"abcdefghA\u{fffd}\""),
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
    let bomb = format!("[{}0]", "{\"\":0},".repeat(1 << 17));
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

#[test]
fn each_kind_of_value_is_as_deep_as_what_is_in_it() {
    for (text, depth) in [
        ("null", 0),
        ("true", 0),
        ("-1", 0),
        ("1", 0),
        ("1.5", 0),
        ("\"[[\"", 0),
        ("[]", 1),
        ("{}", 1),
        ("[null,true,-1,1,1.5,\"x\"]", 1),
        ("{\"a\":1,\"b\":[[]],\"c\":{}}", 3),
        ("[[],[[],[[]]],[]]", 4),
    ] {
        let read = JsonText::parse(text).unwrap();
        assert_eq!(read.depth(), depth, "{text}");
        assert_eq!(nesting(text.as_bytes()), depth, "{text}");
        assert_eq!(JsonText::from(read.to_value()).depth(), depth, "{text}");
    }
}

#[test]
fn any_bytes_have_a_nesting() {
    for (text, depth) in
        [("", 0), ("]]][", 1), ("[\"]\"[", 2), ("[\"\\\"[\"]", 1), ("[\"\\\\\"[", 2)]
    {
        assert_eq!(nesting(text.as_bytes()), depth, "{text}");
    }
}

#[test]
fn an_escape_that_is_none_is_malformed_and_not_misread() {
    for text in [r#""\u12""#, r#""\ud8""#, r#""\u+123""#, r#""\ud800\u12""#, "\"\\", r#""\ü""#] {
        assert!(matches!(JsonText::parse(text), Err(InvalidJson::Malformed(_))), "{text}");
    }
    // After a character of several bytes behind a backslash, escapes are still found.
    let read = JsonText::parse(r#"["\\","ü\ud800","\\ud800"]"#).unwrap();
    assert_eq!(read.to_value(), json!(["\\", "ü\u{fffd}", "\\ud800"]));
}

#[test]
fn a_text_that_is_plain_is_not_copied() {
    let plain: Arc<str> = "{\"a\":[1,\"b c\"]}".into();
    let read = JsonText::parse_shared(&plain).unwrap();
    assert!(Arc::ptr_eq(&plain, &read.to_shared()));
    for text in ["{\"a\": 1}", "\"\\ud800\"", "\"\\ud800\" "] {
        let shared: Arc<str> = text.into();
        let read = JsonText::parse_shared(&shared).unwrap();
        assert!(!Arc::ptr_eq(&shared, &read.to_shared()), "{text}");
        assert_eq!(JsonText::parse(text).unwrap().as_str(), read.as_str());
    }
}

#[test]
fn it_is_read_and_made_as_a_type_of_the_callers() {
    let around = Around { payload: JsonText::of(&(1, "a")).unwrap() };
    let text = JsonText::of(&around).unwrap();
    assert_eq!(text.as_str(), "{\"payload\":[1,\"a\"]}");
    assert_eq!(text.read::<Around>().unwrap(), around);
    assert!(text.read::<Vec<u8>>().is_err());
    let no_key = std::collections::BTreeMap::from([((1, 2), 3)]);
    assert!(matches!(JsonText::of(&no_key), Err(InvalidJson::Malformed(_))));
}

#[test]
fn texts_are_equal_if_their_values_are() {
    let parse = |text| JsonText::parse(text).unwrap();
    assert_eq!(parse("[1,\"\\u0061\"]"), parse("[1,\"a\"]"));
    assert_ne!(parse("[1]"), parse("[2]"));
    assert_ne!(parse("{\"a\":2}"), json!({ "a": 1 }));
    assert_ne!(json!([1]), parse("[]"));
    assert_eq!(json!([1]), parse("[1]"));
    assert_ne!(parse("\"a\""), "b");
    assert_eq!(parse(" [ 1 ] ").canonical(), "[1]");
    assert_eq!(format!("{:?} {}", parse("[1]"), parse("[2]")), "[1] [2]");
}

#[test]
fn the_bound_of_a_tree_is_eight_bytes_for_one_and_a_mebibyte() {
    // Each item takes 80 bytes, and its text has two.
    let items = |count: usize| format!("[{}0]", "0,".repeat(count));
    let most = |text: &str| text.len() * 8 + (1 << 20);
    let counts: Vec<usize> = (1..50_000).collect();
    let fits = |count: &usize| tree_bytes(&items(*count)) <= most(&items(*count));
    let count = counts[counts.partition_point(fits)];
    assert!(JsonText::parse(&items(count - 1)).unwrap().tree().is_some());
    assert!(JsonText::parse(&items(count)).unwrap().tree().is_none());
    assert_eq!(tree_bytes("{\"a\":{},\"b\":[]}"), 15 + 2 * 700 + 2 * 80);
}

#[test]
fn a_pointer_takes_the_last_of_several_and_no_odd_index() {
    let text = JsonText::parse(r#"{"a":1,"b":{"a":2},"a":[3,4]}"#).unwrap();
    let found = |pointer| text.pointer(pointer).map(|found| found.as_str().to_owned());
    assert_eq!(found("/a"), Some("[3,4]".into()));
    assert_eq!(found("/a/1"), Some("4".into()));
    assert_eq!(found("/a/0"), Some("3".into()));
    assert_eq!(found("/b/a"), Some("2".into()));
    for nothing in ["/a/2", "/a/+1", "/a/01", "/a/00", "/a/-1", "/a/x", "/a/0/0", "/b/a/a", "/c"] {
        assert_eq!(found(nothing), None, "{nothing}");
    }
}

/// Puts words in place of what lies under one name, and of one item of each array.
#[derive(Clone, Copy)]
enum Hide {
    Nothing,
    This,
}

impl Rule for Hide {
    fn member(&self, name: &str) -> Self {
        if name == "hide" { Hide::This } else { Hide::Nothing }
    }

    fn item(&self, index: usize) -> Self {
        if index == 1 { Hide::This } else { Hide::Nothing }
    }

    fn instead(&self) -> Option<&'static str> {
        matches!(self, Hide::This).then_some("hidden")
    }
}

#[test]
fn what_a_rule_takes_out_is_passed_over_whatever_it_holds() {
    let by_rule = |text: &str| {
        let plain = JsonText::parse(text).unwrap();
        serde_json::to_string(&Copy::by(plain.as_str(), Hide::Nothing)).unwrap()
    };
    for held in
        ["1", "\"]},\\\"{\"", "[[1,2],{\"x\":[3]},[]]", "{\"hide\":{\"a\":[{}]},\"b\":1}", "null"]
    {
        let text = format!("{{\"a\":1,\"hide\":{held},\"b\":[0,{held},2]}}");
        let expected = r#"{"a":1,"hide":"hidden","b":[0,"hidden",2]}"#;
        assert_eq!(by_rule(&text), expected, "{held}");
        assert_eq!(by_rule(&format!("[0,{held}]")), "[0,\"hidden\"]");
        assert_eq!(by_rule(&format!("{{\"hide\":{held}}}")), "{\"hide\":\"hidden\"}");
    }
}

/// A text that was not checked ends in an error, not in a loop or a panic.
#[test]
fn a_text_that_is_no_json_is_not_shown() {
    for text in ["[1", "[1 2]", "{\"a\"}", "{\"a\":1", "{1:2}", "[,]", "nul", "{\"a\\\":1}", ""] {
        let shown = serde_json::to_string(&Copy::by(text, copy::AsItIs));
        assert!(shown.is_err(), "{text}: {shown:?}");
    }
}

#[test]
fn a_value_that_is_no_json_is_not_taken_as_a_tree() {
    let read = |text| serde_json::from_str::<Tree>(text);
    for text in ["null", "true", "-3", "18446744073709551615", "0.5", "\"a\\n\"", "[[],{}]"] {
        let expected: Value = serde_json::from_str(text).unwrap();
        assert_eq!(read(text).unwrap().0, expected, "{text}");
    }
    assert!(read("[1").is_err());
    // From a format that has more kinds of values than JSON.
    let table: std::collections::BTreeMap<String, Tree> =
        toml::from_str("a = -1\nb = 1.5\nc = [true, \"x\"]").unwrap();
    assert_eq!(json!(table), json!({ "a": -1, "b": 1.5, "c": [true, "x"] }));
    assert!(toml::from_str::<std::collections::BTreeMap<String, Tree>>("a = nan").is_err());
    for (value, expected) in [(None, Value::Null), (Some(-3), json!(-3))] {
        assert_eq!(Tree::deserialize(Optional(value)).unwrap(), Tree(expected));
    }
}

/// A value of a format that writes whether there is one.
struct Optional(Option<i64>);

impl<'de> Deserializer<'de> for Optional {
    type Error = serde::de::value::Error;

    fn deserialize_any<V: serde::de::Visitor<'de>>(self, to: V) -> Result<V::Value, Self::Error> {
        match self.0 {
            None => to.visit_none(),
            Some(value) => to.visit_some(value.into_deserializer()),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e9..1e9).prop_map(Value::from),
        "[ \"\\\\\\[{,:a-cü\u{1F600}\n]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c\"~/]{0,2}", inner, 0..4)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// As [`tree_bytes`], by the rule that tells strings byte by byte.
fn tree_bytes_by_the_rule(text: &str) -> usize {
    let mut strings = check::Strings::default();
    let of = |byte| match byte {
        _ if strings.holds(byte) => 0,
        b'{' => 700,
        b',' | b'[' => 80,
        _ => 0,
    };
    text.len() + text.bytes().map(of).sum::<usize>()
}

/// Whether there is white space outside strings, by the same rule.
fn has_space_by_the_rule(text: &str) -> bool {
    let mut strings = check::Strings::default();
    text.bytes().any(|byte| !strings.holds(byte) && b" \t\r\n".contains(&byte))
}

proptest! {
    /// However a value is written, it is kept, and shown, as that value.
    #[test]
    fn a_value_survives_its_text(value in any_json()) {
        for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            let read = JsonText::parse(&text).unwrap();
            prop_assert_eq!(read.to_value(), value.clone());
            prop_assert_eq!(read.as_str(), value.to_string());
            prop_assert_eq!(serde_json::to_string(&read).unwrap(), value.to_string());
            prop_assert_eq!(serde_json::to_value(&read).unwrap(), value.clone());
            prop_assert_eq!(read.depth(), nesting(text.as_bytes()));
        }
    }

    #[test]
    fn a_pointer_finds_the_same_in_the_text_and_in_the_values(
        value in any_json(), pointer in "(/([a-c]|[0-3]|~0|~1){0,2}){0,3}",
    ) {
        let found = JsonText::from(&value).pointer(&pointer).map(|found| found.to_value());
        prop_assert_eq!(found.as_ref(), value.pointer(&pointer));
    }

    /// Escapes are UTF-16, and half a pair is replaced as everywhere else.
    #[test]
    fn escapes_are_read_as_utf_16(
        units in prop::collection::vec(prop_oneof![0xD7F0_u16..0xE010, 0xDBF0_u16..0xDC10, any::<u16>()], 0..8),
    ) {
        let escapes: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
        let read = JsonText::parse(&format!("\"{escapes}\"")).unwrap();
        prop_assert_eq!(read.to_value(), String::from_utf16_lossy(&units));
    }

    /// Whatever a guest returns, it is refused or can be shown and read again.
    #[test]
    fn any_text_is_refused_or_can_be_shown(text in "[\\[\\]{}:,\"\\\\u0-9dDa-f. \n-]{0,24}") {
        if let Ok(read) = JsonText::parse(&text) {
            let shown = serde_json::to_string(&read).unwrap();
            prop_assert_eq!(JsonText::parse(&shown).unwrap(), read);
        }
    }

    /// A string ends at the same byte for both, whatever is in it.
    #[test]
    fn any_text_is_outlined_by_the_rule(text in "[\\[{,: \t\r\n\"\\\\ü\u{1F600}]{0,32}|\\PC*") {
        prop_assert_eq!(tree_bytes(&text), tree_bytes_by_the_rule(&text));
        prop_assert_eq!(Outline::of(&text).has_space(), has_space_by_the_rule(&text));
    }

    /// One space is enough for a text not to be plain, and none in a string is.
    #[test]
    fn space_between_values_goes_wherever_it_stands(
        value in any_json(), space in "[ \t\r\n]", at in 0..4_usize,
    ) {
        let plain = value.to_string();
        let shared: Arc<str> = plain.as_str().into();
        let read = JsonText::parse_shared(&shared).unwrap();
        prop_assert!(Arc::ptr_eq(&shared, &read.to_shared()));
        let text = match at {
            0 => format!("{space}{plain}"),
            1 => format!("{plain}{space}"),
            2 => format!("[{plain}{space}]"),
            // Line breaks inside strings are escapes.
            _ => format!("{}{space}", serde_json::to_string_pretty(&value).unwrap().replace('\n', &space)),
        };
        prop_assert_eq!(tree_bytes(&text), tree_bytes_by_the_rule(&text));
        let expected = if at == 2 { format!("[{plain}]") } else { plain };
        for read in [JsonText::parse(&text), Outline::of(&text).parse()] {
            let read = read.unwrap();
            prop_assert_eq!(read.as_str(), &expected);
            prop_assert_eq!(read.depth(), nesting(text.as_bytes()));
        }
    }
}
