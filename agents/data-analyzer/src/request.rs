//! From a task's payload to a job: where the data is and what to do with it.
//!
//! Three shapes are taken, told apart by their first character, so that a data
//! file can be the payload as it is: an array is the rows, a string is CSV
//! text, an object is a request with options. The specification's words for such a task,
//! `action` and `input_path` or `data_path`, are taken too.

use std::borrow::Cow;
use std::path::Path;

use chimera_agent_sdk::prelude::*;
use chimera_agent_sdk::serde_json::value::RawValue;
use serde::Deserializer;

use crate::cell::MissingWords;
use crate::limits::Limits;
use crate::options::{
    CsvOptions, Options, OutlierOptions, Ragged, checked_delimiter, checked_quantiles,
};
use crate::source::{Format, Source};

/// One task, understood and checked.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    pub source: Source<'a>,
    pub options: Options,
}

impl<'a> Job<'a> {
    pub(crate) fn from_task(task: &'a Task, ceiling: &Limits) -> Result<Self, AgentError> {
        let text = task.payload_json();
        match text.trim_start().as_bytes().first() {
            Some(b'[') => Self::plain(Source::Json(Cow::Borrowed(text)), ceiling),
            Some(b'"') => Self::plain(Source::Csv(task.payload()?), ceiling),
            _ => task.payload::<Request>()?.into_job(ceiling),
        }
    }

    fn plain(source: Source<'a>, ceiling: &Limits) -> Result<Self, AgentError> {
        let options = Request::default().options(ceiling, b',')?;
        Ok(Self { source, options })
    }
}

/// The payload as an object.
#[derive(Debug, Default, Deserialize)]
#[serde(crate = "serde", default, deny_unknown_fields)]
struct Request {
    action: Option<String>,
    csv: Option<String>,
    rows: Option<Box<RawValue>>,
    path: Option<String>,
    input_path: Option<String>,
    data_path: Option<String>,
    format: Option<Format>,
    delimiter: Option<char>,
    header: Option<bool>,
    ragged: Ragged,
    columns: Option<Vec<String>>,
    missing: Option<Vec<String>>,
    #[serde(deserialize_with = "one_or_many")]
    group_by: Vec<String>,
    quantiles: Option<Vec<f64>>,
    outliers: OutlierOptions,
    limits: Option<Limits>,
}

impl Request {
    fn into_job<'a>(mut self, ceiling: &Limits) -> Result<Job<'a>, AgentError> {
        check_action(self.action.as_deref())?;
        let (source, delimiter) = self.source()?;
        let options = self.options(ceiling, delimiter)?;
        Ok(Job { source, options })
    }

    /// Where the data is, and the delimiter that its name suggests.
    fn source<'a>(&mut self) -> Result<(Source<'a>, u8), AgentError> {
        let json = |rows: Box<RawValue>| Source::Json(Cow::Owned(rows.get().to_owned()));
        let text = |source| Ok((source, b','));
        let format = self.format;
        let sources = [
            ("csv", self.csv.take().map(Source::Csv).map(text)),
            ("rows", self.rows.take().map(json).map(text)),
            ("path", self.path.take().map(|path| file(path, format))),
            ("input_path", self.input_path.take().map(|path| file(path, format))),
            ("data_path", self.data_path.take().map(|path| file(path, format))),
        ];
        let given = sources.into_iter().filter_map(|(name, source)| Some((name, source?)));
        let (names, mut sources): (Vec<_>, Vec<_>) = given.unzip();
        match (sources.pop(), names.as_slice()) {
            (Some(source), [_]) => source,
            (_, names) => Err(AgentError::invalid_input(format_args!(
                "the payload names {} sources of data{}: give exactly one of `csv` (text), \
                 `rows` (an array of objects) or `path` (a file in a granted folder; \
                 `input_path` and `data_path` are other names for it)",
                names.len(),
                in_parentheses(names)
            ))),
        }
    }

    fn options(self, ceiling: &Limits, delimiter: u8) -> Result<Options, AgentError> {
        let wanted = self.limits.unwrap_or_else(|| ceiling.clone());
        Ok(Options {
            csv: CsvOptions {
                delimiter: self.delimiter.map_or(Ok(delimiter), checked_delimiter)?,
                header: self.header.unwrap_or(true),
                ragged: self.ragged,
            },
            missing: self.missing.map_or_else(MissingWords::default, MissingWords::new),
            columns: self.columns,
            group_by: self.group_by,
            quantiles: checked_quantiles(
                self.quantiles.unwrap_or_else(|| vec![0.05, 0.25, 0.5, 0.75, 0.95]),
            )?,
            outliers: self.outliers.checked()?,
            limits: wanted.within(ceiling).checked()?,
        })
    }
}

/// What a task calls the work that this agent does; it does no other.
const ACTIONS: [&str; 2] = ["data_analysis", "analyze_data"];

fn check_action(action: Option<&str>) -> Result<(), AgentError> {
    match action {
        Some(action) if !ACTIONS.contains(&action) => Err(AgentError::invalid_input(format_args!(
            "`action` is {action:?}: this agent does `{}`; say that, or leave `action` out",
            ACTIONS.join("`, also called `")
        ))),
        _ => Ok(()),
    }
}

fn in_parentheses(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        names => format!(" (`{}`)", names.join("`, `")),
    }
}

/// A file's format is what the task says, or else what its name says.
fn file<'a>(path: String, format: Option<Format>) -> Result<(Source<'a>, u8), AgentError> {
    let extension = Path::new(&path)
        .extension()
        .map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    let format = match (format, extension.as_deref()) {
        (Some(format), _) => format,
        (None, Some("csv" | "tsv" | "txt")) => Format::Csv,
        (None, Some("json")) => Format::Json,
        (None, Some("ndjson" | "jsonl")) => Format::Ndjson,
        (None, _) => {
            return Err(AgentError::invalid_input(format_args!(
                "cannot tell the format of `{path}` from its name: set `format` to `csv`, \
                 `json` (an array of objects) or `ndjson` (one object in each line)"
            )));
        }
    };
    let delimiter = match extension.as_deref() {
        Some("tsv") => b'\t',
        _ => b',',
    };
    Ok((Source::File { path, format }, delimiter))
}

/// `"a"` for `["a"]`: grouping by one column is the usual case.
fn one_or_many<'de, D: Deserializer<'de>>(reader: D) -> Result<Vec<String>, D::Error> {
    match Value::deserialize(reader)? {
        Value::String(name) => Ok(vec![name]),
        list => serde::Deserialize::deserialize(list).map_err(
            |_: chimera_agent_sdk::serde_json::Error| {
                serde::de::Error::custom("expected the name of a column or an array of names")
            },
        ),
    }
}
