//! What an operator sets of a trial.

use serde::{Deserialize, Serialize};

/// When a trial condemns, passes, or gives up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Policy {
    /// The chance that a candidate which is no worse is condemned all the
    /// same, over all measures and however often one looks: above 0, to 0.5. It
    /// is also the chance that one which is no better is taken for better than a
    /// champion that fails most of its tasks.
    pub alpha: f64,
    /// Runs of either side before the trial judges latency or memory, or a
    /// candidate passes. Errors and wrong answers need none: their test is
    /// exact from the first run, and a candidate that fails every task should
    /// not fail so many of them.
    pub least_samples: u64,
    /// Runs of the candidate that are counted against the champion's after
    /// which the trial ends, decided or not.
    pub most_samples: u64,
    /// How much worse is not worth acting on.
    pub margins: Margins,
}

/// How much worse than the champion counts as the same.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Margins {
    /// More failed tasks, as a share of all: 0.01 is one task in a hundred.
    pub errors: f64,
    /// Latency of a task, in the geometric mean, as a ratio to the champion's.
    pub latency: f64,
    /// Memory of a task, in the geometric mean, as a ratio to the champion's.
    pub memory: f64,
    /// Lower accuracy, on its scale from 0.0 to 1.0.
    pub accuracy: f64,
}

impl Default for Policy {
    /// One false alarm in twenty trials at the most: each costs an operator a
    /// look. Fifty runs, since the test of latency leans on a mean being nearly
    /// normal. Ten thousand are enough to tell 3 % of latency from none where
    /// runs scatter by half; more runs than those show nothing new.
    fn default() -> Self {
        let margins = Margins::default();
        Self { alpha: 0.05, least_samples: 50, most_samples: 10_000, margins }
    }
}

impl Default for Margins {
    /// One task in a hundred, and one answer: fewer take very many tasks to
    /// see, and so do less than three per cent of latency. Ten of memory, since
    /// an instance grows by whole pages and with the inputs that happened to
    /// come its way.
    fn default() -> Self {
        Self { errors: 0.01, latency: 1.03, memory: 1.10, accuracy: 0.01 }
    }
}

/// Runs that a policy may ask for.
const MOST_SAMPLES: u64 = 100_000_000;

impl Policy {
    /// Everything that is out of range, with what is allowed; none is in order.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        if !(self.alpha > 0.0 && self.alpha <= 0.5) {
            complaints.push(format!("alpha is {}; allowed is above 0 to 0.5", self.alpha));
        }
        let (least, most) = (self.least_samples, self.most_samples);
        if !(2..=MOST_SAMPLES).contains(&least) {
            complaints.push(format!("least_samples is {least}; allowed is 2 to {MOST_SAMPLES}"));
        }
        if !(least..=MOST_SAMPLES).contains(&most) {
            let allowed = format!("allowed is least_samples ({least}) to {MOST_SAMPLES}");
            complaints.push(format!("most_samples is {most}; {allowed}"));
        }
        complaints.extend(self.margins.complaints());
        complaints
    }
}

impl Margins {
    /// Everything that is out of range, with what is allowed; none is in order.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let shares = [("errors", self.errors), ("accuracy", self.accuracy)];
        let ratios = [("latency", self.latency), ("memory", self.memory)];
        let wrong_share = |(_, value): &(&str, f64)| !(*value > 0.0 && *value <= 1.0);
        let wrong_ratio = |(_, value): &(&str, f64)| !(*value > 1.0 && *value <= 10.0);
        let shares = shares.into_iter().filter(wrong_share).map(|(name, value)| {
            format!("margins.{name} is {value}; it is a difference, above 0 to 1")
        });
        let ratios = ratios.into_iter().filter(wrong_ratio).map(|(name, value)| {
            format!("margins.{name} is {value}; it is a ratio, above 1 to 10")
        });
        shares.chain(ratios).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_in_order_and_parts_may_be_left_out() {
        assert_eq!(Policy::default().complaints(), [""; 0]);
        let policy: Policy = serde_json::from_str(r#"{"margins": {"latency": 1.5}}"#).unwrap();
        assert_eq!((policy.alpha, policy.margins.latency), (0.05, 1.5));
        assert_eq!(policy.margins.memory, 1.10);
        assert!(serde_json::from_str::<Policy>(r#"{"alfa": 0.1}"#).is_err());
    }

    #[test]
    fn every_complaint_comes_at_once() {
        let margins =
            Margins { errors: 0.0, latency: 1.0, memory: f64::NAN, accuracy: f64::INFINITY };
        let policy = Policy { alpha: 0.0, least_samples: 1, most_samples: 0, margins };
        let complaints = policy.complaints();
        assert_eq!(complaints.len(), 7, "{complaints:#?}");
        assert!(complaints[0].contains("alpha is 0; allowed is above 0 to 0.5"));
        assert!(complaints[2].contains("least_samples (1)"));
        assert!(complaints[4].contains("margins.accuracy"));
    }
}
