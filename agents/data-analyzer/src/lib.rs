//! Describes tabular data: types, missing values, distribution, quantiles,
//! outliers, correlations and groups of each column.
//!
//! The data is read once, row by row, and what is kept of it is bounded: a file
//! larger than the agent's memory is described as well as a small one, and
//! where a figure is an estimate the report says so. `README.md` describes the
//! payload and the report.

mod analysis;
mod cell;
mod columns;
mod limits;
mod options;
mod report;
mod request;
mod row;
mod source;
mod stats;
mod time;

use chimera_agent_sdk::prelude::*;

use crate::analysis::Analysis;
use crate::limits::Limits;
use crate::report::Report;
use crate::request::Job;

/// The agent: its configuration, and the limits that the operator set.
#[derive(Debug)]
pub struct DataAnalyzer {
    base: BaseWasmAgent,
    limits: Limits,
}

impl TypedAgent for DataAnalyzer {
    type Output = Report;

    fn init(config: Config) -> Result<Self, AgentError> {
        let limits = config.parameter_or("limits", Limits::default())?.checked()?;
        let capabilities = Capabilities::new()
            .with_task_type("analyze-table")
            .with_task_type("data_analysis")
            .with_feature("csv")
            .with_feature("json")
            .with_feature("ndjson");
        let base = BaseWasmAgent::new(config).with_capabilities(capabilities);
        Ok(Self { base, limits })
    }

    fn execute_task(&mut self, task: Task) -> Result<Report, AgentError> {
        let job = Job::from_task(&task, &self.limits)?;
        let mut analysis = Analysis::new(job.options);
        let bytes = self.read(&job.source, &mut analysis)?;
        let span = self.base.telemetry.start_tracking("report");
        let report = analysis.finish(bytes)?;
        span.set_attribute("columns", report.columns.len());
        Ok(report)
    }

    fn base(&self) -> Option<&BaseWasmAgent> {
        Some(&self.base)
    }
}

impl DataAnalyzer {
    fn read(
        &self,
        source: &source::Source<'_>,
        analysis: &mut Analysis,
    ) -> Result<u64, AgentError> {
        let telemetry = self.base.telemetry;
        let span = telemetry.start_tracking("read");
        span.set_attribute("source", source.kind());
        let bytes = source::read(source, analysis)?;
        span.set_attribute("rows", analysis.rows());
        telemetry.record_metric("data_analyzer_rows", analysis.rows() as f64);
        telemetry.record_metric("data_analyzer_bytes", bytes as f64);
        telemetry.progress_with(1.0, format_args!("read {} rows", analysis.rows()));
        Ok(bytes)
    }
}

wasm_agent!(DataAnalyzer);
