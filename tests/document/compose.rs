//! Makes Rust that compiles out of a block of the document and what the document leaves out
//! around it.
//!
//! It is pure: the caller reads the files. The tests and the build script share it.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What is left out around each block, by the four digits of the line at which it begins.
pub(crate) type LeftOut = BTreeMap<String, Around>;

/// What is left out around one block. `left_out.toml` says what each key is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Around {
    pub(crate) side: Side,
    pub(crate) kind: Kind,
    pub(crate) reason: String,
    #[serde(default)]
    pub(crate) run_by: Option<String>,
    #[serde(default)]
    pub(crate) imports: String,
    #[serde(default)]
    pub(crate) before: String,
    #[serde(default)]
    pub(crate) after: String,
    #[serde(default)]
    pub(crate) in_place_of: Vec<InPlaceOf>,
    #[serde(default)]
    pub(crate) added: Vec<Added>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Side {
    Host,
    Guest,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Program,
    Agent,
    Items,
    Statements,
    Definition,
}

/// Code for which a comment stands.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InPlaceOf {
    pub(crate) line: String,
    pub(crate) with: String,
}

/// Code that is missing below a line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Added {
    pub(crate) below: String,
    pub(crate) code: String,
}

/// Reads `left_out.toml`.
///
/// # Errors
/// What the file has that it may not have, with the line.
pub(crate) fn left_out(text: &str) -> Result<LeftOut, String> {
    toml::from_str(text).map_err(|error| format!("left_out.toml: {error}"))
}

/// The block with what is left out around it.
///
/// # Errors
/// The line that would be replaced or added to and is not there once, or is no comment.
pub(crate) fn compose(block: &str, around: &Around) -> Result<String, String> {
    let mut lines: Vec<&str> = block.lines().collect();
    for InPlaceOf { line, with } in &around.in_place_of {
        if !line.starts_with("//") {
            return Err(format!("`{line}` is no comment: only a comment may stand for code"));
        }
        let at = place(&lines, line)?;
        lines.splice(at..=at, with.trim_end().lines());
    }
    for Added { below, code } in &around.added {
        let at = place(&lines, below)? + 1;
        lines.splice(at..at, code.trim_end().lines());
    }
    let Around { imports, before, after, .. } = around;
    let body = lines.join("\n");
    let parts = [imports.as_str(), before, &body, after].map(|part| part.trim_matches('\n'));
    let parts = parts.into_iter().filter(|part| !part.is_empty());
    Ok(parts.map(|part| format!("{part}\n")).collect())
}

/// The blocks of the host's side, each in a module named by its line, and `COMPILED`, which
/// has their lines.
///
/// # Errors
/// As [`compose`], with the block's line; a block that is not among `blocks`.
pub(crate) fn host_modules(
    blocks: &BTreeMap<String, String>,
    left_out: &LeftOut,
) -> Result<String, String> {
    let (mut text, mut lines) = (String::new(), Vec::new());
    for (line, around) in left_out.iter().filter(|(_, around)| around.side == Side::Host) {
        let block = blocks.get(line).ok_or_else(|| format!("there is no block {line}.rs.txt"))?;
        let composed = compose(block, around).map_err(|wrong| format!("block {line}: {wrong}"))?;
        text += &format!("pub(super) mod b{line} {{\n{composed}}}\n");
        lines.push(line);
    }
    Ok(text + &format!("pub(super) const COMPILED: &[&str] = &{lines:?};\n"))
}

/// The one line of a block, without its indentation, that is `wanted`.
fn place(lines: &[&str], wanted: &str) -> Result<usize, String> {
    let mut places = lines.iter().enumerate().filter(|(_, line)| line.trim() == wanted);
    match (places.next(), places.next()) {
        (Some((at, _)), None) => Ok(at),
        (None, _) => Err(format!("the line `{wanted}` is not in the block")),
        (Some(_), Some(_)) => Err(format!("the line `{wanted}` is in the block more than once")),
    }
}
