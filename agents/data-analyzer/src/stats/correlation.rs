//! Pearson's correlation of each pair of columns of numbers.
//!
//! A pair uses the rows in which both are there, as pandas does. The pairs grow
//! with the square of the columns, so only the first so many are followed; the
//! others are named in the report.

use super::column::Column;
use crate::columns::Columns;
use crate::report::{CorrelationReport, PairReport};
use crate::row::Row;

/// All pairs of the columns that are followed.
#[derive(Debug)]
pub(crate) struct Correlations {
    /// Columns in the order in which their first number came.
    followed: Vec<usize>,
    /// The pair of places `low < high` lies at `high · (high − 1) / 2 + low`, so
    /// a new column adds its pairs at the end.
    pairs: Vec<Pair>,
    limit: usize,
}

impl Correlations {
    pub(crate) fn new(limit: usize) -> Self {
        Self { followed: Vec::new(), pairs: Vec::new(), limit }
    }

    pub(crate) fn push(&mut self, row: &Row, columns: &[Column]) {
        self.follow(row, columns);
        let numbers = self.followed.iter().map(|column| finite(row, *column));
        let numbers: Vec<Option<f64>> = numbers.collect();
        let mut pairs = self.pairs.iter_mut();
        for (high, y) in numbers.iter().enumerate() {
            for (x, pair) in numbers.iter().take(high).zip(&mut pairs) {
                if let (Some(x), Some(y)) = (x, y) {
                    pair.push(*x, *y);
                }
            }
        }
    }

    fn follow(&mut self, row: &Row, columns: &[Column]) {
        for (number, column) in columns.iter().enumerate() {
            if self.followed.len() == self.limit {
                return;
            }
            let is_new = column.described && !self.followed.contains(&number);
            if is_new && finite(row, number).is_some() {
                let pairs = self.followed.len();
                self.pairs.extend(std::iter::repeat_n(Pair::default(), pairs));
                self.followed.push(number);
            }
        }
    }

    /// A column that turned out not to be of numbers is left out.
    pub(crate) fn finish(&self, columns: &Columns, stats: &[Column]) -> CorrelationReport {
        let is_numeric = |number: usize| stats.get(number).is_some_and(Column::is_numeric);
        let places = self.followed.iter().enumerate();
        let in_order =
            places.flat_map(|(high, y)| self.followed.iter().take(high).map(move |x| (x, y)));
        let pairs = in_order
            .zip(&self.pairs)
            .filter(|((x, y), _)| is_numeric(**x) && is_numeric(**y))
            .map(|((x, y), pair)| PairReport {
                x: columns.name(*x).to_owned(),
                y: columns.name(*y).to_owned(),
                r: pair.correlation(),
                count: pair.count,
            });
        let omitted = (0..stats.len())
            .filter(|number| is_numeric(*number) && !self.followed.contains(number))
            .map(|number| columns.name(number).to_owned());
        CorrelationReport { pairs: pairs.collect(), omitted: omitted.collect() }
    }
}

fn finite(row: &Row, column: usize) -> Option<f64> {
    row.get(column).number().filter(|value| value.is_finite())
}

/// Welford's recurrence for two.
#[derive(Clone, Copy, Debug, Default)]
struct Pair {
    count: u64,
    mean_x: f64,
    mean_y: f64,
    squares_x: f64,
    squares_y: f64,
    products: f64,
}

impl Pair {
    fn push(&mut self, x: f64, y: f64) {
        self.count += 1;
        let count = self.count as f64;
        let (from_x, from_y) = (x - self.mean_x, y - self.mean_y);
        self.mean_x += from_x / count;
        self.mean_y += from_y / count;
        self.squares_x += from_x * (x - self.mean_x);
        self.squares_y += from_y * (y - self.mean_y);
        self.products += from_x * (y - self.mean_y);
    }

    /// None where one of them does not vary. The roots are taken apart: their
    /// product may be a float where the product of the squares is not.
    fn correlation(&self) -> Option<f64> {
        let scale = self.squares_x.sqrt() * self.squares_y.sqrt();
        let r = self.products / scale;
        (self.count > 1 && scale > 0.0 && r.is_finite()).then(|| r.clamp(-1.0, 1.0))
    }
}
