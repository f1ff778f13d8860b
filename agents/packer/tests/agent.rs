//! The agent as a host sees it: what it packs, what it refuses.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use chimera_agent_sdk::prelude::*;
use chimera_agent_sdk::testing::TestHost;
use packer::{Packer, Problem, Tuning, Weights, pack};
use proptest::prelude::*;

#[test]
fn items_are_packed_and_measured() {
    let mut host = TestHost::<Packer>::start().unwrap();
    let output = host.execute(&json!({
        "capacity": 10, "items": [6, 4, 7, 8], "assignment": true,
    }));
    let output = output.unwrap();
    assert_eq!(output["bins"], 3);
    assert_eq!(output["lower_bound"], 3);
    assert_eq!(output["score"], 1.0);
    assert_eq!(output["assignment"], json!([0, 0, 1, 2]));
    assert_eq!(host.recording().metric_values("packer_score"), [1.0]);
}

#[test]
fn a_seed_gives_the_same_answer_every_time() {
    let mut host = TestHost::<Packer>::start().unwrap();
    let task = json!({"seed": 7, "count": 1000, "distribution": "weibull"});
    let first = host.execute(&task).unwrap();
    assert_eq!(host.execute(&task).unwrap(), first);
    assert_eq!(first["assignment"], Value::Null);
    assert_eq!((&first["bins"], &first["lower_bound"]), (&json!(416), &json!(398)));
}

#[test]
fn what_cannot_be_packed_is_refused_with_the_place() {
    let rows = [
        (json!({"capacity": 10, "items": [1, 11]}), "at `items[1]`: 11: a size is 1 to"),
        (json!({"capacity": 10, "items": [0]}), "at `items[0]`: 0: a size is 1 to"),
        (json!({"capacity": 10, "items": []}), "at `items`: 0 items: give 1 to 5000"),
        (json!({"capacity": 0, "items": [1]}), "at `capacity`: 0: give 1 to 10000"),
        (json!({"capacity": 10, "items": [1.5]}), "at `items[0]`: invalid type: floating point"),
        (json!({"seed": 1, "count": 5001, "distribution": "uniform"}), "at `count`: 5001 items"),
        (json!({"seed": 1, "count": 9, "distribution": "normal"}), "at `distribution`: unknown"),
        (json!({"seed": 1, "items": [1]}), "give either `capacity` and `items`"),
        (json!({"bins": 1}), "unknown field `bins`"),
    ];
    let mut host = TestHost::<Packer>::start().unwrap();
    for (payload, expected) in rows {
        let error = host.execute(&payload).unwrap_err();
        assert!(matches!(error, AgentError::InvalidInput(_)), "{payload}: {error}");
        assert!(error.message().contains(expected), "{payload}: {error}");
    }
}

/// Best fit as a textbook writes it, bin by bin.
fn best_fit(problem: &Problem) -> usize {
    let mut rooms: Vec<u32> = Vec::new();
    for &item in problem.items() {
        match rooms.iter_mut().filter(|room| **room >= item).min() {
            Some(room) => *room -= item,
            None => rooms.push(problem.capacity() - item),
        }
    }
    rooms.len()
}

fn problems() -> impl Strategy<Value = Problem> {
    (1_u32..=10_000).prop_flat_map(|capacity| {
        prop::collection::vec(1..=capacity, 1..200)
            .prop_map(move |items| Problem::new(capacity, items).unwrap())
    })
}

fn weights() -> impl Strategy<Value = Weights> {
    prop::collection::vec(-1e6..=1e6, 12).prop_map(|numbers| {
        let mut weights = Tuning::BEST_FIT.weights;
        weights.numbers_mut().zip(numbers).for_each(|(to, from)| *to = from);
        weights
    })
}

proptest! {
    #[test]
    fn whatever_the_weights_no_bin_is_over_its_capacity(
        problem in problems(),
        weights in weights(),
    ) {
        let packing = pack(&problem, &weights);
        prop_assert_eq!(packing.bin_of.len(), problem.items().len());
        let mut fill = vec![0; packing.rooms.len()];
        for (bin, item) in packing.bin_of.iter().zip(problem.items()) {
            fill[*bin] += item;
        }
        for (fill, room) in fill.iter().zip(&packing.rooms) {
            prop_assert!((1..=problem.capacity()).contains(fill));
            prop_assert_eq!(fill + room, problem.capacity());
        }
        prop_assert!(problem.lower_bound() <= packing.rooms.len() as u64);
    }

    #[test]
    fn the_weights_it_is_built_with_are_best_fit(problem in problems()) {
        let packing = pack(&problem, &Tuning::BEST_FIT.weights);
        prop_assert_eq!(packing.rooms.len(), best_fit(&problem));
    }
}
