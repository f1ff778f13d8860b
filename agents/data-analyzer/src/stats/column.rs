//! Everything about one column.
//!
//! A column's type is known only at the end, so each kind of value goes to its
//! own figures, and those that a column never needs are never made.

use chimera_agent_sdk::prelude::*;

use super::budget::Budget;
use super::numbers::Numbers;
use super::tally::Tally;
use super::times::Times;
use crate::cell::{Cell, ColumnType};
use crate::options::Options;
use crate::report::{BooleanReport, ColumnReport, Kinds};

/// What is kept of one column.
#[derive(Debug)]
pub(crate) struct Column {
    /// Whether the report shows it, or it is only grouped by.
    pub described: bool,
    kinds: Kinds,
    booleans: BooleanReport,
    numbers: Option<Box<Numbers>>,
    texts: Option<Box<Tally>>,
    times: Option<Box<Times>>,
    examples: usize,
    distinct_texts: usize,
}

impl Column {
    pub(crate) fn new(described: bool, options: &Options) -> Self {
        Self {
            described,
            kinds: Kinds::default(),
            booleans: BooleanReport::default(),
            numbers: None,
            texts: None,
            times: None,
            examples: options.limits.examples,
            distinct_texts: options.limits.distinct_texts,
        }
    }

    pub(crate) fn push(
        &mut self,
        cell: &Cell<'_>,
        row: u64,
        budget: &mut Budget,
    ) -> Result<(), AgentError> {
        if !self.described {
            return Ok(());
        }
        self.kinds.count(cell);
        match cell {
            Cell::Missing | Cell::Nested => Ok(()),
            Cell::Boolean(value) => {
                self.booleans.count(*value);
                Ok(())
            }
            Cell::Integer(_) | Cell::Number(_) => {
                let room = self.examples;
                let numbers = self.numbers.get_or_insert_with(|| Box::new(Numbers::new(room)));
                numbers.push(cell, row, budget)
            }
            Cell::Text(text) => self.tally(text, budget),
            Cell::Time(time, text) => {
                self.times.get_or_insert_default().push(time, text);
                self.tally(text, budget)
            }
        }
    }

    /// Dates are tallied as well: they are counted and may repeat.
    fn tally(&mut self, text: &str, budget: &mut Budget) -> Result<(), AgentError> {
        let room = self.distinct_texts;
        self.texts.get_or_insert_with(|| Box::new(Tally::new(room))).push(text, budget)
    }

    /// Whether all that the column holds is numbers.
    pub(crate) fn is_numeric(&self) -> bool {
        matches!(self.kinds.column_type(), ColumnType::Integer | ColumnType::Number)
    }

    pub(crate) fn finish(self, name: String, rows: u64, options: &Options) -> ColumnReport {
        let column_type = self.kinds.column_type();
        let count = self.kinds.total();
        let numbers = self.numbers.map(|numbers| numbers.finish(options));
        let texts = self.texts.map(|texts| texts.finish(options.limits.top));
        let distinct = [numbers.as_ref().map(|n| n.1), texts.as_ref().map(|t| t.1)];
        ColumnReport {
            name,
            column_type,
            count,
            missing: rows - count,
            distinct: distinct
                .into_iter()
                .flatten()
                .chain(self.booleans.distinct())
                .reduce(|a, b| a.and(b)),
            kinds: (column_type == ColumnType::Mixed).then_some(self.kinds),
            numbers: numbers.map(|numbers| numbers.0),
            texts: texts.map(|texts| texts.0),
            times: self.times.and_then(|times| times.finish()),
            booleans: (self.booleans.total() > 0).then_some(self.booleans),
        }
    }
}
