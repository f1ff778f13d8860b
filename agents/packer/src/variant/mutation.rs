//! From parents to a child, as evolution strategies do it (Beyer and Schwefel, 2002).
//!
//! The size of the step is inherited and mutated first. A step that is too
//! large makes children that are worse and die out with it, so the step follows
//! the landscape by itself. The rule of one success in five, which does the
//! same, needs a memory that a program called once for each child does not have.

use crate::random::SplitMix64;
use crate::tuning::Tuning;

/// A smaller step changes no packing, a larger one forgets the parent.
const STEPS: (f64, f64) = (0.005, 1.0);

/// A child in four takes each weight from one of two parents.
const CROSSED_ONE_IN: u64 = 4;

/// Beside the one that always is, a weight in three is changed.
const CHANGED_ONE_IN: u64 = 3;

/// A child of `parent`, perhaps crossed with one of `others`.
pub fn child(parent: &Tuning, others: &[Tuning], random: &mut SplitMix64) -> Tuning {
    let mut child = *parent;
    child.step = next_step(parent.step, random);
    if random.one_in(CROSSED_ONE_IN) {
        let other = random.below(others.len() as u64) as usize;
        cross(&mut child, others.get(other).unwrap_or(parent), random);
    }
    mutate(&mut child, random);
    child
}

fn next_step(step: f64, random: &mut SplitMix64) -> f64 {
    let factor = match random.below(3) {
        0 => 2.0 / 3.0,
        1 => 1.0,
        _ => 1.5,
    };
    (step * factor).clamp(STEPS.0, STEPS.1)
}

fn cross(child: &mut Tuning, other: &Tuning, random: &mut SplitMix64) {
    for (weight, theirs) in child.weights.numbers_mut().zip(other.weights.numbers()) {
        if random.one_in(2) {
            *weight = theirs;
        }
    }
}

fn mutate(child: &mut Tuning, random: &mut SplitMix64) {
    let step = child.step;
    let always = random.below(child.weights.numbers().count() as u64) as usize;
    for (index, weight) in child.weights.numbers_mut().enumerate() {
        if index == always || random.one_in(CHANGED_ONE_IN) {
            *weight += step * random.gaussian();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_one_child_and_another_seed_another() {
        let child_of = |seed| child(&Tuning::BEST_FIT, &[], &mut SplitMix64::new(seed));
        assert_eq!(child_of(1), child_of(1));
        assert_ne!(child_of(1), child_of(2));
    }

    #[test]
    fn a_child_always_differs_and_its_step_stays_within_limits() {
        let mut random = SplitMix64::new(3);
        let mut tuning = Tuning::BEST_FIT;
        for _ in 0..1_000 {
            let next = child(&tuning, &[Tuning::BEST_FIT], &mut random);
            assert_ne!(next.weights, tuning.weights);
            assert!((STEPS.0..=STEPS.1).contains(&next.step), "{}", next.step);
            tuning = next.checked().unwrap();
        }
    }
}
