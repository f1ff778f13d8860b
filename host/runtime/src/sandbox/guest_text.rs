//! Text of the guest that the host keeps or shows.

use chimera_layer4_core::telemetry::is_deceptive;

/// The most bytes of one text of the guest that the host keeps.
pub(crate) const TEXT_BYTES: usize = 4096;

/// The text as the host keeps it: bounded, since a guest chose its length, and
/// on one line without control characters, since a terminal may
/// show them and a guest must not be able to write the host's lines.
pub(crate) fn sanitize(text: &str) -> String {
    let mut kept = String::with_capacity(text.len().min(TEXT_BYTES));
    for c in text.chars() {
        if kept.len() >= TEXT_BYTES {
            kept.push('…');
            break;
        }
        if is_deceptive(c) {
            kept.extend(c.escape_default());
        } else {
            kept.push(c);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guests_words_are_bounded_and_harmless_on_a_terminal() {
        assert_eq!(sanitize("a\u{1b}[2Jb\nc\u{202e}"), "a\\u{1b}[2Jb\\nc\\u{202e}");
        assert!(sanitize(&"é".repeat(10_000)).len() <= TEXT_BYTES + '…'.len_utf8() + 2);
    }
}
