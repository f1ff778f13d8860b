//! The proof that there is something to evolve: selection on one set of tasks
//! raises the score on another, well above best fit.
//!
//! This is the loop of `chimera evolve` at its plainest: four elites and sixteen
//! children, one fixed seed, the generator's own mutation, no components. The
//! arithmetic rounds alike everywhere, so the figures are those of every machine.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test's helpers fail the test")]

use chimera_agent_sdk::prelude::*;
use chimera_agent_sdk::serde_json;
use packer::variant::mutation;
use packer::{Problem, Report, SplitMix64, Tuning, pack};

const ELITES: usize = 4;
const CHILDREN: usize = 16;
const GENERATIONS: usize = 30;

/// What must be gained on best fit: with this seed it is 0.0218, with others
/// 0.0216 to 0.0233.
const RISE: f64 = 0.015;

fn problems(lines: &str) -> Vec<Problem> {
    lines.lines().map(problem).collect()
}

fn problem(line: &str) -> Problem {
    let task: Value = serde_json::from_str(line).unwrap();
    let request: packer::problem::Request =
        serde_json::from_value(task["payload"].clone()).unwrap();
    request.into_problem().unwrap()
}

fn score(problems: &[Problem], tuning: &Tuning) -> f64 {
    let scores =
        problems.iter().map(|problem| Report::new(problem, &pack(problem, &tuning.weights)).score);
    scores.sum::<f64>() / problems.len() as f64
}

/// The best on the training tasks after each generation, the start first.
fn evolve(training: &[Problem], seed: u64) -> Vec<(f64, Tuning)> {
    let mut random = SplitMix64::new(seed);
    let start = Tuning::BEST_FIT;
    let mut elites = vec![(score(training, &start), start)];
    let mut best = elites.clone();
    for _ in 0..GENERATIONS {
        let parents: Vec<Tuning> = elites.iter().map(|(_, tuning)| *tuning).collect();
        for _ in 0..CHILDREN {
            let parent = parents[random.below(parents.len() as u64) as usize];
            let child = mutation::child(&parent, &parents, &mut random);
            elites.push((score(training, &child), child));
        }
        elites.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        elites.truncate(ELITES);
        best.push(elites[0]);
    }
    best
}

#[test]
fn the_held_out_score_rises_over_the_generations() {
    let training = problems(include_str!("../data/train.jsonl"));
    let held_out = problems(include_str!("../data/held-out.jsonl"));
    let best = evolve(&training, 1);
    let unseen = |generation: usize| score(&held_out, &best[generation].1);
    for generation in (0..=GENERATIONS).step_by(5) {
        let (seen, unseen) = (best[generation].0, unseen(generation));
        println!("generation {generation:2}: training {seen:.4}, held out {unseen:.4}");
    }
    println!("{:?}", best[GENERATIONS].1);

    let (first, middle, last) = (unseen(0), unseen(GENERATIONS / 3), unseen(GENERATIONS));
    assert!(first < middle && middle < last, "{first} {middle} {last}");
    assert!(last > first + RISE, "best fit {first}, evolved {last}");
}

#[test]
#[ignore = "a study of ten seeds: two minutes"]
fn other_seeds_do_as_well() {
    let training = problems(include_str!("../data/train.jsonl"));
    let held_out = problems(include_str!("../data/held-out.jsonl"));
    for seed in 1..=10 {
        let best = evolve(&training, seed);
        let (seen, tuning) = best[GENERATIONS];
        let unseen = score(&held_out, &tuning);
        println!("seed {seed:2}: training {seen:.4}, held out {unseen:.4}");
        assert!(unseen > score(&held_out, &Tuning::BEST_FIT) + RISE, "seed {seed}: {unseen}");
    }
}
