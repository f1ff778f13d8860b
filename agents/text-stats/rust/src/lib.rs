//! Counts a text's tokens, sentences and terms, and guesses its language.
//!
//! The same agent is written in Python, JavaScript, C and Go beside this one,
//! and each gives the same bytes for the same input. `../README.md` is the
//! specification; what it leaves to no library (characters, numbers, JSON) is
//! therefore done by hand here too.

mod json;
mod language;
mod report;
mod request;
mod scan;
mod settings;
mod tables;

use std::time::Duration;

use chimera_agent_sdk::prelude::*;

use crate::language::Guess;
pub use crate::report::Report;
use crate::request::Request;
use crate::scan::Counts;
use crate::settings::Settings;
use crate::tables::Tables;

/// When another attempt makes sense after a busy one.
const RETRY_AFTER: Duration = Duration::from_millis(100);
/// Share of the work that is over when the text is counted.
const COUNTED: f64 = 0.9;

/// The agent: what it knows about languages, and the operator's settings.
#[derive(Debug)]
pub struct TextStats {
    base: BaseWasmAgent,
    settings: Settings,
    tables: Tables,
}

impl TypedAgent for TextStats {
    type Output = Report;

    fn init(config: Config) -> Result<Self, AgentError> {
        let tables = Tables::load()?;
        let settings = Settings::from_config(&config, &tables)?;
        let capabilities = Capabilities::new()
            .with_task_type("text-stats")
            .with_feature("language-guess")
            .with_feature("readability");
        let mut base = BaseWasmAgent::new(config).with_capabilities(capabilities);
        if settings.busy_attempts > 0 {
            let attempts = settings.busy_attempts;
            base.health =
                Health::degraded(format!("busy for the first {attempts} attempts of each task"));
        }
        Ok(Self { base, settings, tables })
    }

    fn execute_task(&mut self, task: Task) -> Result<Report, AgentError> {
        let span = self.base.telemetry.start_tracking("text-stats");
        self.refuse_while_busy(task.attempt)?;
        let request = Request::from_json(task.payload_json(), &self.settings)?;
        span.set_attribute("bytes", request.text.len());
        let counts = self.count(&request.text)?;
        let guess = request.language.then(|| Guess::new(&counts, &self.tables));
        self.tell(&span, &request, &counts, guess.as_ref());
        let report = Report::new(&request, counts, &self.settings.stop_words, guess);
        self.base.telemetry.progress_with(1.0, "done");
        Ok(report)
    }

    fn base(&self) -> Option<&BaseWasmAgent> {
        Some(&self.base)
    }
}

impl TextStats {
    /// For an operator who wants to see what the host does with a failure that passes.
    fn refuse_while_busy(&self, attempt: u32) -> Result<(), AgentError> {
        let busy = self.settings.busy_attempts;
        if attempt > busy {
            return Ok(());
        }
        let message = format!("busy for the first {busy} attempts, this is attempt {attempt}");
        Err(AgentError::unavailable_for(message, RETRY_AFTER))
    }

    fn count(&self, text: &str) -> Result<Counts, AgentError> {
        let most = self.settings.max_distinct;
        let telemetry = self.base.telemetry;
        let progress = |done: f64| telemetry.progress_with(done * COUNTED, "counting");
        scan::scan(text, &self.tables, most, progress).ok_or_else(|| {
            AgentError::failed(format_args!("the text has more than {most} distinct tokens"))
        })
    }

    fn tell(&self, span: &Span, request: &Request, counts: &Counts, guess: Option<&Guess>) {
        let code = guess.map_or("none", |guess| &guess.code);
        span.set_attribute("tokens", counts.tokens);
        span.set_attribute("language", code);
        let telemetry = self.base.telemetry;
        telemetry.record_metric("text_stats_bytes", request.text.len() as f64);
        let labels = [("language", code)];
        telemetry.record_metric_with("text_stats_tokens", counts.tokens as f64, &labels);
    }
}

wasm_agent!(TextStats);
