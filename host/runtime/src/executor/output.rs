//! From the guest's text to JSON, within bounds.
//!
//! Four mebibytes of `[{"":0},…]` become hundreds of mebibytes of maps, none of
//! which the guest's memory quota sees. So the size of the tree is judged from
//! the text before the tree is built.

use chimera_layer4_core::{Breach, Call, Fault, GuestFault, LimitSource, QuotaKind};
use serde_json::Value;

/// What the tree of one output may take in the host.
const TREE_BYTES: usize = 64 << 20;
/// An object's first entry makes room for eleven.
const OBJECT_BYTES: usize = 700;
/// A value in an array that grows by doubling, or one more entry of an object.
const VALUE_BYTES: usize = 80;

/// Parses what `execute-task` returned.
pub(super) fn parse(text: &str) -> Result<Value, Fault> {
    let during = Call::ExecuteTask;
    let tree = tree_bytes(text);
    if tree > TREE_BYTES {
        let (quota, set_by) = (QuotaKind::HostMemory, LimitSource::Host);
        let detail = format!(
            "the output's values would take some {} MiB, and {} MiB are allowed",
            tree >> 20,
            TREE_BYTES >> 20
        );
        return Err(Breach { quota, during, set_by, detail }.into());
    }
    serde_json::from_str(text)
        .map_err(|error| GuestFault::BadOutput { during, reason: error.to_string() }.into())
}

/// About what the parsed text takes. Text inside strings counts as text.
fn tree_bytes(text: &str) -> usize {
    let (mut bytes, mut in_string, mut escaped) = (text.len(), false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' if !in_string => bytes += OBJECT_BYTES,
            b',' | b'[' if !in_string => bytes += VALUE_BYTES,
            _ => {}
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_inside_a_string_is_only_text() {
        let text = r#""{{{,,,[[[\"{{{""#;
        assert_eq!(tree_bytes(text), text.len());
        assert_eq!(tree_bytes("[1,2]"), 5 + 2 * VALUE_BYTES);
    }

    #[test]
    fn a_small_text_with_a_giant_tree_is_refused_unparsed() {
        let bomb = format!("[{}0]", "{\"\":0},".repeat(500_000));
        let fault = parse(&bomb).unwrap_err();
        assert_eq!(fault.code(), "over-host-memory");
        assert!(parse(&format!("[{}0]", "0,".repeat(100_000))).is_ok());
    }

    #[test]
    fn what_is_not_json_is_bad_output() {
        for text in ["", "{", "{} {}", "NaN", &"[".repeat(1000)] {
            assert_eq!(parse(text).unwrap_err().code(), "bad-output", "{text}");
        }
    }
}
