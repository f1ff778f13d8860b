//! Values that lie far out, by the rules that the task chose.

use super::extremes::Extremes;
use super::moments::Moments;
use super::quantiles::Ranked;
use crate::options::{OutlierOptions, OutlierRule};
use crate::report::{Example, OutlierReport};

/// One report for each rule that can be applied. Without spread every
/// different value would be far out, so there is no limit to name.
pub(crate) fn find(
    options: &OutlierOptions,
    ranked: &Ranked,
    moments: &Moments,
    extremes: &Extremes,
) -> Vec<OutlierReport> {
    let reports = options.rules.iter().filter_map(|&rule| {
        let (lower, upper) = match rule {
            OutlierRule::Iqr => fences(ranked, options.iqr_factor)?,
            OutlierRule::ZScore => limits(moments, options.z_threshold)?,
        };
        Some(report(rule, lower, upper, ranked, extremes))
    });
    reports.collect()
}

/// Tukey's fences.
fn fences(ranked: &Ranked, factor: f64) -> Option<(f64, f64)> {
    let (low, high) = (ranked.quantile(0.25)?, ranked.quantile(0.75)?);
    interval(low, high, (high - low) * factor)
}

fn limits(moments: &Moments, threshold: f64) -> Option<(f64, f64)> {
    let mean = moments.mean()?;
    interval(mean, mean, moments.standard_deviation()? * threshold)
}

fn interval(low: f64, high: f64, margin: f64) -> Option<(f64, f64)> {
    let (lower, upper) = (low - margin, high + margin);
    (margin > 0.0 && lower.is_finite() && upper.is_finite()).then_some((lower, upper))
}

fn report(
    rule: OutlierRule,
    lower: f64,
    upper: f64,
    ranked: &Ranked,
    extremes: &Extremes,
) -> OutlierReport {
    let examples = extremes.outside(lower, upper).into_iter();
    OutlierReport {
        rule,
        lower,
        upper,
        below: ranked.count_below(lower),
        above: ranked.count_above(upper),
        method: ranked.method(),
        examples: examples.map(|placed| Example { row: placed.row, value: placed.value }).collect(),
    }
}
