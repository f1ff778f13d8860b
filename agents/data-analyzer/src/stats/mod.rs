//! The figures, each in a file of its own.

pub(crate) mod budget;
pub(crate) mod column;
pub(crate) mod correlation;
pub(crate) mod extremes;
pub(crate) mod groups;
pub(crate) mod moments;
pub(crate) mod numbers;
pub(crate) mod outliers;
pub(crate) mod quantiles;
pub(crate) mod tally;
pub(crate) mod times;
