//! One row of the table, in memory that is used again for the next.

use std::ops::Range;

use crate::cell::Cell;
use crate::time::Time;

/// The cells of one row; a column that was not set is missing.
#[derive(Debug, Default)]
pub(crate) struct Row {
    cells: Vec<Stored>,
    text: String,
}

/// A cell whose text lies in the row's own buffer.
#[derive(Clone, Debug)]
enum Stored {
    Plain(Cell<'static>),
    Text(Range<usize>),
    Time(Time, Range<usize>),
}

impl Row {
    pub(crate) fn clear(&mut self) {
        self.cells.clear();
        self.text.clear();
    }

    pub(crate) fn set(&mut self, column: usize, cell: Cell<'_>) {
        let stored = match cell {
            Cell::Missing => Stored::Plain(Cell::Missing),
            Cell::Boolean(value) => Stored::Plain(Cell::Boolean(value)),
            Cell::Integer(value) => Stored::Plain(Cell::Integer(value)),
            Cell::Number(value) => Stored::Plain(Cell::Number(value)),
            Cell::Nested => Stored::Plain(Cell::Nested),
            Cell::Text(text) => Stored::Text(self.keep(text)),
            Cell::Time(time, text) => Stored::Time(time, self.keep(text)),
        };
        if self.cells.len() <= column {
            self.cells.resize(column + 1, Stored::Plain(Cell::Missing));
        }
        if let Some(slot) = self.cells.get_mut(column) {
            *slot = stored;
        }
    }

    pub(crate) fn get(&self, column: usize) -> Cell<'_> {
        self.cells.get(column).map_or(Cell::Missing, |stored| self.read(stored))
    }

    pub(crate) fn cells(&self) -> impl Iterator<Item = (usize, Cell<'_>)> {
        self.cells.iter().enumerate().map(|(column, stored)| (column, self.read(stored)))
    }

    fn keep(&mut self, text: &str) -> Range<usize> {
        let start = self.text.len();
        self.text.push_str(text);
        start..self.text.len()
    }

    fn read(&self, stored: &Stored) -> Cell<'_> {
        match stored {
            Stored::Plain(cell) => *cell,
            Stored::Text(range) => Cell::Text(self.slice(range)),
            Stored::Time(time, range) => Cell::Time(*time, self.slice(range)),
        }
    }

    fn slice(&self, range: &Range<usize>) -> &str {
        self.text.get(range.clone()).unwrap_or_default()
    }
}
