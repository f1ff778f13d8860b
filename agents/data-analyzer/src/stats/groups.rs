//! The numbers of each column, apart for each group of rows.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use chimera_agent_sdk::prelude::*;

use super::column::Column;
use super::moments::Moments;
use super::tally::bounded;
use crate::cell::Cell;
use crate::columns::Columns;
use crate::report::{GroupNumbers, GroupReport, GroupsReport};
use crate::row::Row;

/// The groups met so far, up to a limit.
#[derive(Debug)]
pub(crate) struct Groups {
    /// Columns to group by, in the order of the task; none before it was met.
    by: Vec<Option<usize>>,
    numbers: HashMap<String, usize>,
    groups: Vec<Group>,
    limit: usize,
    overflow_rows: u64,
    key: String,
}

#[derive(Debug)]
struct Group {
    labels: Vec<Value>,
    rows: u64,
    columns: BTreeMap<usize, Moments>,
}

impl Groups {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            by: Vec::new(),
            numbers: HashMap::new(),
            groups: Vec::new(),
            limit,
            overflow_rows: 0,
            key: String::new(),
        }
    }

    /// Says which column stands at a place of `group_by`.
    pub(crate) fn group_by(&mut self, place: usize, column: usize) {
        if self.by.len() <= place {
            self.by.resize(place + 1, None);
        }
        if let Some(slot) = self.by.get_mut(place) {
            *slot = Some(column);
        }
    }

    pub(crate) fn push(&mut self, row: &Row, columns: &[Column]) {
        if self.by.is_empty() {
            return;
        }
        let Some(group) = self.find(row) else {
            self.overflow_rows += 1;
            return;
        };
        group.rows += 1;
        for (column, cell) in row.cells() {
            let described = columns.get(column).is_some_and(|column| column.described);
            let value = cell.number().filter(|value| described && value.is_finite());
            if let Some(value) = value {
                group.columns.entry(column).or_default().push(value);
            }
        }
    }

    /// The group of a row, new where there is room for one.
    fn find(&mut self, row: &Row) -> Option<&mut Group> {
        let cells = |column: &Option<usize>| column.map_or(Cell::Missing, |column| row.get(column));
        self.key.clear();
        for cell in self.by.iter().map(cells) {
            write_key(&mut self.key, &cell);
        }
        if let Some(number) = self.numbers.get(&self.key) {
            return self.groups.get_mut(*number);
        }
        if self.groups.len() == self.limit {
            return None;
        }
        self.numbers.insert(self.key.clone(), self.groups.len());
        self.groups.push(Group {
            labels: self.by.iter().map(|column| label(&cells(column))).collect(),
            rows: 0,
            columns: BTreeMap::new(),
        });
        self.groups.last_mut()
    }

    /// None where the task does not group. Largest groups first.
    pub(crate) fn finish(mut self, columns: &Columns) -> Option<GroupsReport> {
        if self.by.is_empty() {
            return None;
        }
        let by = self.by.iter().flatten();
        let by: Vec<String> = by.map(|column| columns.name(*column).to_owned()).collect();
        self.groups.sort_by_key(|group| std::cmp::Reverse(group.rows));
        let groups = self.groups.into_iter().map(|group| report(group, &by, columns));
        Some(GroupsReport { groups: groups.collect(), overflow_rows: self.overflow_rows, by })
    }
}

/// The kind comes first and the end is marked, so that different cells never
/// make the same key: the number 1 and the text 1, or `a|b` and `a`, `b`.
fn write_key(key: &mut String, cell: &Cell<'_>) {
    let written = match cell {
        Cell::Missing => write!(key, "-"),
        Cell::Boolean(value) => write!(key, "b{value}"),
        Cell::Integer(value) => write!(key, "n{value}"),
        Cell::Number(value) => write!(key, "n{value}"),
        Cell::Nested => write!(key, "*"),
        Cell::Text(text) | Cell::Time(_, text) => {
            let text = bounded(text);
            write!(key, "t{}:{text}", text.len())
        }
    };
    // Writing to a string does not fail.
    debug_assert!(written.is_ok());
    key.push('\u{1f}');
}

fn label(cell: &Cell<'_>) -> Value {
    match cell {
        Cell::Missing => Value::Null,
        Cell::Boolean(value) => json!(value),
        Cell::Integer(value) => json!(value),
        Cell::Number(value) if value.is_finite() => json!(value),
        Cell::Number(value) => json!(value.to_string()),
        Cell::Nested => json!("(nested)"),
        Cell::Text(text) | Cell::Time(_, text) => json!(bounded(text)),
    }
}

fn report(group: Group, by: &[String], columns: &Columns) -> GroupReport {
    let figures = |moments: &Moments| GroupNumbers {
        count: moments.count(),
        min: moments.min(),
        max: moments.max(),
        mean: moments.mean(),
        std: moments.standard_deviation(),
    };
    let numbers = group.columns.iter();
    GroupReport {
        key: by.iter().cloned().zip(group.labels).collect(),
        rows: group.rows,
        numbers: numbers
            .map(|(column, moments)| (columns.name(*column).to_owned(), figures(moments)))
            .collect(),
    }
}
