//! Estimates from a settings file's text how much memory its values take.
//!
//! A table takes some 1,500 bytes while it is read, and text for one has five:
//! a file of a mebibyte could take three hundred.

/// For each byte of the text.
const PER_BYTE: usize = 8;
/// Besides: ten thousand agents, each with a few short settings.
const BESIDES: usize = 20 << 20;

// Measured with files of a mebibyte of nothing else, and rounded up.
const INLINE_TABLE: usize = 1000;
const DOTTED_TABLE: usize = 1500;
const MEMBER: usize = 300;
const ARRAY_OR_HEADER: usize = 300;
const ITEM: usize = 125;

/// Mebibytes that the values would take, and that they may, if that is too much.
pub(super) fn too_much(text: &str) -> Option<(usize, usize)> {
    let most = text.len().saturating_mul(PER_BYTE).saturating_add(BESIDES);
    let bytes = bytes(text);
    (bytes > most).then_some((bytes >> 20, most >> 20))
}

/// About what the values take. For text that is not TOML the answer has no meaning.
fn bytes(text: &str) -> usize {
    let (mut bytes, mut rest) = (text.len(), text);
    while let Some(first) = rest.chars().next() {
        bytes += match first {
            '=' => MEMBER,
            '{' => INLINE_TABLE,
            '.' => DOTTED_TABLE,
            '[' => ARRAY_OR_HEADER,
            ',' => ITEM,
            _ => 0,
        };
        let skipped = match first {
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '"' | '\'' => string(rest, first),
            other => other.len_utf8(),
        };
        rest = rest.get(skipped..).unwrap_or_default();
    }
    bytes
}

/// Bytes of the string that a text begins with.
fn string(text: &str, quote: char) -> usize {
    let three: String = [quote; 3].iter().collect();
    let end = if text.starts_with(&three) { three.as_str() } else { three.get(..1).unwrap_or("") };
    let mut at = end.len();
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with(end) {
            return at + end.len();
        }
        let escaped = quote == '"' && rest.starts_with('\\');
        let mut signs = rest.chars();
        if escaped {
            signs.next();
        }
        signs.next();
        at = text.len() - signs.as_str().len();
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_text_of_many_values_is_too_much() {
        for each in ["{a=0},", "{},", "[],", "[[[0]]],", "{a.b=0},", "{a=0,b=0},"] {
            let bomb = format!("x = [{}]", each.repeat(200_000 / each.len()));
            assert!(too_much(&bomb).is_some(), "{each}");
        }
        let dotted: String = (0..5_000).map(|n| format!("{n:x}.a.b.c.d = 0\n")).collect();
        assert!(too_much(&dotted).is_some());
    }

    #[test]
    fn what_operators_write_is_not() {
        let agent =
            |n| format!("[agents.a{n}]\ncomponent = \"/srv/agents/a{n}.wasm\"\nfresh = true\n");
        let many: String = (0..10_000).map(agent).collect();
        assert_eq!(too_much(&many), None);
        assert_eq!(too_much(&"# a = [{ b.c = 1 }]\n".repeat(50_000)), None, "comments");
    }

    #[test]
    fn what_strings_hold_is_text() {
        let of = |text: &str| bytes(text) - text.len();
        for held in [r#""a.b\"=[""#, "'a.b=[\\'", "\"\"\"a\"=\n.\"\"\"", "'''='.'''", "\"\"", "''"]
        {
            assert_eq!(of(&format!("a = {held}\nb = 1")), 2 * MEMBER, "{held}");
        }
        assert_eq!(of("a = \"never ended ="), MEMBER);
        assert_eq!(of("a = \"ü\\"), MEMBER);
    }
}
