//! Guesses a text's language: by its script, then by the frequent words of the
//! script's languages.

use crate::scan::Counts;
use crate::tables::{Language, Tables};

const UNKNOWN: &str = "und";

/// A language, and why.
#[derive(Debug)]
pub(crate) struct Guess {
    pub code: String,
    pub script: String,
    /// So many of …
    pub hits: u64,
    /// … so many tokens are frequent words of the language.
    pub of: u64,
}

impl Guess {
    pub(crate) fn new(counts: &Counts, tables: &Tables) -> Self {
        let number = main_script(&counts.scripts, tables);
        let script = tables.scripts().get(number).cloned().unwrap_or_default();
        let candidates: Vec<&Language> =
            tables.languages.iter().filter(|language| language.script == script).collect();
        if let [only] = candidates.as_slice() {
            return Self { code: only.code.clone(), script, hits: 1, of: 1 };
        }

        let mut best = (UNKNOWN, 0);
        for language in candidates {
            let known = language.words.iter().filter_map(|word| counts.terms.get(word));
            let hits = known.sum();
            if hits > best.1 {
                best = (&language.code, hits);
            }
        }
        Self { code: best.0.to_owned(), script, hits: best.1, of: counts.tokens }
    }
}

/// The script with the most characters, the first of several; 0 where there is none.
fn main_script(scripts: &[u64], tables: &Tables) -> usize {
    let count = |number: usize| scripts.get(number).copied().unwrap_or_default();
    let (kana, han) = (count(tables.kana), count(tables.han));
    // Japanese is written in Han and Kana together. A fifth tells it from
    // Chinese with a foreign name.
    let japanese = kana > 0 && kana * 5 >= han;
    let counted = |number: usize| match number {
        0 => 0,
        number if number == tables.kana && japanese => kana + han,
        number if number == tables.han && japanese => 0,
        number => count(number),
    };
    (0..scripts.len()).rev().max_by_key(|&number| counted(number)).unwrap_or_default()
}
