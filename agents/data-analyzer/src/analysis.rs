//! The state that grows into the report: one pass, each row seen once.

use chimera_agent_sdk::prelude::*;

use crate::columns::Columns;
use crate::options::Options;
use crate::report::{ColumnReport, Report};
use crate::row::Row;
use crate::stats::budget::Budget;
use crate::stats::column::Column;
use crate::stats::correlation::Correlations;
use crate::stats::groups::Groups;

/// More warnings than this are counted, not told.
const MAX_WARNINGS: usize = 20;

/// Everything that is kept of the rows seen so far.
#[derive(Debug)]
pub(crate) struct Analysis {
    options: Options,
    columns: Columns,
    stats: Vec<Column>,
    correlations: Correlations,
    groups: Groups,
    budget: Budget,
    rows: u64,
    skipped_rows: u64,
    warnings: Vec<String>,
}

impl Analysis {
    pub(crate) fn new(options: Options) -> Self {
        Self {
            columns: Columns::new(options.limits.columns),
            stats: Vec::new(),
            correlations: Correlations::new(options.limits.correlated_columns),
            groups: Groups::new(options.limits.groups),
            budget: Budget::new(&options.limits),
            rows: 0,
            skipped_rows: 0,
            warnings: Vec::new(),
            options,
        }
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    pub(crate) fn columns(&self) -> &Columns {
        &self.columns
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    pub(crate) fn skip_row(&mut self) {
        self.skipped_rows += 1;
    }

    pub(crate) fn warn(&mut self, warning: String) {
        if self.warnings.len() < MAX_WARNINGS {
            self.warnings.push(warning);
        }
    }

    /// Takes a CSV header, and refuses at once what can only fail later.
    pub(crate) fn add_header<'a>(
        &mut self,
        names: impl Iterator<Item = &'a str>,
    ) -> Result<(), AgentError> {
        let with_header = self.options.csv.header;
        let changes = self.columns.add_header(names)?;
        for change in changes.into_iter().filter(|_| with_header) {
            self.warn(change);
        }
        self.grow();
        self.require_columns()
    }

    /// The column of this name, new where there was none.
    pub(crate) fn column(&mut self, name: &str) -> Result<usize, AgentError> {
        let number = self.columns.intern(name)?;
        self.grow();
        Ok(number)
    }

    /// Takes one row.
    pub(crate) fn push(&mut self, row: &Row) -> Result<(), AgentError> {
        self.rows += 1;
        for (number, cell) in row.cells() {
            if let Some(column) = self.stats.get_mut(number) {
                column.push(&cell, self.rows, &mut self.budget)?;
            }
        }
        self.correlations.push(row, &self.stats);
        self.groups.push(row, &self.stats);
        Ok(())
    }

    /// What is known after the last row.
    pub(crate) fn finish(mut self, bytes: u64) -> Result<Report, AgentError> {
        self.require_columns()?;
        let described = self.stats.iter().filter(|column| column.described).count();
        let correlations = self.correlations.finish(&self.columns, &self.stats);
        let groups = self.groups.finish(&self.columns);
        let mut columns = Vec::with_capacity(described);
        for (number, column) in self.stats.drain(..).enumerate() {
            if column.described {
                columns.push(describe(&self.columns, number, column, self.rows, &self.options));
            }
        }
        Ok(Report {
            rows: self.rows,
            skipped_rows: self.skipped_rows,
            bytes,
            columns,
            correlations,
            groups,
            warnings: self.warnings,
        })
    }

    /// A selection or grouping by a column that is not there is a mistake, not
    /// an empty result. Without rows there is nothing to hold it against.
    fn require_columns(&self) -> Result<(), AgentError> {
        if self.columns.names().is_empty() {
            return Ok(());
        }
        if let Some(wanted) = &self.options.columns {
            self.columns.require("columns", wanted)?;
        }
        self.columns.require("group_by", &self.options.group_by)
    }

    /// Gives each new name the place for its figures.
    fn grow(&mut self) {
        let known = self.stats.len();
        for (number, name) in self.columns.names().iter().enumerate().skip(known) {
            let selected = self.options.columns.as_ref();
            let described = selected.is_none_or(|wanted| wanted.contains(name));
            self.stats.push(Column::new(described, &self.options));
            if let Some(place) = self.options.group_by.iter().position(|by| by == name) {
                self.groups.group_by(place, number);
            }
        }
    }
}

fn describe(
    columns: &Columns,
    number: usize,
    column: Column,
    rows: u64,
    options: &Options,
) -> ColumnReport {
    column.finish(columns.name(number).to_owned(), rows, options)
}
