//! The table at the end: both figures, their ratio, and whether the goal is met.

use std::fmt;
use std::io::{self, Write};

use anyhow::Result;

/// What the figures of a row count.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Figure {
    /// Nanoseconds.
    Nanos,
    /// Kibibytes.
    Kib,
}

/// When a row is good enough.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    /// At most so many times bare wasmtime.
    Ratio(f64),
    /// At most this much, whatever bare wasmtime takes.
    Most(f64),
    /// The row only explains another.
    None,
}

struct Row {
    name: String,
    figure: Figure,
    ours: f64,
    bare: f64,
    goal: Goal,
}

/// The answers so far.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
    skipped: bool,
}

impl Report {
    pub(crate) fn add(
        &mut self,
        name: impl Into<String>,
        figure: Figure,
        (ours, bare): (f64, f64),
        goal: Goal,
    ) {
        self.rows.push(Row { name: name.into(), figure, ours, bare, goal });
    }

    /// A question was not asked, or not often enough for a median.
    pub(crate) fn skip(&mut self) {
        self.skipped = true;
    }

    /// Whether every question so far was answered.
    pub(crate) fn is_complete(&self) -> bool {
        !self.skipped
    }

    pub(crate) fn print(&self) -> Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        let (name, chimera, wasmtime) = ("", "chimera", "wasmtime");
        writeln!(out, "{name:<38} {chimera:>10} {wasmtime:>10} {:>6}  goal", "ratio")?;
        for row in &self.rows {
            writeln!(out, "{row}")?;
        }
        Ok(())
    }
}

impl Row {
    fn ratio(&self) -> f64 {
        self.ours / self.bare
    }

    fn verdict(&self) -> String {
        let (met, goal) = match self.goal {
            Goal::Ratio(most) => (self.ratio() <= most, format!("≤ {most:.1}×")),
            Goal::Most(most) => (self.ours <= most, format!("≤ {}", self.figure.show(most))),
            Goal::None => return String::new(),
        };
        format!("{goal}: {}", if met { "met" } else { "NOT met" })
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ours, bare) = (self.figure.show(self.ours), self.figure.show(self.bare));
        let (name, ratio) = (&self.name, self.ratio());
        write!(f, "{name:<38} {ours:>10} {bare:>10} {ratio:>6.2}  {}", self.verdict())
    }
}

impl Figure {
    fn show(self, value: f64) -> String {
        match self {
            Figure::Nanos if value < 1e6 => format!("{:.2} µs", value / 1e3),
            Figure::Nanos => format!("{:.2} ms", value / 1e6),
            Figure::Kib => format!("{value:.1} KiB"),
        }
    }
}

/// The middle value; of none, zero.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
