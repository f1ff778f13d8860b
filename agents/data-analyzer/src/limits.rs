//! How much of the data is kept, so that memory does not grow with its size.
//!
//! With the defaults a usual table takes some 10 MB, whatever its length, and
//! 256 columns of the most expensive kinds stay below 64 MB, the code's own
//! memory included. A payload that carries the data itself comes on top.

use chimera_agent_sdk::prelude::*;

/// What may be kept. An operator sets the ceiling with the parameter `limits`;
/// a task may ask for less.
#[derive(Clone, Debug, Deserialize)]
#[serde(crate = "serde", default, deny_unknown_fields)]
pub(crate) struct Limits {
    /// Columns of the table.
    pub columns: usize,
    /// Numbers kept for exact quantiles, over all columns together.
    pub exact_values: usize,
    /// Distinct texts counted exactly, in one column.
    pub distinct_texts: usize,
    /// Groups of a `group_by`.
    pub groups: usize,
    /// Columns of numbers that are correlated with each other.
    pub correlated_columns: usize,
    /// Most frequent texts reported of one column.
    pub top: usize,
    /// Outliers shown for one rule and column.
    pub examples: usize,
    /// Bytes of one row.
    pub row_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            columns: 256,
            exact_values: 500_000,
            distinct_texts: 4_096,
            groups: 100,
            correlated_columns: 16,
            top: 10,
            examples: 5,
            row_bytes: 1 << 20,
        }
    }
}

impl Limits {
    /// A table without columns or rows without bytes cannot be read.
    pub(crate) fn checked(self) -> Result<Self, AgentError> {
        for (name, value) in [("columns", self.columns), ("row_bytes", self.row_bytes)] {
            if value == 0 {
                return Err(AgentError::invalid_input(format_args!(
                    "`limits.{name}` is 0: at least 1 is needed to read anything"
                )));
            }
        }
        Ok(self)
    }

    /// The lesser of each.
    pub(crate) fn within(&self, ceiling: &Self) -> Self {
        Self {
            columns: self.columns.min(ceiling.columns),
            exact_values: self.exact_values.min(ceiling.exact_values),
            distinct_texts: self.distinct_texts.min(ceiling.distinct_texts),
            groups: self.groups.min(ceiling.groups),
            correlated_columns: self.correlated_columns.min(ceiling.correlated_columns),
            top: self.top.min(ceiling.top),
            examples: self.examples.min(ceiling.examples),
            row_bytes: self.row_bytes.min(ceiling.row_bytes),
        }
    }
}
