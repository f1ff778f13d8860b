//! Where rows come from: text in the payload or a file in a granted folder.

mod csv_rows;
mod json_rows;
mod meter;
mod ndjson_rows;

use std::borrow::Cow;
use std::fs::{File, Metadata};
use std::io::ErrorKind;

use chimera_agent_sdk::prelude::*;

use crate::analysis::Analysis;
use meter::{Meter, Metered};

/// Where the data of one task is.
#[derive(Debug)]
pub(crate) enum Source<'a> {
    /// CSV text from the payload.
    Csv(String),
    /// A JSON array of objects from the payload, still text.
    Json(Cow<'a, str>),
    /// A file in a folder that the operator granted.
    File { path: String, format: Format },
}

/// How the rows of a file are written.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(crate = "serde", rename_all = "lowercase")]
pub(crate) enum Format {
    Csv,
    /// An array of objects.
    Json,
    /// One object in each line.
    Ndjson,
}

impl Source<'_> {
    /// A word for the span.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Csv(_) => "payload-csv",
            Self::Json(_) => "payload-json",
            Self::File { .. } => "file",
        }
    }
}

/// Hands every row to the analysis and returns how many bytes were read.
pub(crate) fn read(source: &Source<'_>, analysis: &mut Analysis) -> Result<u64, AgentError> {
    match source {
        Source::Csv(text) => {
            let meter = Meter::new(Some(text.len() as u64), analysis.options().limits.row_bytes);
            csv_rows::read(Metered::new(text.as_bytes(), &meter), &meter, analysis)?;
            Ok(meter.bytes())
        }
        Source::Json(text) => {
            json_rows::read_text(text, analysis)?;
            Ok(text.len() as u64)
        }
        Source::File { path, format } => read_file(path, *format, analysis),
    }
}

fn read_file(path: &str, format: Format, analysis: &mut Analysis) -> Result<u64, AgentError> {
    let file = File::open(path).map_err(|error| cannot_open(path, &error))?;
    let metadata = file.metadata().ok();
    if metadata.as_ref().is_some_and(Metadata::is_dir) {
        return Err(cannot_open(path, &ErrorKind::IsADirectory.into()));
    }
    let size = metadata.map(|metadata| metadata.len());
    let meter = Meter::new(size, analysis.options().limits.row_bytes);
    let reader = Metered::new(file, &meter);
    let read = match format {
        Format::Csv => csv_rows::read(reader, &meter, analysis),
        Format::Json => json_rows::read_stream(reader, &meter, analysis),
        Format::Ndjson => ndjson_rows::read(reader, &meter, analysis),
    };
    read.map_err(|error| meter.blame(path, error))?;
    Ok(meter.bytes())
}

fn cannot_open(path: &str, error: &std::io::Error) -> AgentError {
    let advice = match error.kind() {
        ErrorKind::PermissionDenied => "the agent may not read it",
        ErrorKind::IsADirectory => "name a file in it",
        _ => {
            "the agent sees only the folders that the operator granted, under the guest path of \
             each grant"
        }
    };
    AgentError::invalid_input(format_args!("cannot open `{path}`: {error}; {advice}"))
}
