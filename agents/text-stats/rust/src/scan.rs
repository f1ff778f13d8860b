//! One pass over a text: tokens, sentences, scripts.

use std::collections::HashMap;

use crate::tables::Tables;

/// Longer words than this count as long (LIX).
const SHORT_WORD: u64 = 6;
/// Progress is reported each time this many characters are done.
const PROGRESS_CHARACTERS: u64 = 65_536;

const APOSTROPHE: char = '\'';
const QUOTE: char = '\u{2019}';

/// What there is in a text.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub characters: u64,
    pub tokens: u64,
    pub word_characters: u64,
    pub long_words: u64,
    pub sentences: u64,
    pub terms: HashMap<String, u64>,
    /// Word characters by the number of their script.
    pub scripts: Vec<u64>,
}

/// A word as its token is counted: in lower case, with one kind of apostrophe.
pub(crate) fn fold(word: &str, tables: &Tables) -> String {
    word.chars().map(|c| if c == QUOTE { APOSTROPHE } else { tables.lower(c) }).collect()
}

/// Counts what there is in a text; nothing where it has more than `most`
/// distinct tokens. `progress` is called with how much of it is done.
pub(crate) fn scan(
    text: &str,
    tables: &Tables,
    most: usize,
    progress: impl Fn(f64),
) -> Option<Counts> {
    let characters = text.chars().count() as u64;
    let mut scanner = Scanner::new(tables, characters);
    let mut rest = text.chars().peekable();
    let mut at = 0;
    while let Some(c) = rest.next() {
        if at > 0 && at % PROGRESS_CHARACTERS == 0 {
            progress(at as f64 / characters as f64);
        }
        scanner.take(c, rest.peek().copied());
        // Looked at here and not when a token ends, so that the scan has one way out.
        if scanner.counts.terms.len() > most {
            return None;
        }
        at += 1;
    }
    scanner.end_token();
    scanner.end_sentence();
    Some(scanner.counts).filter(|counts| counts.terms.len() <= most)
}

struct Scanner<'a> {
    tables: &'a Tables,
    counts: Counts,
    token: String,
    token_characters: u64,
    /// Whether the sentence has a token.
    open: bool,
    /// Since the last character that is no white space.
    newlines: u32,
}

impl<'a> Scanner<'a> {
    fn new(tables: &'a Tables, characters: u64) -> Self {
        let scripts = vec![0; tables.scripts().len()];
        let counts = Counts { characters, scripts, ..Counts::default() };
        Self { tables, counts, token: String::new(), token_characters: 0, open: false, newlines: 0 }
    }

    fn take(&mut self, c: char, next: Option<char>) {
        match self.tables.script_of(c) {
            Some(script) => self.take_word(c, script),
            None => self.take_other(c, next),
        }
    }

    fn take_word(&mut self, c: char, script: usize) {
        if let Some(count) = self.counts.scripts.get_mut(script) {
            *count += 1;
        }
        self.newlines = 0;
        let single = self.tables.is_single(script);
        if single {
            self.end_token();
        }
        self.push(self.tables.lower(c));
        if single {
            self.end_token();
        }
    }

    fn take_other(&mut self, c: char, next: Option<char>) {
        let next_script = next.and_then(|next| self.tables.script_of(next));
        if matches!(c, APOSTROPHE | QUOTE) {
            self.newlines = 0;
            let joins = next_script.is_some_and(|script| !self.tables.is_single(script));
            if joins && !self.token.is_empty() {
                self.push(APOSTROPHE);
            } else {
                self.end_token();
            }
            return;
        }
        self.end_token();
        match c {
            '\n' => {
                self.newlines += 1;
                if self.newlines == 2 {
                    self.end_sentence();
                }
            }
            ' ' | '\t' | '\r' => {}
            _ => {
                self.newlines = 0;
                let inside = c == '.' && next_script.is_some(); // 3.14
                if self.tables.is_stop(c) && !inside {
                    self.end_sentence();
                }
            }
        }
    }

    fn push(&mut self, c: char) {
        self.token.push(c);
        self.token_characters += 1;
    }

    fn end_token(&mut self) {
        if self.token.is_empty() {
            return;
        }
        self.counts.tokens += 1;
        self.counts.word_characters += self.token_characters;
        self.counts.long_words += u64::from(self.token_characters > SHORT_WORD);
        // A known term needs no text of its own.
        match self.counts.terms.get_mut(&self.token) {
            Some(count) => *count += 1,
            None => {
                self.counts.terms.insert(self.token.clone(), 1);
            }
        }
        self.token.clear();
        self.token_characters = 0;
        self.open = true;
    }

    fn end_sentence(&mut self) {
        self.counts.sentences += u64::from(self.open);
        self.open = false;
    }
}
