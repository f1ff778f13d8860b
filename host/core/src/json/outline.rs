//! What one look at the bytes of a text tells, before it is read as JSON.

use std::borrow::Cow;
use std::sync::Arc;

use super::{InvalidJson, JsonText, check};

/// An object's first entry makes room for eleven.
const OBJECT_BYTES: usize = 700;
/// A value in an array that grows by doubling, or one more entry of an object.
const VALUE_BYTES: usize = 80;

/// What a text's values would take, and whether there is white space between
/// them; of any text, well-formed or not.
#[derive(Clone, Copy, Debug)]
pub struct Outline<'a> {
    text: &'a str,
    tree_bytes: usize,
    has_space: bool,
}

impl<'a> Outline<'a> {
    /// Looks at each byte once. No byte of a character that has several is one of
    /// those that mean something between values.
    #[must_use]
    pub fn of(text: &'a str) -> Self {
        let (mut tree_bytes, mut has_space) = (text.len(), false);
        let mut bytes = text.bytes();
        while let Some(byte) = bytes.next() {
            match byte {
                b'{' => tree_bytes += OBJECT_BYTES,
                b',' | b'[' => tree_bytes += VALUE_BYTES,
                b' ' | b'\t' | b'\r' | b'\n' => has_space = true,
                b'"' => pass_string(&mut bytes),
                _ => {}
            }
        }
        Self { text, tree_bytes, has_space }
    }

    /// About what the values take. Text inside strings counts as text.
    #[must_use]
    pub fn tree_bytes(&self) -> usize {
        self.tree_bytes
    }

    /// Whether the text has white space between its values.
    #[must_use]
    pub fn has_space(&self) -> bool {
        self.has_space
    }

    /// Reads the text, as [`JsonText::parse`] does.
    ///
    /// # Errors
    /// As [`JsonText::parse`].
    pub fn parse(&self) -> Result<JsonText, InvalidJson> {
        self.parse_or(|| self.text.into())
    }

    /// Reads the text. Where it is plain already, `plain` gives it.
    pub(super) fn parse_or(
        &self,
        plain: impl FnOnce() -> Arc<str>,
    ) -> Result<JsonText, InvalidJson> {
        let whole = check::whole_characters(self.text);
        let depth = check::depth(&whole)?;
        let text = match whole {
            whole if self.has_space => check::compact(&whole).into(),
            Cow::Borrowed(_) => plain(),
            Cow::Owned(whole) => whole.into(),
        };
        Ok(JsonText { text, depth })
    }
}

/// Past the quote that ends a string, or to the end where none does.
fn pass_string(bytes: &mut std::str::Bytes<'_>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => _ = bytes.next(),
            _ => {}
        }
    }
}
