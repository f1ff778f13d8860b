//! The task stores: what each of them promises, that they answer alike, and
//! what a loss of power leaves of the one on disk.
//!
//! The promises are the suite of core, `scheduler::store::suite`. Time is handed to
//! a store, so nothing here waits for it: a test says when each thing happens, in milliseconds
//! since [`at`]`(0)`.

mod conformance;
mod disk;
mod keyvalue;
mod model;
mod power_loss;

use std::future::Future;
use std::hash::{BuildHasher, Hasher, RandomState};

use chimera_layer4::fabric::queue::store::suite::{
    CLASSES, Given, ROOMY, accept, all_in, at, check_counts, claim, claim_one, dead, failed, given,
    id, ms, owner, record, result, retry, room, settle, success,
};
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestRunner, contextualize_config};

/// Runs a test's future; a store may have threads of its own beside it.
fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test)
}

/// Runs a property: `PROPTEST_CASES` asks for another number of cases. A
/// failure names the seed, and `PROPTEST_RNG_SEED` plays it again.
fn check<S: Strategy>(cases: u32, strategy: S, property: impl Fn(S::Value)) {
    let seed = RandomState::new().build_hasher().finish();
    let config = contextualize_config(Config {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..Config::default()
    });
    let seed = config.rng_seed;
    let holds = TestRunner::new(config).run(&strategy, |value| {
        property(value);
        Ok(())
    });
    if let Err(error) = holds {
        panic!("{error}\nplay it again with PROPTEST_RNG_SEED set to the number in {seed:?}");
    }
}
