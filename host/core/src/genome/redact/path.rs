//! A path into a JSON value: the part of JSONPath (RFC 9535) that says where
//! something lies, without filters and slices.
//!
//! Read here and not by a crate: one answers with references to what one path
//! finds, and here one walk follows all paths and replaces what they find.

use std::fmt;
use std::str::FromStr;

/// Steps of a path.
pub const MOST_STEPS: usize = 32;
/// What an error shows of a path.
const MOST_SHOWN: usize = 100;

/// The first step of every path.
pub(super) const START: u64 = 1;

/// A path that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    text: String,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// `.name` or `['name']`.
    Member(String),
    /// `[3]`.
    Item(usize),
    /// `[*]` or `.*`.
    Each,
    /// `..name`: a member of that name, here or in anything below.
    Anywhere(String),
}

/// How one gets from a value to one within it.
#[derive(Clone, Copy)]
pub(super) enum Key<'a> {
    Member(&'a str),
    Item(usize),
}

impl Path {
    /// Whether the steps reached are all there are.
    pub(super) fn ends_at(&self, reached: u64) -> bool {
        reached >> self.steps.len() & 1 == 1
    }

    /// The steps that are reached within a value, from those reached at it.
    pub(super) fn next(&self, reached: u64, key: Key<'_>) -> u64 {
        let mut next = 0;
        for (index, step) in self.steps.iter().enumerate() {
            if reached >> index & 1 == 0 {
                continue;
            }
            let taken = match (step, key) {
                (Step::Member(wanted) | Step::Anywhere(wanted), Key::Member(name)) => {
                    wanted == name
                }
                (Step::Item(wanted), Key::Item(index)) => *wanted == index,
                (Step::Each, Key::Member(_) | Key::Item(_)) => true,
                (Step::Member(_) | Step::Anywhere(_), Key::Item(_))
                | (Step::Item(_), Key::Member(_)) => false,
            };
            if taken {
                next |= START << (index + 1);
            }
            if matches!(step, Step::Anywhere(_)) {
                next |= START << index;
            }
        }
        next
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A text that is not a path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{path:?} is not a path: at character {at} {problem}; allowed are `$.name`, `$['any name']`, `$.items[0]`, `$.items[*]`, `$..name` and what they add up to"
)]
pub struct InvalidPath {
    /// Its beginning.
    pub path: String,
    /// Where reading ended, counted from one.
    pub at: usize,
    /// What is wrong there.
    pub problem: &'static str,
}

impl FromStr for Path {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        let mut rest = text;
        match steps(&mut rest) {
            Ok(steps) => Ok(Self { text: text.to_owned(), steps }),
            Err(problem) => Err(InvalidPath {
                path: text.chars().take(MOST_SHOWN).collect(),
                at: text.chars().count() - rest.chars().count() + 1,
                problem,
            }),
        }
    }
}

/// Takes steps off the front of `rest`, which on an error begins where it is.
fn steps(rest: &mut &str) -> Result<Vec<Step>, &'static str> {
    if !take(rest, "$") {
        return Err("it does not begin with `$`");
    }
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if steps.len() >= MOST_STEPS {
            return Err("it has more than 32 steps");
        }
        steps.push(step(rest)?);
    }
    Ok(steps)
}

fn step(rest: &mut &str) -> Result<Step, &'static str> {
    if take(rest, "..") {
        Ok(Step::Anywhere(name(rest)?))
    } else if take(rest, ".*") || take(rest, "[*]") {
        Ok(Step::Each)
    } else if take(rest, ".") {
        Ok(Step::Member(name(rest)?))
    } else if take(rest, "['") {
        let (name, after) = rest.split_once("']").ok_or("the name has no end (`']`)")?;
        *rest = after;
        Ok(Step::Member(name.to_owned()))
    } else if take(rest, "[") {
        let (number, after) = rest.split_once(']').ok_or("the bracket has no end (`]`)")?;
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let number = number.parse().ok().filter(|_| is_number);
        let number = number.ok_or("the bracket holds neither a number, `*`, nor a 'name'")?;
        *rest = after;
        Ok(Step::Item(number))
    } else {
        Err("a step begins with neither `.` nor `[`")
    }
}

/// A name without quotes: anything but what ends or begins a step, and what is
/// more likely a mistake than part of a name.
fn name(rest: &mut &str) -> Result<String, &'static str> {
    let ends = |c: char| c.is_whitespace() || ".[]*'\"$".contains(c);
    let (name, after) = rest.split_at(rest.find(ends).unwrap_or(rest.len()));
    if name.is_empty() {
        return Err("there is no name");
    }
    *rest = after;
    Ok(name.to_owned())
}

fn take(rest: &mut &str, prefix: &str) -> bool {
    let after = rest.strip_prefix(prefix);
    *rest = after.unwrap_or(rest);
    after.is_some()
}
