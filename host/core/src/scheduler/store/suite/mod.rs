//! Tests for authors of a task store: what every [`TaskStore`] promises.
//!
//! The feature `store-suite` compiles this module, which needs no other crate. A store runs all
//! of it by one function, which is handed a test and lets a new, empty store take it:
//!
//! ```
//! use chimera_layer4_core::scheduler::store::{MemoryStore, suite};
//!
//! fn on_my_store(test: suite::Test) {
//!     let store = MemoryStore::default();
//!     let run = test.on(&store);
//!     // Any executor will do; a store with threads of its own wants the one that it runs on.
//! #   let mut run = std::pin::pin!(run);
//! #   let mut context = std::task::Context::from_waker(std::task::Waker::noop());
//! #   assert!(run.as_mut().poll(&mut context).is_ready());
//! }
//!
//! suite::task_store_tests!(on_my_store);
//! # on_my_store(suite::TESTS[0]);
//! ```
//!
//! In the crate `chimera_layer4` this module is `chimera_layer4::fabric::queue::store::suite`,
//! and the macro is `chimera_layer4::fabric::queue::store::suite::task_store_tests!`.
//!
//! The macro makes one `#[test]` of each promise. [`TESTS`] lists them for a harness of another
//! kind. Time is handed to a store, so no test waits for it: a test says when each thing happens,
//! in milliseconds since [`at`]`(0)`. The instants lie in November 2023. A store with a clock of
//! its own must treat them as the present.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails, fails its test"
)]

mod claims;
mod ends;
mod leases;
mod lists;
mod shown;
mod steps;
mod submissions;
mod sweeps;
mod tasks;
mod together;

use std::fmt;
use std::pin::Pin;

pub use self::shown::{all_in, check_counts, record, state};
pub use self::steps::{
    LEASE, ROOMY, accept, asking, claim, claim_all, claim_one, dead, failed, host_fault, ids,
    numbered, owner, result, retry, room, run_one, settle, submit, submit_on, success, terms,
};
pub use self::tasks::{CLASSES, Given, at, given, id, ms};

use super::{StoreError, TaskStore};
pub use crate::task_store_tests;

/// One promise of a store, as a test.
#[derive(Clone, Copy)]
pub struct Test {
    /// What is promised, after the name of its group: `leases::an_end_is_accepted_once`.
    pub name: &'static str,
    body: Body,
}

type Body = for<'a> fn(&'a dyn TaskStore) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

impl Test {
    /// The test of this name.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let found = TESTS.iter().find(|test| test.name == name);
        *found.unwrap_or_else(|| panic!("the suite has no test {name:?}; `TESTS` lists them"))
    }

    /// Tests a store that is empty, and closes it. The counts at the end must be
    /// those of the rows, whatever the test did.
    ///
    /// # Panics
    /// The store breaks the promise.
    pub async fn on(self, store: &dyn TaskStore) {
        (self.body)(store).await;
        if store.stats().await != Err(StoreError::Closed) {
            check_counts(store).await;
        }
        store.close().await;
    }
}

impl fmt::Debug for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Test").field(&self.name).finish()
    }
}

/// Makes a `#[test]` of each promise of a task store, in a module for each group.
///
/// It is handed the name of a function beside it, which takes a
/// [`Test`](crate::scheduler::store::suite::Test) and runs it on a new store.
#[macro_export]
macro_rules! task_store_tests {
    ($run:ident) => {
        $crate::task_store_tests! { @each run($run) }
    };
    // The one list, for both of its uses.
    (@each $what:ident($($run:ident)?)) => {
        $crate::task_store_tests! {
            @$what($($run)?)
            claims {
                a_backlog_is_shared_16_8_4_2_1,
                a_backlog_is_shared_however_few_slots_are_free,
                a_class_with_nothing_to_do_gives_its_turn_away,
                types_take_turns_whatever_their_backlog,
                one_slot_waits_for_a_critical_task,
                no_more_is_handed_out_than_there_is_room_for,
                a_type_without_room_delays_no_other_type,
                a_task_is_handed_out_once,
                a_claim_names_the_lease_and_the_runs_so_far,
                a_claim_may_be_a_start,
                a_task_past_its_deadline_is_not_handed_out,
                a_deadline_that_passes_in_the_queue_takes_no_turn_of_another_claim,
            }
            ends {
                a_queued_task_is_cancelled_at_once,
                a_task_in_hand_is_asked_to_stop,
                what_has_ended_is_not_cancelled,
                only_dead_letters_are_put_back,
                a_task_put_back_begins_anew,
                a_deadline_that_is_over_does_not_come_back,
                what_is_given_back_keeps_its_place_and_a_dead_letter_goes_behind,
                only_ended_tasks_are_purged,
                what_is_purged_may_be_submitted_again,
                the_newest_of_each_state_are_kept,
                what_ended_long_ago_is_forgotten,
                retention_works_in_bounded_steps,
                a_forgotten_task_frees_its_key,
                a_closed_store_takes_and_tells_nothing,
            }
            leases {
                a_claimed_task_is_started_once,
                starts_are_answered_one_by_one,
                a_heartbeat_extends_the_lease,
                a_heartbeat_returns_losses_and_cancellations,
                a_success_is_kept_with_its_result,
                a_claim_may_end_without_a_start,
                settlements_are_answered_one_by_one,
                an_end_is_accepted_once,
                a_former_holder_changes_nothing,
                a_retry_waits_for_its_time,
                a_retry_keeps_what_failed,
                a_fault_of_the_host_takes_no_attempt,
                what_is_given_back_was_never_claimed,
                a_dead_letter_says_why,
                a_task_in_hand_is_cancelled_by_its_runner,
                the_genome_of_a_start_is_kept,
            }
            lists {
                a_list_shows_each_task_where_it_is,
                a_list_is_in_the_order_of_its_times,
                pages_add_up_to_the_whole,
                a_list_of_every_state_is_in_the_order_of_submission,
                pages_from_the_newest_are_those_from_the_oldest_reversed,
                a_list_of_one_reason_has_no_other,
                a_list_of_one_type_has_no_other,
                a_list_of_nothing_is_empty,
                counts_follow_every_change,
                the_oldest_who_waits_is_named_for_each_class,
            }
            submissions {
                a_store_begins_empty,
                a_task_is_kept_as_it_was_submitted,
                data_as_deep_as_can_be_read_is_kept,
                tasks_wait_in_the_order_of_submission,
                an_empty_batch_is_taken,
                an_identity_is_taken_once,
                an_identity_stays_taken_after_the_end,
                a_key_is_taken_once,
                a_key_of_other_work_names_its_first_task,
                a_key_is_free_again_when_its_task_is_purged,
                a_full_type_takes_no_more,
                delayed_tasks_count_and_leased_ones_do_not,
                a_duplicate_is_answered_when_there_is_no_room,
                a_task_waits_for_its_time,
                a_time_that_is_over_delays_nothing,
                a_submitter_who_waits_is_answered_alike,
                attempts_are_three_unless_said_otherwise,
            }
            sweeps {
                nothing_to_do_is_done,
                what_is_due_waits_from_then_on,
                a_lost_claim_is_given_back,
                a_lost_run_is_made_again,
                a_lease_lasts_to_its_last_millisecond,
                three_lost_runs_are_too_many,
                ten_lost_claims_are_too_many,
                bounds_are_the_callers,
                a_last_attempt_that_is_lost_is_the_end,
                a_lost_task_that_was_to_be_cancelled_is_cancelled,
                a_deadline_ends_what_is_queued_and_only_that,
                the_next_event_is_named,
                a_sweep_is_bounded_and_says_that_more_is_left,
                a_clock_that_is_set_moves_what_is_relative,
            }
            together {
                a_task_submitted_by_all_at_once_is_taken_once,
                a_key_named_by_all_at_once_is_taken_once,
                no_more_fit_in_because_they_come_together,
                each_task_is_handed_to_one_of_those_who_ask,
                one_end_of_many_is_accepted,
            }
        }
    };
    (@run($run:ident) $($group:ident { $($name:ident,)+ })+) => {
        $(mod $group {
            $(#[test]
            fn $name() {
                let name = concat!(stringify!($group), "::", stringify!($name));
                super::$run($crate::scheduler::store::suite::Test::named(name));
            })+
        })+
    };
    (@list() $($group:ident { $($name:ident,)+ })+) => {
        /// Every test of the suite.
        pub const TESTS: &[Test] = &[$($(Test {
            name: concat!(stringify!($group), "::", stringify!($name)),
            body: |store| Box::pin($group::$name(store)),
        }),+),+];
    };
}

task_store_tests! { @each list() }
