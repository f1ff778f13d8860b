//! What is known about characters and languages: `../data`, the same for every
//! implementation.

use chimera_agent_sdk::prelude::*;
use chimera_agent_sdk::serde_json;

const UNICODE: &str = include_str!("../../data/unicode.json");
const PROFILES: &str = include_str!("../../data/profiles.json");

/// The tables, read once.
#[derive(Debug)]
pub(crate) struct Tables {
    unicode: Unicode,
    pub languages: Vec<Language>,
    pub kana: usize,
    pub han: usize,
}

/// Rows lie in ascending order and do not overlap.
#[derive(Debug, Deserialize)]
#[serde(crate = "serde")]
struct Unicode {
    scripts: Vec<String>,
    /// First, last, script.
    words: Vec<(u32, u32, usize)>,
    /// First, last.
    stops: Vec<(u32, u32)>,
    /// First, last, step, distance to the lower case.
    lower: Vec<(u32, u32, u32, i32)>,
}

#[derive(Debug, Deserialize)]
#[serde(crate = "serde")]
struct Profiles {
    languages: Vec<Language>,
}

/// A language that can be guessed.
#[derive(Debug, Deserialize)]
#[serde(crate = "serde")]
pub(crate) struct Language {
    pub code: String,
    pub script: String,
    /// Frequent ones; none where the script says it all.
    pub words: Vec<String>,
}

impl Tables {
    pub(crate) fn load() -> Result<Self, AgentError> {
        let unicode: Unicode = serde_json::from_str(UNICODE).or_failed("unicode.json")?;
        let profiles: Profiles = serde_json::from_str(PROFILES).or_failed("profiles.json")?;
        let named = |name: &str| {
            let found = unicode.scripts.iter().position(|script| script == name);
            found.ok_or_else(|| AgentError::failed(format_args!("unicode.json has no {name}")))
        };
        let (kana, han) = (named("Kana")?, named("Han")?);
        Ok(Self { kana, han, unicode, languages: profiles.languages })
    }

    pub(crate) fn scripts(&self) -> &[String] {
        &self.unicode.scripts
    }

    /// The number of the script of a word character.
    pub(crate) fn script_of(&self, c: char) -> Option<usize> {
        let rows = &self.unicode.words;
        let row = rows.get(rows.partition_point(|row| row.1 < u32::from(c)))?;
        (row.0 <= u32::from(c)).then_some(row.2)
    }

    /// Whether a script's characters are tokens one by one, since it is written
    /// without spaces.
    pub(crate) fn is_single(&self, script: usize) -> bool {
        script == self.kana || script == self.han
    }

    /// Whether a character ends a sentence.
    pub(crate) fn is_stop(&self, c: char) -> bool {
        let rows = &self.unicode.stops;
        let row = rows.get(rows.partition_point(|row| row.1 < u32::from(c)));
        row.is_some_and(|row| row.0 <= u32::from(c))
    }

    /// The lower case of a character, where that is one character.
    pub(crate) fn lower(&self, c: char) -> char {
        self.lower_if_mapped(c).unwrap_or(c)
    }

    fn lower_if_mapped(&self, c: char) -> Option<char> {
        let rows = &self.unicode.lower;
        let code = u32::from(c);
        let &(first, _, step, shift) =
            rows.get(rows.partition_point(|row| row.1 < code)).filter(|row| row.0 <= code)?;
        let mapped = (code - first).checked_rem(step)? == 0;
        mapped.then(|| code.checked_add_signed(shift).and_then(char::from_u32))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_known() {
        let tables = Tables::load().unwrap();
        for (c, script) in [('a', "Latin"), ('я', "Cyrillic"), ('한', "Hangul"), ('ー', "Kana")]
        {
            let found = tables.script_of(c).and_then(|number| tables.scripts().get(number));
            assert_eq!(found.map(String::as_str), Some(script), "{c}");
        }
        assert_eq!(tables.script_of('7'), Some(0));
        assert_eq!(tables.script_of('-'), None);
        assert!(tables.is_stop('。') && tables.is_stop('…') && !tables.is_stop(','));
        for (upper, lower) in
            [('A', 'a'), ('Ё', 'ё'), ('Ǣ', 'ǣ'), ('ẞ', 'ß'), ('İ', 'İ'), ('ǣ', 'ǣ')]
        {
            assert_eq!(tables.lower(upper), lower, "{upper}");
        }
    }
}
