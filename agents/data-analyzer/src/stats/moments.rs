//! Count, mean, spread and range of numbers, in one pass.

/// Welford's recurrence: no sum of squares that cancels, no second pass.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moments {
    count: u64,
    mean: f64,
    squares: f64,
    min: f64,
    max: f64,
}

impl Default for Moments {
    fn default() -> Self {
        Self { count: 0, mean: 0.0, squares: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY }
    }
}

impl Moments {
    pub(crate) fn push(&mut self, value: f64) {
        self.count += 1;
        let delta = value - self.mean;
        self.mean += delta / self.count as f64;
        self.squares += delta * (value - self.mean);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn mean(&self) -> Option<f64> {
        self.known(self.mean)
    }

    pub(crate) fn min(&self) -> Option<f64> {
        self.known(self.min)
    }

    pub(crate) fn max(&self) -> Option<f64> {
        self.known(self.max)
    }

    /// Of a sample: divided by one less than the count. None below two values,
    /// and none where the squares outgrew what a float can say.
    pub(crate) fn standard_deviation(&self) -> Option<f64> {
        let deviation = (self.squares / self.count.checked_sub(1)? as f64).sqrt();
        deviation.is_finite().then_some(deviation)
    }

    fn known(&self, value: f64) -> Option<f64> {
        (self.count > 0 && value.is_finite()).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn moments(values: &[f64]) -> Moments {
        let mut moments = Moments::default();
        values.iter().for_each(|value| moments.push(*value));
        moments
    }

    #[test]
    fn nothing_and_one_value() {
        let none = moments(&[]);
        assert_eq!((none.mean(), none.min(), none.standard_deviation()), (None, None, None));
        let one = moments(&[3.0]);
        assert_eq!((one.mean(), one.max(), one.standard_deviation()), (Some(3.0), Some(3.0), None));
    }

    #[test]
    fn values_far_from_zero_keep_their_spread() {
        let shifted = moments(&[1e9 + 4.0, 1e9 + 7.0, 1e9 + 13.0, 1e9 + 16.0]);
        assert!((shifted.standard_deviation().unwrap() - 30.0_f64.sqrt()).abs() < 1e-9);
    }

    #[test]
    fn a_spread_too_large_for_a_float_is_none() {
        assert_eq!(moments(&[f64::MAX, -f64::MAX]).standard_deviation(), None);
    }

    proptest! {
        #[test]
        fn one_pass_equals_two(values in prop::collection::vec(-1e6..1e6, 2..200)) {
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            let squares = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
            let found = moments(&values);
            prop_assert!((found.mean().unwrap() - mean).abs() < 1e-6);
            let expected = (squares / (n - 1.0)).sqrt();
            prop_assert!((found.standard_deviation().unwrap() - expected).abs() <= 1e-9 * (1.0 + expected));
        }
    }
}
