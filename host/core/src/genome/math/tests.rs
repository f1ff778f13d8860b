//! Held against published tables, closed forms and symmetries.

use proptest::prelude::*;

use super::*;

fn near(value: f64, expected: f64, within: f64) {
    assert!((value - expected).abs() <= within * expected.abs().max(1.0), "{value} {expected}");
}

#[test]
fn the_logarithm_of_gamma_is_that_of_factorials() {
    let mut factorial = 0.0;
    for n in 1..200 {
        near(ln_gamma(f64::from(n)), factorial, 1e-12);
        factorial += f64::from(n).ln();
    }
    near(ln_gamma(0.5), PI.sqrt().ln(), 1e-12);
    near(ln_beta(0.5, 0.5), PI.ln(), 1e-12);
    assert!(ln_gamma(0.0).is_finite());
}

#[test]
fn normal_quantiles_are_those_of_the_tables() {
    let rows = [(0.5, 0.0), (0.975, 1.959_963_985), (0.995, 2.575_829_304)];
    for (p, expected) in rows {
        near(normal_quantile(p), expected, 1e-8);
        near(normal_quantile(1.0 - p), -expected, 1e-8);
    }
    near(normal_quantile(0.999_9), 3.719_016_485, 1e-8);
    assert!(normal_quantile(0.0).is_finite() && normal_quantile(1.0).is_finite());
}

#[test]
fn student_quantiles_are_those_of_the_tables() {
    let rows = [
        (1.0, 0.975, 12.706_204_74),
        (2.0, 0.975, 4.302_652_73),
        (4.0, 0.975, 2.776_445_11),
        (10.0, 0.95, 1.812_461_12),
        (30.0, 0.995, 2.749_995_65),
        (100.0, 0.975, 1.983_971_52),
        (1e6, 0.975, 1.959_966_36),
    ];
    for (freedom, p, expected) in rows {
        near(student_quantile(freedom, p), expected, 1e-7);
    }
    near(student_quantile(5.0, 0.5), 0.0, 1e-9);
}

/// Of the tails, the middle, and on both sides of where one becomes the other.
#[test]
fn normal_quantiles_are_exact_along_their_whole_range() {
    let rows = [
        (1e-12, -7.0344838253),
        (1e-06, -4.75342430882),
        (0.001, -3.09023230617),
        (0.01, -2.32634787404),
        (0.02, -2.05374891063),
        (0.0242, -1.97383946331),
        (0.0243, -1.97208415903),
        (0.025, -1.95996398454),
        (0.03, -1.88079360815),
        (0.05, -1.64485362695),
        (0.1, -1.28155156554),
        (0.2, -0.841621233573),
        (0.3, -0.524400512708),
        (0.4, -0.253347103136),
        (0.45, -0.125661346855),
        (0.49, -0.0250689082587),
    ];
    for (p, expected) in rows {
        near(normal_quantile(p), expected, 2e-9);
        near(normal_quantile(1.0 - p), -expected, if p < 1e-9 { 1e-5 } else { 2e-9 });
    }
    assert!(normal_quantile(-1.0) < -30.0 && normal_quantile(2.0) > 8.0, "clamped");
}

/// With two degrees of freedom the quantile is `d * sqrt(2 / (1 - d * d))` for `d` = 2p - 1, and
/// with one it is a tangent.
#[test]
fn student_quantiles_are_those_of_the_closed_forms() {
    for step in 1..100 {
        let p = 0.5 + f64::from(step) / 200.0;
        let d = 2.0 * p - 1.0;
        near(student_quantile(2.0, p), d * (2.0 / (1.0 - d * d)).sqrt(), 1e-9);
        near(student_quantile(1.0, p), (PI * (p - 0.5)).tan(), 1e-9);
    }
    // Close to the middle too, where the value is small.
    let (p, d) = (0.501, 0.002_f64);
    let exact = d * (2.0 / (1.0 - d * d)).sqrt();
    assert!((student_quantile(2.0, p) / exact - 1.0).abs() < 1e-9);
    // More freedom than two, less than one: still a number, and the tail is cut.
    let cut = 1.0 / (PI * f64::EPSILON);
    assert!((student_quantile(0.5, 1.0) / cut - 1.0).abs() < 0.2);
    assert!(student_quantile(3.0, 1.0).is_finite());
}

#[test]
fn the_incomplete_beta_function_is_that_of_its_closed_forms() {
    for step in 0..=20 {
        let x = f64::from(step) / 20.0;
        for n in [0.5, 1.0, 2.5, 7.0, 40.0] {
            near(incomplete_beta(n, 1.0, x), x.powf(n), 1e-12);
            near(incomplete_beta(1.0, n, x), 1.0 - (1.0 - x).powf(n), 1e-12);
        }
        // The arcsine distribution.
        near(incomplete_beta(0.5, 0.5, x), 2.0 / PI * x.sqrt().asin(), 1e-12);
        // At least two of three, three of five.
        near(incomplete_beta(2.0, 2.0, x), x * x * (3.0 - 2.0 * x), 1e-12);
        near(incomplete_beta(3.0, 3.0, x), x.powi(3) * (10.0 - 15.0 * x + 6.0 * x * x), 1e-12);
    }
    for (x, expected) in [(-1.0, 0.0), (0.0, 0.0), (1.0, 1.0), (2.0, 1.0)] {
        assert_eq!(incomplete_beta(3.0, 4.0, x), expected);
    }
}

/// The sum of the binomial probabilities of at least `a` of `a + b - 1`.
fn at_least(a: u32, b: u32, x: f64) -> f64 {
    let n = a + b - 1;
    let choose =
        |k: u32| (1..=k).fold(1.0, |product, i| product * f64::from(n + 1 - i) / f64::from(i));
    (a..=n).map(|k| choose(k) * x.powf(f64::from(k)) * (1.0 - x).powf(f64::from(n - k))).sum()
}

proptest! {
    #[test]
    fn the_incomplete_beta_function_is_a_sum_of_binomials(a in 1_u32..30, b in 1_u32..30, x in 0.0..1.0) {
        let value = incomplete_beta(f64::from(a), f64::from(b), x);
        prop_assert!((value - at_least(a, b, x)).abs() < 1e-11, "{value}");
    }

    #[test]
    fn the_incomplete_beta_function_mirrors_itself(a in 0.1..2000.0, b in 0.1..2000.0, x in 0.0..1.0) {
        let sum = incomplete_beta(a, b, x) + incomplete_beta(b, a, 1.0 - x);
        prop_assert!((sum - 1.0).abs() < 1e-9, "{sum}");
    }

    #[test]
    fn the_logarithm_of_gamma_follows_its_recurrence(x in 0.01..1e6) {
        near(ln_gamma(x + 1.0), ln_gamma(x) + x.ln(), 1e-12);
    }

    #[test]
    fn quantiles_grow_with_their_probability(freedom in 0.5..500.0, low in 0.5..0.999, more in 0.0..0.001) {
        prop_assert!(student_quantile(freedom, low + more) >= student_quantile(freedom, low) - 1e-9);
        prop_assert!(normal_quantile(low + more) >= normal_quantile(low) - 1e-8);
        prop_assert!(student_quantile(freedom, low) >= normal_quantile(low) - 1e-8, "heavier tails");
    }
}
