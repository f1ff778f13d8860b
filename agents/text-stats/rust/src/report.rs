//! From counts to the output: figures as decimals, terms in order, keys in the
//! order in which they are declared.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::fmt;

use chimera_agent_sdk::prelude::*;
use chimera_agent_sdk::serde_json::value::RawValue;
use serde::Serializer;

use crate::language::Guess;
use crate::request::Request;
use crate::scan::Counts;

/// The output of a task.
#[derive(Debug, Serialize)]
#[serde(crate = "serde")]
pub struct Report {
    bytes: u64,
    characters: u64,
    tokens: u64,
    distinct_tokens: u64,
    sentences: u64,
    average_word_length: Decimal,
    readability: Readability,
    top_terms: Vec<Term>,
    language: Option<LanguageReport>,
}

#[derive(Debug, Serialize)]
#[serde(crate = "serde")]
struct Readability {
    lix: Decimal,
    ari: Decimal,
}

#[derive(Debug, Serialize)]
#[serde(crate = "serde")]
struct Term {
    term: String,
    count: u64,
}

#[derive(Debug, Serialize)]
#[serde(crate = "serde")]
struct LanguageReport {
    code: String,
    script: String,
    score: Decimal,
}

impl Report {
    pub(crate) fn new(
        request: &Request,
        counts: Counts,
        stop_words: &HashSet<String>,
        guess: Option<Guess>,
    ) -> Self {
        Self {
            bytes: request.text.len() as u64,
            characters: counts.characters,
            tokens: counts.tokens,
            distinct_tokens: counts.terms.len() as u64,
            sentences: counts.sentences,
            average_word_length: Decimal::new(counts.word_characters, counts.tokens),
            readability: Readability::new(&counts),
            top_terms: top_terms(counts, stop_words, request.top),
            language: guess.map(LanguageReport::new),
        }
    }
}

/// The most frequent first, equally frequent ones by code point, which is how
/// `str` is ordered.
fn top_terms(counts: Counts, stop_words: &HashSet<String>, top: usize) -> Vec<Term> {
    let terms = counts.terms.into_iter().filter(|(term, _)| !stop_words.contains(term));
    let mut terms: Vec<_> = terms.map(|(term, count)| Term { term, count }).collect();
    terms.sort_unstable_by(|a, b| (Reverse(a.count), &a.term).cmp(&(Reverse(b.count), &b.term)));
    terms.truncate(top);
    terms
}

impl Readability {
    /// LIX is words / sentences + 100 · long words / words; ARI is 4.71 ·
    /// characters / words + 0.5 · words / sentences − 21.43.
    fn new(counts: &Counts) -> Self {
        let words = i128::from(counts.tokens);
        let sentences = i128::from(counts.sentences);
        let long = i128::from(counts.long_words);
        let characters = i128::from(counts.word_characters);
        Self {
            lix: Decimal::new(words * words + 100 * sentences * long, words * sentences),
            ari: Decimal::new(
                942 * sentences * characters + 100 * words * words - 4_286 * words * sentences,
                200 * words * sentences,
            ),
        }
    }
}

impl LanguageReport {
    fn new(guess: Guess) -> Self {
        let score = Decimal::new(guess.hits, guess.of);
        Self { code: guess.code, script: guess.script, score }
    }
}

/// A number with four digits behind the point. Floats would be written
/// differently in each language, and past 2^53 be wrong.
#[derive(Debug)]
struct Decimal {
    ten_thousandths: i128,
}

impl Decimal {
    const SCALE: i128 = 10_000;

    /// A fraction, rounded half up; zero where there is nothing to divide by.
    fn new(numerator: impl Into<i128>, denominator: impl Into<i128>) -> Self {
        let (n, d) = (numerator.into() * Self::SCALE, denominator.into());
        // With a positive divisor the Euclidean quotient is the floor.
        Self { ten_thousandths: (2 * n + d).checked_div_euclid(2 * d).unwrap_or_default() }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.ten_thousandths < 0 { "-" } else { "" };
        let units = self.ten_thousandths.abs();
        write!(f, "{sign}{}.{:04}", units / Self::SCALE, units % Self::SCALE)
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // As it is written, since a float would lose the zeros at the end.
        let written = RawValue::from_string(self.to_string()).map_err(serde::ser::Error::custom)?;
        written.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_rounded_half_up() {
        let rows = [
            (1, 3, "0.3333"),
            (2, 3, "0.6667"),
            (1, 20_000, "0.0001"),
            (-1, 20_000, "0.0000"),
            (-3, 20_000, "-0.0001"),
            (-7, 2, "-3.5000"),
            (5, 0, "0.0000"),
        ];
        for (numerator, denominator, expected) in rows {
            let written = Decimal::new(numerator, denominator).to_string();
            assert_eq!(written, expected, "{numerator}/{denominator}");
        }
    }
}
