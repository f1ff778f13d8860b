//! What a task may choose, checked once so that the rest need not.

use chimera_agent_sdk::prelude::*;

use crate::cell::MissingWords;
use crate::limits::Limits;

/// More quantiles than this describe nothing that fewer do not.
const MAX_QUANTILES: usize = 100;

/// The resolved choices of one task.
#[derive(Debug)]
pub(crate) struct Options {
    pub csv: CsvOptions,
    pub missing: MissingWords,
    /// Only these columns are described; all where none is named.
    pub columns: Option<Vec<String>>,
    pub group_by: Vec<String>,
    pub quantiles: Vec<f64>,
    pub outliers: OutlierOptions,
    pub limits: Limits,
}

/// How CSV is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CsvOptions {
    pub delimiter: u8,
    pub header: bool,
    pub ragged: Ragged,
}

/// What becomes of a row with too many or too few fields.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(crate = "serde", rename_all = "kebab-case")]
pub(crate) enum Ragged {
    /// The task fails and names the line: a shifted row makes every figure wrong.
    #[default]
    Error,
    /// The row is left out and counted.
    Skip,
}

/// Which values count as far out.
#[derive(Clone, Debug, Deserialize)]
#[serde(crate = "serde", default, deny_unknown_fields)]
pub(crate) struct OutlierOptions {
    pub rules: Vec<OutlierRule>,
    /// Fences lie this many interquartile ranges outside the quartiles.
    pub iqr_factor: f64,
    /// Limits lie this many standard deviations from the mean.
    pub z_threshold: f64,
}

/// A way to tell what is far out.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(crate = "serde", rename_all = "kebab-case")]
pub enum OutlierRule {
    /// Tukey's fences round the quartiles.
    Iqr,
    /// Standard deviations from the mean.
    ZScore,
}

impl Default for OutlierOptions {
    fn default() -> Self {
        Self { rules: vec![OutlierRule::Iqr], iqr_factor: 1.5, z_threshold: 3.0 }
    }
}

impl OutlierOptions {
    pub(crate) fn checked(self) -> Result<Self, AgentError> {
        positive("outliers.iqr_factor", self.iqr_factor)?;
        positive("outliers.z_threshold", self.z_threshold)?;
        Ok(self)
    }
}

fn positive(name: &str, value: f64) -> Result<(), AgentError> {
    if value > 0.0 {
        return Ok(());
    }
    Err(AgentError::invalid_input(format_args!("`{name}` is {value}: it must be greater than 0")))
}

/// In ascending order, each once.
pub(crate) fn checked_quantiles(mut quantiles: Vec<f64>) -> Result<Vec<f64>, AgentError> {
    if quantiles.len() > MAX_QUANTILES {
        return Err(AgentError::invalid_input(format_args!(
            "`quantiles` has {} entries: at most {MAX_QUANTILES} are allowed",
            quantiles.len()
        )));
    }
    if let Some(wrong) = quantiles.iter().find(|q| !(0.0..=1.0).contains(*q)) {
        return Err(AgentError::invalid_input(format_args!(
            "`quantiles` contains {wrong}: each lies between 0 and 1, the median is 0.5"
        )));
    }
    quantiles.sort_by(f64::total_cmp);
    quantiles.dedup();
    Ok(quantiles)
}

/// CSV readers work on bytes, so the delimiter must be one.
pub(crate) fn checked_delimiter(delimiter: char) -> Result<u8, AgentError> {
    u8::try_from(delimiter)
        .ok()
        .filter(|byte| byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r' | 0))
        .ok_or_else(|| {
            AgentError::invalid_input(format_args!(
                "`delimiter` is {delimiter:?}: it must be one ASCII character other than a quote \
                 or an end of line, such as \",\", \";\" or \"\\t\""
            ))
        })
}
