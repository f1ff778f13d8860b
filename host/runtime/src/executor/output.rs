//! The guest's text as JSON, within bounds.
//!
//! It stays text, so it costs the host its bytes. Its receiver builds values of
//! it: four mebibytes of `[{"":0},…]` become hundreds of mebibytes of
//! maps there. So what its values would take is bounded too.

use chimera_layer4_core::json::{InvalidJson, MOST_DEPTH, Outline};
use chimera_layer4_core::{Breach, Call, Fault, GuestFault, JsonText, LimitSource, QuotaKind};

/// What the values of one output may take.
const TREE_BYTES: usize = 64 << 20;

/// Checks what `execute-task` returned.
pub(super) fn parse(text: &str) -> Result<JsonText, Fault> {
    let during = Call::ExecuteTask;
    let outline = Outline::of(text);
    let tree = outline.tree_bytes();
    if tree > TREE_BYTES {
        let (quota, set_by) = (QuotaKind::HostMemory, LimitSource::Host);
        let detail = format!(
            "the output's values would take some {} MiB, and {} MiB are allowed",
            tree >> 20,
            TREE_BYTES >> 20
        );
        return Err(Breach { quota, during, set_by, detail }.into());
    }
    let output = outline.parse().map_err(|invalid| match invalid {
        InvalidJson::Malformed(reason) => GuestFault::BadOutput { during, reason },
        InvalidJson::Beyond(reason) => GuestFault::RefusedOutput { during, reason },
    })?;
    if output.depth() > MOST_DEPTH {
        let depth = output.depth();
        let reason = format!("it is nested {depth} levels deep; allowed are {MOST_DEPTH}");
        return Err(GuestFault::RefusedOutput { during, reason }.into());
    }
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_text_with_giant_values_is_refused() {
        let bomb = format!("[{}0]", "{\"\":0},".repeat(500_000));
        let fault = parse(&bomb).unwrap_err();
        assert_eq!(fault.code(), "over-host-memory");
        assert!(parse(&format!("[{}0]", "0,".repeat(100_000))).is_ok());
    }

    #[test]
    fn what_is_not_json_is_bad_output() {
        for text in ["", "{", "{} {}", "NaN", &"[".repeat(100)] {
            assert_eq!(parse(text).unwrap_err().code(), "bad-output", "{text}");
        }
    }

    #[test]
    fn what_no_other_attempt_would_mend_is_refused() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(parse(&nested(MOST_DEPTH)).is_ok());
        for text in [&nested(MOST_DEPTH + 1), &nested(1000), "1e400"] {
            assert_eq!(parse(text).unwrap_err().code(), "refused-output", "{text}");
        }
    }

    #[test]
    fn half_a_surrogate_pair_is_no_reason_to_fail() {
        assert_eq!(parse(r#""a\ud800b""#).unwrap(), "a\u{fffd}b");
    }
}
