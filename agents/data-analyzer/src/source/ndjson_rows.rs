//! Rows from a file with one JSON object in each line.

use std::io::{BufRead, BufReader, Read};

use chimera_agent_sdk::prelude::*;
use chimera_agent_sdk::serde_json::Deserializer;
use serde::de::DeserializeSeed;

use super::json_rows::Fields;
use super::meter::Meter;
use crate::analysis::Analysis;
use crate::row::Row;

/// Hands every line that is not blank to the analysis.
pub(super) fn read(
    source: impl Read,
    meter: &Meter,
    analysis: &mut Analysis,
) -> Result<(), AgentError> {
    let mut reader = BufReader::new(source);
    let mut line = Vec::new();
    let mut row = Row::default();
    for number in 1_u64.. {
        line.clear();
        let place = format_args!("line {number}");
        if reader.read_until(b'\n', &mut line).or_invalid_input(place)? == 0 {
            break;
        }
        if !line.trim_ascii().is_empty() {
            read_line(&line, &mut row, analysis).map_err(|error| at_line(number, &error))?;
        }
        meter.row_done(analysis.rows());
    }
    Ok(())
}

fn read_line(line: &[u8], row: &mut Row, analysis: &mut Analysis) -> Result<(), AgentError> {
    let mut reader = Deserializer::from_slice(line);
    let fields = Fields { row, analysis };
    let read = fields.deserialize(&mut reader).and_then(|()| reader.end());
    read.map_err(AgentError::invalid_input)?;
    analysis.push(row)
}

/// The reader counts lines from the start of the text it is given, which is
/// always 1 here, so only the column is kept.
fn at_line(number: u64, error: &AgentError) -> AgentError {
    let message = error.message().replace(" at line 1 column ", " at column ");
    AgentError::invalid_input(format_args!("line {number}: {message}"))
}
