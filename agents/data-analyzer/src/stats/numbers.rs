//! The figures of the numbers in one column.

use chimera_agent_sdk::prelude::*;

use super::budget::Budget;
use super::extremes::Extremes;
use super::moments::Moments;
use super::outliers;
use super::quantiles::{Quantiles, Ranked};
use crate::cell::Cell;
use crate::options::Options;
use crate::report::{Distinct, NumberReport, QuantileReport, QuantileValue};

/// Beyond this, 2^53, neighbouring whole numbers fall on the same float.
const EXACT_INTEGERS: f64 = 9_007_199_254_740_992.0;

/// What is kept of a column's numbers.
#[derive(Debug)]
pub(crate) struct Numbers {
    moments: Moments,
    quantiles: Quantiles,
    extremes: Extremes,
    not_finite: u64,
    rounded: u64,
}

impl Numbers {
    pub(crate) fn new(examples: usize) -> Self {
        Self {
            moments: Moments::default(),
            quantiles: Quantiles::default(),
            extremes: Extremes::new(examples),
            not_finite: 0,
            rounded: 0,
        }
    }

    /// Infinities are counted and left out: one of them would make the mean
    /// infinite and every quantile beside it meaningless.
    pub(crate) fn push(
        &mut self,
        cell: &Cell<'_>,
        row: u64,
        budget: &mut Budget,
    ) -> Result<(), AgentError> {
        let Some(value) = cell.number() else {
            return Ok(());
        };
        if !value.is_finite() {
            self.not_finite += 1;
            return Ok(());
        }
        if value.abs() >= EXACT_INTEGERS {
            self.rounded += 1;
        }
        self.moments.push(value);
        self.extremes.push(value, row);
        self.quantiles.push(value, budget)
    }

    pub(crate) fn finish(self, options: &Options) -> (NumberReport, Distinct) {
        let ranked = self.quantiles.finish();
        let distinct = Distinct { count: ranked.distinct(), method: ranked.method() };
        let report = NumberReport {
            count: self.moments.count(),
            min: self.moments.min(),
            max: self.moments.max(),
            mean: self.moments.mean(),
            std: self.moments.standard_deviation(),
            quantiles: quantiles(&ranked, &options.quantiles),
            outliers: outliers::find(&options.outliers, &ranked, &self.moments, &self.extremes),
            not_finite: self.not_finite,
            rounded: self.rounded,
        };
        (report, distinct)
    }
}

fn quantiles(ranked: &Ranked, wanted: &[f64]) -> QuantileReport {
    QuantileReport {
        method: ranked.method(),
        rank_error: ranked.rank_error(),
        values: wanted.iter().map(|&q| QuantileValue { q, value: ranked.quantile(q) }).collect(),
    }
}
