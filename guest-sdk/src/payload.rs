//! From JSON text to an author's types, with errors that name the place.
//!
//! A submitter who reads `at rows[3].name: invalid type` can mend the input;
//! `expected a string at line 1 column 8041` sends them counting.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::AgentError;

/// How much of a value an error message repeats.
const QUOTED_CHARS: usize = 80;

/// Reads `text` as a `T`, or says where it does not fit.
pub fn decode<T: DeserializeOwned>(text: &str) -> Result<T, AgentError> {
    decode_named("payload", text)
}

/// Writes a value as JSON text.
///
/// Fails for what JSON cannot say, such as a map whose keys are not strings.
/// Floats that are not finite become `null`.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<String, AgentError> {
    serde_json::to_string(value).map_err(|error| {
        AgentError::failed(format_args!("output cannot be written as JSON: {error}"))
    })
}

/// Like [`decode`], with the words for what is being read.
pub(crate) fn decode_named<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, AgentError> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| misfit(what, &error.path().to_string(), error.inner(), text))?;
    reader.end().map_err(|error| misfit(what, ".", &error, text))?;
    Ok(value)
}

/// `serde_path_to_error` writes `.` for the value as a whole.
fn misfit(what: &str, path: &str, error: &serde_json::Error, text: &str) -> AgentError {
    let place = match path {
        "." => String::new(),
        path => format!("at `{path}`: "),
    };
    AgentError::InvalidInput(format!("{what} does not fit: {place}{error}; got {}", excerpt(text)))
}

/// The beginning of a text, cut at a character and marked as cut.
pub(crate) fn excerpt(text: &str) -> String {
    let mut shown: String = text.chars().take(QUOTED_CHARS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::Value;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only the reading is tested")]
    struct Table {
        rows: Vec<Row>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only the reading is tested")]
    struct Row {
        name: String,
    }

    #[test]
    fn an_error_names_the_place_and_shows_the_value() {
        let rows = [
            (
                r#"{"rows":[{"name":"a"},{"name":7}]}"#,
                "payload does not fit: at `rows[1].name`: invalid type: integer `7`, expected a string",
            ),
            (r#"{"rows":[{}]}"#, "at `rows[0]`: missing field `name`"),
            (r#"{}"#, "payload does not fit: missing field `rows`"),
            (r#"[1"#, "payload does not fit: "),
            ("", "EOF while parsing a value"),
            (r#"{"rows":[]} x"#, "payload does not fit: trailing characters"),
            (r#"{"rows":[{"name":7}]}"#, r#"; got {"rows":[{"name":7}]}"#),
        ];
        for (text, expected) in rows {
            let error = decode::<Table>(text).unwrap_err();
            assert!(matches!(error, AgentError::InvalidInput(_)), "{text}");
            assert!(error.message().contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_long_value_is_cut_between_characters() {
        let error = decode::<Table>(&format!("\"{}\"", "é".repeat(500))).unwrap_err();
        assert!(error.message().ends_with("é…"), "{error}");
        assert!(error.message().len() < 1_500, "{error}");
    }

    #[test]
    fn what_json_cannot_say_is_an_error() {
        let keyed_by_list = std::collections::BTreeMap::from([(vec![1], 1)]);
        assert!(encode(&keyed_by_list).unwrap_err().message().contains("key must be a string"));
        assert_eq!(encode(&f64::NAN).unwrap(), "null");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,200}") {
            let _ = decode::<Table>(&text);
            let _ = decode::<Value>(&text);
        }

        #[test]
        fn what_is_written_is_read_back(numbers: Vec<i64>, words in prop::collection::vec(".*", 0..8)) {
            let text = encode(&(&numbers, &words)).unwrap();
            let (back_numbers, back_words): (Vec<i64>, Vec<String>) = decode(&text).unwrap();
            prop_assert_eq!(numbers, back_numbers);
            prop_assert_eq!(words, back_words);
        }
    }
}
