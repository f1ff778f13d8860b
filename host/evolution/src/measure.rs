//! The means of a genome's runs, and the numbers in its outputs.

use chimera_layer4_core::JsonText;
use chimera_layer4_core::genome::Measured;
use chimera_layer4_core::genome::fitness::Measurements;
use chimera_layer4_runtime::RunReport;

use super::options::EvolutionOptions;
use chimera_layer4_fabric::BenchTask;

/// Sums over the runs so far.
pub(super) struct Measure<'a> {
    options: &'a EvolutionOptions,
    size_bytes: u64,
    counts: Counts,
    sums: Sums,
    /// Why the last task failed.
    last_fault: String,
}

#[derive(Default)]
struct Counts {
    tasks: u64,
    succeeded: u64,
    checked: u64,
    agreed: u64,
}

/// Sums over the runs that ended with an output. A run that fails is often fast,
/// and must not lower the means.
#[derive(Default)]
struct Sums {
    latency_ms: f64,
    cpu_seconds: f64,
    memory_peak_mb: f64,
    objective: f64,
    features: Vec<f64>,
}

impl<'a> Measure<'a> {
    pub(super) fn new(options: &'a EvolutionOptions, size_bytes: u64) -> Self {
        let sums = Sums { features: vec![0.0; options.axes.len()], ..Sums::default() };
        let counts = Counts::default();
        Self { options, size_bytes, counts, sums, last_fault: String::new() }
    }

    /// Counts a run.
    ///
    /// # Errors
    /// The output lacks the number of the objective or of a feature.
    pub(super) fn add(&mut self, task: &BenchTask, report: &RunReport) -> Result<(), String> {
        let run = measured(task, report);
        self.counts.tasks += 1;
        if let Some(agrees) = run.agrees {
            self.counts.checked += 1;
            self.counts.agreed += u64::from(agrees);
        }
        let output = match &report.result {
            Ok(output) => output,
            Err(fault) => {
                self.last_fault = fault.to_string();
                return Ok(());
            }
        };
        self.counts.succeeded += 1;
        self.sums.latency_ms += run.latency.as_secs_f64() * 1000.0;
        self.sums.cpu_seconds += run.cpu_seconds;
        self.sums.memory_peak_mb += run.memory_peak_mb;
        if let Some(pointer) = &self.options.objective {
            self.sums.objective += number(output, pointer)?;
        }
        for (sum, feature) in self.sums.features.iter_mut().zip(&self.options.axes) {
            *sum += number(output, &feature.pointer)?;
        }
        Ok(())
    }

    pub(super) fn faults(&self) -> u64 {
        self.counts.tasks - self.counts.succeeded
    }

    pub(super) fn last_fault(&self) -> &str {
        &self.last_fault
    }

    pub(super) fn so_far(&self) -> Measurements {
        let Counts { tasks, succeeded, checked, agreed } = self.counts;
        let asked = self.options.objective.is_some() && succeeded > 0;
        Measurements {
            tasks,
            succeeded,
            checked,
            agreed,
            latency_ms: self.mean(self.sums.latency_ms),
            cpu_seconds: self.mean(self.sums.cpu_seconds),
            memory_peak_mb: self.mean(self.sums.memory_peak_mb),
            size_bytes: self.size_bytes,
            objective: asked.then(|| self.mean(self.sums.objective)),
        }
    }

    pub(super) fn features(&self) -> Vec<f64> {
        self.sums.features.iter().map(|sum| self.mean(*sum)).collect()
    }

    fn mean(&self, sum: f64) -> f64 {
        sum / self.counts.succeeded.max(1) as f64
    }
}

/// One run in the form that core compares.
pub(super) fn measured(task: &BenchTask, report: &RunReport) -> Measured {
    let output = report.result.as_ref().ok();
    Measured {
        success: output.is_some(),
        agrees: task.expected.as_ref().map(|expected| output == Some(expected)),
        latency: report.wall,
        cpu_seconds: report.usage.cpu_seconds,
        memory_peak_mb: report.usage.memory_peak_mb,
    }
}

/// The number at a JSON pointer.
pub(super) fn number(output: &JsonText, pointer: &str) -> Result<f64, String> {
    let found = output.pointer(pointer);
    let number = found.as_ref().and_then(|found| found.read().ok());
    number.ok_or_else(|| {
        let kind = kind(found.as_ref().map(JsonText::as_str));
        format!("an output has {kind} at {pointer:?}, and not a number")
    })
}

fn kind(found: Option<&str>) -> &'static str {
    match found.map(|text| text.as_bytes().first()) {
        None => "nothing",
        Some(Some(b'n')) => "null",
        Some(Some(b't' | b'f')) => "a boolean",
        Some(Some(b'"')) => "a text",
        Some(Some(b'[')) => "an array",
        Some(Some(b'{')) => "an object",
        Some(_) => "a number out of range",
    }
}
