//! What agents achieve, over sliding windows.

mod kpi;

pub use kpi::{KpiReport, Kpis, RunSample, ValidationResult, WINDOW};
