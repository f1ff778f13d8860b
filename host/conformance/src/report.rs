//! What a check found, line by line.

use std::collections::BTreeMap;
use std::fmt;

use chimera_layer4_core::Digest;
use serde::Serialize;

use super::checks::Check;

/// Characters of a reason that are kept: a guest's words may be in it.
const MOST_REASON: usize = 1_000;

/// How a line came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As the contract says.
    Pass,
    /// Allowed, and worth a look.
    Warn,
    /// Against the contract.
    Fail,
    /// It did not come to it; no failure.
    NotSeen,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::Pass => "pass",
            Verdict::Warn => "warn",
            Verdict::Fail => "fail",
            Verdict::NotSeen => "not seen",
        })
    }
}

/// One line, and why it is so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// What was looked at.
    pub check: Check,
    /// How it came out.
    pub verdict: Verdict,
    /// What was found, and for what is wrong what to do.
    pub reason: String,
}

/// All that a check found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The component.
    pub genome: Digest,
    /// One line for each of [`Check::ALL`], in that order.
    pub lines: Vec<Line>,
    /// Calls of `execute-task`.
    pub tasks: u64,
    /// Wall time of the check, in seconds, without loading the component.
    pub seconds: f64,
}

impl Report {
    /// Whether nothing is against the contract.
    #[must_use]
    pub fn conforms(&self) -> bool {
        self.count(Verdict::Fail) == 0
    }

    /// Lines that came out so.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.lines.iter().filter(|line| line.verdict == verdict).count()
    }
}

/// The lines so far. Of several results of one check the worst stays.
#[derive(Debug, Default)]
pub(super) struct Lines(BTreeMap<Check, Line>);

impl Lines {
    pub(super) fn pass(&mut self, check: Check, reason: impl Into<String>) {
        self.set(check, Verdict::Pass, reason.into());
    }

    pub(super) fn warn(&mut self, check: Check, reason: impl Into<String>) {
        self.set(check, Verdict::Warn, reason.into());
    }

    pub(super) fn fail(&mut self, check: Check, reason: impl Into<String>) {
        self.set(check, Verdict::Fail, reason.into());
    }

    pub(super) fn not_seen(&mut self, check: Check, reason: impl Into<String>) {
        self.set(check, Verdict::NotSeen, reason.into());
    }

    fn set(&mut self, check: Check, verdict: Verdict, reason: String) {
        let badness = |verdict| match verdict {
            Verdict::NotSeen => 0,
            Verdict::Pass => 1,
            Verdict::Warn => 2,
            Verdict::Fail => 3,
        };
        let known = self.0.get(&check).map(|line| badness(line.verdict));
        if known.is_none_or(|known| known < badness(verdict)) {
            let reason = cut(&reason, MOST_REASON);
            self.0.insert(check, Line { check, verdict, reason });
        }
    }

    /// One for each check; those that were not come to are not seen.
    pub(super) fn all(mut self) -> Vec<Line> {
        let started = self.0.get(&Check::Start).is_some_and(|line| line.verdict == Verdict::Pass);
        let reason = if started { "something before it went wrong" } else { "it does not start" };
        let absent = |check| Line { check, verdict: Verdict::NotSeen, reason: reason.to_owned() };
        let each = Check::ALL.into_iter();
        each.map(|check| self.0.remove(&check).unwrap_or_else(|| absent(check))).collect()
    }
}

/// At the most so many characters of a text.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_a_line_stays_and_the_rest_is_not_seen() {
        let mut lines = Lines::default();
        lines.not_seen(Check::Soak, "no");
        lines.pass(Check::Soak, "one");
        lines.fail(Check::Soak, "two");
        lines.fail(Check::Soak, "three");
        lines.warn(Check::Soak, "four");
        let all = lines.all();
        assert_eq!(all.len(), Check::ALL.len());
        let soak = all.iter().find(|line| line.check == Check::Soak).unwrap();
        assert_eq!((soak.verdict, soak.reason.as_str()), (Verdict::Fail, "two"));
        assert_eq!(all[0].reason, "it does not start");
    }

    #[test]
    fn a_reason_is_bounded() {
        assert_eq!(cut("ééé", 2), "éé…");
        assert_eq!(cut("ééé", 3), "ééé");
    }
}
