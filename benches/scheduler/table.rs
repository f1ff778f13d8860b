//! Tables of figures, and whether each goal is met.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use anyhow::Result;

/// What a figure counts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Figure {
    PerSecond,
    Nanos,
    Seconds,
    /// Hundredths.
    Percent,
    Mib,
    Times,
}

/// When a figure is good enough.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    Least(f64),
    Most(f64),
}

/// One question's figures. The first column names the row.
pub(crate) struct Table {
    lines: Vec<Vec<String>>,
}

/// Every goal that was judged.
pub(crate) struct Report {
    /// A trial run's figures say nothing.
    trial: bool,
    verdicts: Vec<String>,
}

impl Figure {
    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Figure::PerSecond => format!("{}/s", thousands(value)),
            Figure::Nanos if value.abs() < 1e3 => format!("{value:.0} ns"),
            Figure::Nanos if value.abs() < 1e6 => format!("{:.1} µs", value / 1e3),
            Figure::Nanos => format!("{:.2} ms", value / 1e6),
            Figure::Seconds => format!("{value:.2} s"),
            Figure::Percent => format!("{value:.1} %"),
            Figure::Mib => format!("{value:.1} MiB"),
            Figure::Times => format!("{value:.2}×"),
        }
    }
}

/// A whole number, its digits in groups.
pub(crate) fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

impl Table {
    /// With `title` over the names.
    pub(crate) fn new(
        title: impl Into<String>,
        heads: impl IntoIterator<Item = &'static str>,
    ) -> Self {
        let heads = heads.into_iter().map(str::to_owned);
        Self { lines: vec![[title.into()].into_iter().chain(heads).collect()] }
    }

    pub(crate) fn row(&mut self, name: impl Into<String>, cells: impl IntoIterator<Item = String>) {
        self.lines.push([name.into()].into_iter().chain(cells).collect());
    }

    pub(crate) fn print(&self) -> Result<()> {
        let wide = |column: usize| {
            let cells = self.lines.iter().filter_map(|line| line.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let mut text = String::from("\n");
        for line in &self.lines {
            for (column, cell) in line.iter().enumerate() {
                let width = wide(column);
                match column {
                    0 => write!(text, "  {cell:<width$}")?,
                    _ => write!(text, "  {cell:>width$}")?,
                }
            }
            text.push('\n');
        }
        say(&text)
    }
}

impl Report {
    pub(crate) fn new(trial: bool) -> Self {
        Self { trial, verdicts: Vec::new() }
    }

    /// Whether the goal is met, for the row's last column and for the end.
    pub(crate) fn judge(
        &mut self,
        name: impl Into<String>,
        value: f64,
        figure: Figure,
        goal: Goal,
    ) -> String {
        let (met, goal) = match goal {
            Goal::Least(least) => (value >= least, format!("≥ {}", figure.show(least))),
            Goal::Most(most) => (value <= most, format!("≤ {}", figure.show(most))),
        };
        let met = match (self.trial, met) {
            (true, _) => "not judged",
            (false, true) => "met",
            (false, false) => "NOT met",
        };
        self.verdicts.push(format!("{}: {}; {goal}: {met}", name.into(), figure.show(value)));
        format!("{goal}: {met}")
    }

    pub(crate) fn print(&self) -> Result<()> {
        say("\nGoals\n")?;
        self.verdicts.iter().try_for_each(|verdict| say(&format!("  {verdict}\n")))
    }
}

/// Prints as it is, at once: a question may take a minute.
pub(crate) fn say(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// The value that this share of all lies below; of none, zero.
pub(crate) fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (values.len() as f64 * share) as usize;
    values.get(at.min(values.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// The middle value.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    quantile(values, 0.5)
}
