//! Rows from CSV.

use std::io::Read;

use chimera_agent_sdk::prelude::*;
use csv::{ByteRecord, Reader, ReaderBuilder};

use super::meter::Meter;
use crate::analysis::Analysis;
use crate::cell;
use crate::options::Ragged;
use crate::row::Row;

/// Small enough that the bound on a row's bytes means what it says.
const BUFFER_BYTES: usize = 1 << 14;

/// Hands every record to the analysis.
pub(super) fn read(
    source: impl Read,
    meter: &Meter,
    analysis: &mut Analysis,
) -> Result<(), AgentError> {
    let mut reader = ReaderBuilder::new()
        .delimiter(analysis.options().csv.delimiter)
        .has_headers(false)
        .flexible(true)
        .buffer_capacity(BUFFER_BYTES)
        .from_reader(source);
    let mut record = ByteRecord::new();
    if !next(&mut reader, &mut record)? {
        return Ok(());
    }
    let width = record.len();
    if analysis.options().csv.header {
        header(&record, analysis)?;
    } else {
        analysis.add_header(std::iter::repeat_n("", width))?;
        push(&record, width, &mut Row::default(), analysis)?;
    }
    let mut row = Row::default();
    while next(&mut reader, &mut record)? {
        push(&record, width, &mut row, analysis)?;
        meter.row_done(analysis.rows());
    }
    Ok(())
}

fn next<R: Read>(reader: &mut Reader<R>, record: &mut ByteRecord) -> Result<bool, AgentError> {
    let line = reader.position().line();
    reader
        .read_byte_record(record)
        .or_invalid_input(format_args!("CSV, row that starts at line {line}"))
}

fn header(record: &ByteRecord, analysis: &mut Analysis) -> Result<(), AgentError> {
    let names: Vec<&str> =
        record.iter().map(|name| utf8(name, record, "the header")).collect::<Result<_, _>>()?;
    if let [only] = names.as_slice()
        && let Some(mark) = only.chars().find(|mark| matches!(mark, ';' | '\t' | '|' | ','))
    {
        analysis.warn(format!(
            "the data has one column, and its header contains {mark:?}: if that separates the \
             columns, set `delimiter`"
        ));
    }
    analysis.add_header(names.into_iter())
}

fn push(
    record: &ByteRecord,
    width: usize,
    row: &mut Row,
    analysis: &mut Analysis,
) -> Result<(), AgentError> {
    if record.len() != width {
        return ragged(record, width, analysis);
    }
    row.clear();
    for (column, field) in record.iter().enumerate() {
        let text = utf8(field, record, analysis.columns().name(column))?;
        row.set(column, cell::from_csv(text, &analysis.options().missing));
    }
    analysis.push(row)
}

fn ragged(record: &ByteRecord, width: usize, analysis: &mut Analysis) -> Result<(), AgentError> {
    if analysis.options().csv.ragged == Ragged::Skip {
        analysis.skip_row();
        return Ok(());
    }
    Err(AgentError::invalid_input(format_args!(
        "CSV line {} has {} fields, the first line has {width}: mend the line, or set `ragged` to \
         `skip` to leave such rows out",
        line(record),
        record.len()
    )))
}

fn utf8<'a>(field: &'a [u8], record: &ByteRecord, column: &str) -> Result<&'a str, AgentError> {
    std::str::from_utf8(field).map_err(|error| {
        AgentError::invalid_input(format_args!(
            "CSV line {}, column `{column}` is not UTF-8 (byte {} of the field): convert the data \
             to UTF-8 first",
            line(record),
            error.valid_up_to() + 1
        ))
    })
}

fn line(record: &ByteRecord) -> u64 {
    record.position().map_or(0, |position| position.line())
}
