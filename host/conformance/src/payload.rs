//! Payloads that a check hands over: JSON text, some of which this host's own
//! JSON library would not write or read, since the contract says RFC 8259.

use chimera_layer4_core::telemetry::shown;
use std::cell::Cell;

use chimera_layer4_core::{JsonText, Task};
use serde_json::{Value, json};

use super::json::{longest, repeated, written};
use super::report::cut;

/// Characters of a payload that are shown.
const SHOWN: usize = 60;
/// What a large payload has at the least.
const LARGE: usize = 1 << 20;
/// What makes more garbage than most samples do, in bytes.
const LONGER: usize = 4 << 10;
/// Below what other JSON libraries refuse; this host's own refuses 128.
const DEPTH: usize = 100;

/// A payload, and how a report calls it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Payload {
    pub(super) name: String,
    pub(super) json: String,
}

impl Payload {
    pub(super) fn of(value: &impl ToString) -> Self {
        Self::plain(value.to_string())
    }

    /// Its values, unless they take far more than its text.
    pub(super) fn tree(&self) -> Option<Value> {
        JsonText::parse(&self.json).ok()?.tree()
    }

    fn plain(json: String) -> Self {
        Self { name: format!("`{}`", shown(&cut(&json, SHOWN))), json }
    }

    fn named(name: &str, json: String) -> Self {
        Self { name: name.to_owned(), json }
    }
}

/// What many agents take, tried where there is no sample.
pub(super) fn guesses() -> Vec<Payload> {
    let text = "Hello, world.";
    let values = [
        json!({ "text": text }),
        json!(text),
        json!({}),
        json!(null),
        json!([]),
        json!(1),
        json!({ "input": text }),
        json!({ "prompt": text }),
    ];
    values.iter().map(Payload::of).collect()
}

/// Every kind of JSON, plain ASCII and not large.
pub(super) fn odd() -> Vec<Payload> {
    let plain = [
        "null",
        "true",
        "false",
        "0",
        "-0.0",
        "1e308",
        "-1",
        "18446744073709551615",
        "123456789012345678901234567890",
        "0.1",
        "\"\"",
        "\"text\"",
        r#""\u0061\/\"\\""#,
        "[]",
        "{}",
        "[null]",
        "[[],{}]",
        r#"{"":null}"#,
        r#"{"a":1,"a":2}"#,
        " \t\r\n[ 1 , 2 ]\n ",
        r#"{"text":null}"#,
        r#"{"text":{"text":[]}}"#,
    ];
    let mut payloads: Vec<_> = plain.iter().map(|json| Payload::plain((*json).into())).collect();
    let members: Vec<String> = (0..1_000).map(|n| format!("\"member_{n}\":{n}")).collect();
    payloads.extend([
        Payload::named("a number of 400 digits", "1".repeat(400)),
        Payload::named("100 arrays inside each other", nested("[", "]")),
        Payload::named("100 objects inside each other", nested("{\"a\":", "}")),
        Payload::named("an object with 1,000 members", format!("{{{}}}", members.join(","))),
    ]);
    payloads
}

fn nested(open: &str, close: &str) -> String {
    let inner = if close == "}" { "{}" } else { "[]" };
    format!("{}{inner}{}", open.repeat(DEPTH - 1), close.repeat(DEPTH - 1))
}

/// String literals with what text processing stumbles over.
const TEXTS: [(&str, &str); 12] = [
    ("escaped NUL and control characters", r#""a\u0000b\u0001\u001f\u007f""#),
    ("astral characters", "\"𐐀 😀 𝒳 \u{10ffff}\""),
    ("astral characters as escapes", r#""\ud83d\ude00 \uD801\uDC00""#),
    ("right-to-left text", "\"שלום עולם مرحبا بالعالم\""),
    ("direction marks", "\"\u{202e}abc\u{202c} \u{200f}\u{2066}x\u{2069}\""),
    ("combining marks", "\"e\u{301} Z\u{351}\u{36b}\u{343}\u{32a}\u{302}\u{36b} 각\""),
    ("characters joined to one", "\"👩‍👩‍👧‍👦 🏳️‍🌈 क्षि\""),
    ("letters that change length in another case", "\"İıßŉǰﬁ ΑΣ ǅ\""),
    ("white space of every kind", "\"\u{a0}\u{1680}\u{2003}\u{2028}\u{2029}\u{3000}\u{feff}\""),
    ("characters that are none", "\"\u{fffe}\u{ffff}\u{fdd0}\u{e000}\u{fffd}\""),
    ("half a surrogate pair as an escape", r#""a\ud800b""#),
    ("the other half", r#""\udc00""#),
];

/// Odd characters in place of the sample's own text, or by themselves where it
/// has none.
pub(super) fn unicode(sample: Option<&Value>) -> Vec<Payload> {
    let inside = sample.filter(|sample| longest(sample) > 0);
    let in_place = |literal: &str| match inside {
        Some(sample) => written(sample, &|text| (!text.is_empty()).then(|| literal.to_owned())),
        None => literal.to_owned(),
    };
    let text = |(name, literal): &(&str, &str)| Payload::named(name, in_place(literal));
    let mut payloads: Vec<_> = TEXTS.iter().map(text).collect();
    let long = format!("\"a{}\"", "\u{301}".repeat(10_000));
    payloads.push(Payload::named("a letter with 10,000 marks", in_place(&long)));
    payloads
}

/// A mebibyte in place of the sample's longest text, and of its elements over
/// and over, or by itself where it has neither.
pub(super) fn large(sample: Option<&Value>) -> Vec<Payload> {
    let of = |unit: &str| format!("\"{}\"", unit.repeat(LARGE.div_ceil(unit.len())));
    let (ascii, wide) = (of("word "), of("слово 😀 "));
    let mut payloads = Vec::new();
    if let Some((sample, longest)) = sample.map(|s| (s, longest(s))).filter(|(_, n)| *n > 0) {
        let put = |literal: &str| {
            // The first of this length, so that it is one mebibyte and no more.
            let done = Cell::new(false);
            let is_it = |text: &str| text.len() == longest && !done.replace(true);
            written(sample, &|text| is_it(text).then(|| literal.to_owned()))
        };
        payloads.push(Payload::named("the sample with a text of 1 MiB", put(&ascii)));
        payloads.push(Payload::named("the sample with 1 MiB of astral text", put(&wide)));
    }
    if let Some(more) = sample.and_then(|sample| repeated(sample, LARGE)) {
        payloads.push(Payload::named("the sample's elements up to 1 MiB", more));
    }
    if payloads.is_empty() {
        let numbers = format!("[{}0]", "1234567,".repeat(LARGE / 8));
        payloads.extend([
            Payload::named("an object with a text of 1 MiB", format!("{{\"text\":{ascii}}}")),
            Payload::named("a text of 1 MiB", ascii),
            Payload::named("1 MiB of astral text", wide),
            Payload::named("an array of 1 MiB", numbers),
        ]);
    }
    payloads
}

/// The sample with a longer text in place of its longest, if it has any.
pub(super) fn longer(sample: &Value) -> Option<Payload> {
    let longest = longest(sample);
    let literal = format!("\"{}\"", "word ".repeat(LONGER / 5));
    let put = |text: &str| (text.len() == longest).then(|| literal.clone());
    let json = || written(sample, &put);
    (1..LONGER).contains(&longest).then(|| Payload::named("the sample with 4 KiB of text", json()))
}

/// One task as it is handed over.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) payload: Payload,
    /// The rest of it.
    pub(super) task: Task,
    pub(super) attempt: u32,
    pub(super) task_type: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_payloads_are_json_and_ascii() {
        for payload in odd() {
            assert!(payload.json.is_ascii(), "{}", payload.name);
            let read = serde_json::from_str::<serde::de::IgnoredAny>(&payload.json);
            assert!(read.is_ok(), "{}: {read:?}", payload.name);
        }
    }

    #[test]
    fn text_goes_where_the_sample_has_text() {
        let sample = json!({ "keep": 1, "rows": [{ "name": "a" }, { "name": "" }] });
        let payloads = unicode(Some(&sample));
        assert_eq!(
            payloads[0].json,
            r#"{"keep":1,"rows":[{"name":"a\u0000b\u0001\u001f\u007f"},{"name":""}]}"#
        );
        assert_eq!(unicode(Some(&json!([1])))[0].json, TEXTS[0].1);
    }

    #[test]
    fn large_payloads_are_a_mebibyte_and_json() {
        for sample in [
            None,
            Some(json!({ "a": "short", "b": "the longest" })),
            Some(json!({ "a": 1, "items": [1, 2, 3] })),
            Some(json!(["a", "b"])),
            Some(json!(7)),
        ] {
            let payloads = large(sample.as_ref());
            assert!(!payloads.is_empty());
            for payload in payloads {
                assert!(payload.json.len() >= LARGE, "{}", payload.name);
                serde_json::from_str::<Value>(&payload.json).unwrap();
            }
        }
        let two = large(Some(&json!({ "a": "short", "b": "the longest" })));
        assert!(two[0].json.starts_with(r#"{"a":"short","b":"word word"#));
    }
}
