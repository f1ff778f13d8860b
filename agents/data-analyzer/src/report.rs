//! The report, as it is written. `README.md` explains each part.
//!
//! A figure that cannot be had, such as the deviation of a single value, is
//! `null`; a part that does not apply is left out.

use std::collections::BTreeMap;

use chimera_agent_sdk::prelude::*;

use crate::cell::{Cell, ColumnType};
use crate::options::OutlierRule;

/// What is known of the data.
#[derive(Debug, Serialize)]
#[serde(crate = "serde")]
pub struct Report {
    /// Rows described.
    pub rows: u64,
    /// Rows left out because their number of fields was wrong.
    pub skipped_rows: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Each column, in the order of the data.
    pub columns: Vec<ColumnReport>,
    /// Pairs of columns of numbers.
    pub correlations: CorrelationReport,
    /// Groups of rows, where the task asked for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<GroupsReport>,
    /// What the reader should know.
    pub warnings: Vec<String>,
}

/// How a figure was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(crate = "serde", rename_all = "lowercase")]
pub enum Method {
    /// From every value.
    Exact,
    /// From a summary of bounded size: an estimate.
    Sketch,
}

/// One column.
#[derive(Debug, Serialize)]
#[serde(crate = "serde")]
pub struct ColumnReport {
    /// Its name.
    pub name: String,
    /// What its values are.
    #[serde(rename = "type")]
    pub column_type: ColumnType,
    /// Values that are there.
    pub count: u64,
    /// Values that are missing.
    pub missing: u64,
    /// Different values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distinct: Option<Distinct>,
    /// How many of each kind, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kinds: Option<Kinds>,
    /// Its numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub numbers: Option<NumberReport>,
    /// Its texts, dates and times included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub texts: Option<TextReport>,
    /// Its dates and times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<TimeReport>,
    /// Its booleans.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub booleans: Option<BooleanReport>,
}

/// A number of different values.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(crate = "serde")]
pub struct Distinct {
    /// How many.
    pub count: u64,
    /// How that was found.
    pub method: Method,
}

impl Distinct {
    /// Of two kinds of value together: an estimate as soon as one is.
    pub(crate) fn and(self, other: Self) -> Self {
        let exact = self.method == Method::Exact && other.method == Method::Exact;
        Self {
            count: self.count + other.count,
            method: if exact { Method::Exact } else { Method::Sketch },
        }
    }
}

/// How many values of each kind.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(crate = "serde")]
pub struct Kinds {
    integer: u64,
    number: u64,
    boolean: u64,
    date: u64,
    datetime: u64,
    text: u64,
    nested: u64,
}

impl Kinds {
    pub(crate) fn count(&mut self, cell: &Cell<'_>) {
        match cell {
            Cell::Missing => {}
            Cell::Boolean(_) => self.boolean += 1,
            Cell::Integer(_) => self.integer += 1,
            Cell::Number(_) => self.number += 1,
            Cell::Time(time, _) if time.has_clock => self.datetime += 1,
            Cell::Time(..) => self.date += 1,
            Cell::Text(_) => self.text += 1,
            Cell::Nested => self.nested += 1,
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.numeric() + self.temporal() + self.boolean + self.text + self.nested
    }

    fn numeric(&self) -> u64 {
        self.integer + self.number
    }

    fn temporal(&self) -> u64 {
        self.date + self.datetime
    }

    /// The one type that takes in every value, if there is one.
    pub(crate) fn column_type(&self) -> ColumnType {
        let total = self.total();
        let types = [
            (0, ColumnType::Empty),
            (self.integer, ColumnType::Integer),
            (self.numeric(), ColumnType::Number),
            (self.boolean, ColumnType::Boolean),
            (self.date, ColumnType::Date),
            (self.temporal(), ColumnType::Datetime),
            (self.text, ColumnType::Text),
            (self.nested, ColumnType::Nested),
        ];
        let fitting = types.into_iter().find(|(count, _)| *count == total);
        fitting.map_or(ColumnType::Mixed, |(_, column_type)| column_type)
    }
}

/// Figures of numbers.
#[derive(Debug, Serialize)]
#[serde(crate = "serde")]
pub struct NumberReport {
    /// Finite numbers.
    pub count: u64,
    /// The least.
    pub min: Option<f64>,
    /// The greatest.
    pub max: Option<f64>,
    /// The arithmetic mean.
    pub mean: Option<f64>,
    /// The standard deviation of a sample.
    pub std: Option<f64>,
    /// The quantiles that the task asked for.
    pub quantiles: QuantileReport,
    /// What lies far out, by each rule that could be applied.
    pub outliers: Vec<OutlierReport>,
    /// Infinities, left out of all figures.
    pub not_finite: u64,
    /// Numbers of 2^53 and beyond, which the figures take as the nearest float.
    pub rounded: u64,
}

/// Quantiles.
#[derive(Debug, Serialize)]
#[serde(crate = "serde")]
pub struct QuantileReport {
    /// How they were found.
    pub method: Method,
    /// By how much of the count the rank of a value may be off, with 99 % probability.
    pub rank_error: f64,
    /// In ascending order.
    pub values: Vec<QuantileValue>,
}

/// One quantile.
#[derive(Debug, Serialize)]
#[serde(crate = "serde")]
pub struct QuantileValue {
    /// The share of values below it.
    pub q: f64,
    /// Where it lies.
    pub value: Option<f64>,
}

/// What lies far out by one rule.
#[derive(Debug, Serialize)]
#[serde(crate = "serde")]
pub struct OutlierReport {
    /// The rule.
    pub rule: OutlierRule,
    /// Values below this are far out.
    pub lower: f64,
    /// Values above this are far out.
    pub upper: f64,
    /// How many lie below.
    pub below: u64,
    /// How many lie above.
    pub above: u64,
    /// How the counts were found.
    pub method: Method,
    /// The outermost ones.
    pub examples: Vec<Example>,
}

/// A value and where it stands.
#[derive(Debug, Serialize)]
#[serde(crate = "serde")]
pub struct Example {
    /// The row, counted from 1 without the header.
    pub row: u64,
    /// The value.
    pub value: f64,
}

/// Figures of texts.
#[derive(Debug, Serialize)]
#[serde(crate = "serde")]
pub struct TextReport {
    /// Texts.
    pub count: u64,
    /// How the counts were found.
    pub method: Method,
    /// By how much a count may be too high.
    pub overcount: u64,
    /// The most frequent.
    pub top: Vec<TopText>,
}

/// A frequent text.
#[derive(Debug, Serialize)]
#[serde(crate = "serde")]
pub struct TopText {
    /// The text; a long one by its beginning, length and fingerprint.
    pub value: String,
    /// How often it occurs.
    pub count: u64,
}

/// Figures of dates and times.
#[derive(Debug, Serialize)]
#[serde(crate = "serde")]
pub struct TimeReport {
    /// Dates and times.
    pub count: u64,
    /// The earliest, as it is written.
    pub earliest: String,
    /// The latest, as it is written.
    pub latest: String,
    /// Days from the one to the other.
    pub span_days: f64,
}

/// Figures of booleans.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(crate = "serde")]
pub struct BooleanReport {
    /// How many are true.
    #[serde(rename = "true")]
    pub yes: u64,
    /// How many are false.
    #[serde(rename = "false")]
    pub no: u64,
}

impl BooleanReport {
    pub(crate) fn count(&mut self, value: bool) {
        if value {
            self.yes += 1;
        } else {
            self.no += 1;
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.yes + self.no
    }

    pub(crate) fn distinct(&self) -> Option<Distinct> {
        (self.total() > 0).then(|| Distinct {
            count: u64::from(self.yes > 0) + u64::from(self.no > 0),
            method: Method::Exact,
        })
    }
}

/// Correlations.
#[derive(Debug, Serialize)]
#[serde(crate = "serde")]
pub struct CorrelationReport {
    /// Each pair of columns of numbers.
    pub pairs: Vec<PairReport>,
    /// Columns of numbers that were not correlated: there are too many.
    pub omitted: Vec<String>,
}

/// One pair.
#[derive(Debug, Serialize)]
#[serde(crate = "serde")]
pub struct PairReport {
    /// One column.
    pub x: String,
    /// The other.
    pub y: String,
    /// Pearson's coefficient.
    pub r: Option<f64>,
    /// Rows in which both are there.
    pub count: u64,
}

/// Groups of rows.
#[derive(Debug, Serialize)]
#[serde(crate = "serde")]
pub struct GroupsReport {
    /// The columns that the rows are grouped by.
    pub by: Vec<String>,
    /// The groups, largest first.
    pub groups: Vec<GroupReport>,
    /// Rows of groups for which there was no room.
    pub overflow_rows: u64,
}

/// One group.
#[derive(Debug, Serialize)]
#[serde(crate = "serde")]
pub struct GroupReport {
    /// What its rows have in common; `null` for a missing value.
    pub key: BTreeMap<String, Value>,
    /// How many rows it has.
    pub rows: u64,
    /// The numbers of each column.
    pub numbers: BTreeMap<String, GroupNumbers>,
}

/// The numbers of one column in one group.
#[derive(Debug, Serialize)]
#[serde(crate = "serde")]
pub struct GroupNumbers {
    /// Finite numbers.
    pub count: u64,
    /// The least.
    pub min: Option<f64>,
    /// The greatest.
    pub max: Option<f64>,
    /// The arithmetic mean.
    pub mean: Option<f64>,
    /// The standard deviation of a sample.
    pub std: Option<f64>,
}
