//! Which genomes no other beats in everything.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

/// What a genome is judged by where no weights are set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Scored {
    /// Share of tasks that ended with an output; higher is better.
    pub success: f64,
    /// Share of outputs that agree; higher is better. Unknown is the least: an
    /// unchecked genome must not stand beside one that is mostly right.
    pub agreement: Option<f64>,
    /// Milliseconds of a task; lower is better.
    pub latency: f64,
    /// Seconds of processor time; lower is better.
    pub cpu: f64,
    /// Mebibytes; lower is better.
    pub memory: f64,
    /// Bytes; lower is better.
    pub size: u64,
}

impl Scored {
    /// Each as a number of which more is better. What is no number is worst.
    fn merits(&self) -> [f64; 6] {
        let known = |value: f64| if value.is_nan() { f64::NEG_INFINITY } else { value };
        [
            known(self.success),
            known(self.agreement.unwrap_or(f64::NEG_INFINITY)),
            known(-self.latency),
            known(-self.cpu),
            known(-self.memory),
            -(self.size as f64),
        ]
    }
}

/// No worse in anything and better in something.
fn dominates(one: &[f64; 6], other: &[f64; 6]) -> bool {
    let order = |(one, other): (&f64, &f64)| one.partial_cmp(other).unwrap_or(Ordering::Equal);
    let mut better = false;
    for order in one.iter().zip(other).map(order) {
        match order {
            Ordering::Less => return false,
            Ordering::Equal => {}
            Ordering::Greater => better = true,
        }
    }
    better
}

/// The places of the genomes that no other dominates, in their order. Of equal
/// ones all are in it.
#[must_use]
pub fn pareto_front(genomes: &[Scored]) -> Vec<usize> {
    let merits: Vec<[f64; 6]> = genomes.iter().map(Scored::merits).collect();
    let beaten = |one: &[f64; 6]| merits.iter().any(|other| dominates(other, one));
    let front = merits.iter().enumerate().filter(|(_, one)| !beaten(one));
    front.map(|(index, _)| index).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scored(success: f64, latency: f64, size: u64) -> Scored {
        Scored { success, agreement: Some(1.0), latency, cpu: 1.0, memory: 1.0, size }
    }

    #[test]
    fn who_is_best_at_something_is_in_the_front() {
        let genomes = [
            scored(0.9, 10.0, 100),
            scored(0.9, 12.0, 100),
            scored(1.0, 20.0, 100),
            scored(0.5, 99.0, 50),
            scored(0.9, 10.0, 100),
            scored(f64::NAN, 10.0, 100),
            Scored { agreement: None, ..scored(1.0, 20.0, 100) },
        ];
        assert_eq!(pareto_front(&genomes), [0, 2, 3, 4]);
        assert_eq!(pareto_front(&[]), [0_usize; 0]);
    }

    fn any_scored() -> impl Strategy<Value = Scored> {
        let few = 0_u8..4;
        (few.clone(), proptest::option::of(few.clone()), few.clone(), few.clone(), few).prop_map(
            |(success, agreement, latency, cpu, size)| Scored {
                success: success.into(),
                agreement: agreement.map(f64::from),
                latency: latency.into(),
                cpu: cpu.into(),
                memory: 1.0,
                size: size.into(),
            },
        )
    }

    proptest! {
        /// No member of the front beats another, and every genome outside is
        /// beaten by a member.
        #[test]
        fn the_front_beats_all_others(genomes in proptest::collection::vec(any_scored(), 1..30)) {
            let front = pareto_front(&genomes);
            prop_assert!(!front.is_empty());
            for (index, genome) in genomes.iter().enumerate() {
                let beaten =
                    front.iter().any(|best| dominates(&genomes[*best].merits(), &genome.merits()));
                prop_assert_eq!(beaten, !front.contains(&index));
            }
        }
    }
}
