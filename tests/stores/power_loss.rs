//! What a loss of power leaves of the store on disk.
//!
//! The log is cut where a disk may have stopped writing it, and what lies
//! behind is gone, torn or garbage. Whatever was acknowledged before the first
//! byte that is not as it was written must be there, all of it; of what came
//! after, whole commits only. The truth is the length that the log had at each
//! acknowledgement.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use chimera_layer4::fabric::queue::store::{Lease, TaskStore, TypeSlots};
use chimera_layer4::fabric::queue::{Bounds, Settlement, TaskRecord, TaskState};
use chimera_layer4::fabric::{Digest, TaskId};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;

use super::{
    accept, check_counts, claim, dead, disk, given, id, retry, room, run, settle, success,
};

/// Rounds of a history, each with a batch of ten.
const ROUNDS: u32 = 12;
const DATABASE: &str = "chimera.db";
const LOG: &str = "chimera.db-wal";
/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

/// A store's files, and what they held each time something was acknowledged.
struct History {
    /// As it was before the log was begun, and so until it is checkpointed.
    database: Vec<u8>,
    log: Vec<u8>,
    /// With all that is in the log.
    checkpointed: Vec<u8>,
    moments: Vec<Moment>,
}

struct Moment {
    /// The log's length.
    length: usize,
    tasks: BTreeMap<TaskId, TaskRecord>,
}

async fn tasks(store: &dyn TaskStore) -> BTreeMap<TaskId, TaskRecord> {
    let mut tasks = BTreeMap::new();
    for n in 1..=ROUNDS * 10 {
        tasks.extend(store.get(id(n)).await.unwrap().map(|record| (id(n), record)));
    }
    tasks
}

/// Notes what is acknowledged when.
struct Notes<'a> {
    folder: &'a Path,
    store: &'a dyn TaskStore,
    moments: Vec<Moment>,
}

impl Notes<'_> {
    async fn note(&mut self) {
        let length = fs::metadata(self.folder.join(LOG)).map_or(0, |data| data.len() as usize);
        let tasks = tasks(self.store).await;
        self.moments.push(Moment { length, tasks });
    }

    /// Submits ten tasks and brings some along, some of them to their ends.
    async fn round(&mut self, round: u32) {
        let (store, now) = (self.store, u64::from(round) * 100);
        let batch = (1..=10).map(|n| {
            // Some span several pages of the database.
            let text = "x".repeat((n as usize * 7919) % 9000);
            given(round * 10 + n).payload(json!({ "text": text })).key(&format!("{round} {n}"))
        });
        accept(store, now, batch).await;
        self.note().await;
        let rooms = [TypeSlots { starts: Some(Digest::of(b"it")), ..room("a", 6) }];
        let claimed = claim(store, now + 1, rooms, 6).await.tasks;
        self.note().await;
        for (nth, task) in claimed.iter().enumerate() {
            let (lease, of) = (task.lease, task.lease.id);
            let settlement = match nth {
                0 | 1 => success(of, now + 2),
                2 => dead(of, 1, now + 2),
                3 => retry(now + 50, 1, now + 2),
                4 => Settlement::GiveBack,
                _ => continue, // Its lease is left to run out.
            };
            self.settle(lease, settlement, now + 2).await;
        }
        store.cancel(id(round * 10 + 9), super::at(now + 3)).await.unwrap();
        self.note().await;
        if round % 3 == 2 {
            self.tidy(now).await;
        }
    }

    async fn settle(&mut self, lease: Lease, settlement: Settlement, ms: u64) {
        settle(self.store, ms, lease, settlement).await.unwrap();
        self.note().await;
    }

    async fn tidy(&mut self, now: u64) {
        let (store, at) = (self.store, super::at(now + 60));
        store.sweep(at, Bounds::default()).await.unwrap();
        self.note().await;
        let moment = self.moments.last().unwrap();
        let in_state = |state| {
            let mut found = moment.tasks.values().filter(move |record| record.state == state);
            found.next().map(|record| record.task.id)
        };
        let (dead, done) = (in_state(TaskState::Dead), in_state(TaskState::Succeeded));
        store.requeue(dead.into_iter().collect(), at).await.unwrap();
        self.note().await;
        store.purge(done.into_iter().collect()).await.unwrap();
        self.note().await;
    }
}

/// A history of a store from its first day, or of one that was opened again.
async fn write_history(first_day: bool) -> History {
    let folder = disk::folder();
    let path = folder.path();
    let (mut store, _) = disk::open(path).await.unwrap();
    let begins = if first_day { 0 } else { ROUNDS / 3 };
    let mut moments = vec![Moment { length: 0, tasks: BTreeMap::new() }];
    if !first_day {
        let mut before = Notes { folder: path, store: &store, moments: Vec::new() };
        for round in 0..begins {
            before.round(round).await;
        }
        // All leases are lost, so that opening it anew changes nothing.
        store.sweep(super::at(90_000), Bounds::default()).await.unwrap();
        store.close().await;
        (store, _) = disk::open(path).await.unwrap();
        moments = vec![Moment { length: 0, tasks: tasks(&store).await }];
    }
    let database = fs::read(path.join(DATABASE)).unwrap();
    let mut notes = Notes { folder: path, store: &store, moments };
    for round in begins..ROUNDS {
        notes.round(round).await;
    }
    let moments = notes.moments;
    let log = fs::read(path.join(LOG)).unwrap();
    assert_eq!(moments.last().unwrap().length, log.len());
    assert!(moments.is_sorted_by_key(|moment| moment.length), "the log only grew");
    assert!(fs::read(path.join(DATABASE)).unwrap() == database, "there was no checkpoint");
    store.close().await;
    let checkpointed = fs::read(path.join(DATABASE)).unwrap();
    History { database, log, checkpointed, moments }
}

fn histories() -> &'static [History; 2] {
    static HISTORIES: OnceLock<[History; 2]> = OnceLock::new();
    HISTORIES.get_or_init(|| run(async { [write_history(true).await, write_history(false).await] }))
}

/// What is found after a restart.
async fn check_image(folder: &Path, database: &[u8], log: &[u8], expected: &Moment) {
    fs::write(folder.join(DATABASE), database).unwrap();
    fs::write(folder.join(LOG), log).unwrap();
    // Opening checks every page.
    let (store, _) = disk::open(folder).await.unwrap();
    let found = tasks(&store).await;
    assert!(found.keys().eq(expected.tasks.keys()), "found {:?}", found.keys());
    for (found, expected) in found.values().zip(expected.tasks.values()) {
        if expected.state.is_leased() {
            assert!(!found.state.is_leased(), "lost with its host: {found:?}");
            assert_eq!((&found.task, found.max_attempts), (&expected.task, expected.max_attempts));
            assert!(found.failed_attempts.starts_with(&expected.failed_attempts));
        } else {
            assert_eq!(found, expected);
        }
    }
    check_counts(&store).await;
}

/// What is written after a restart does not meet what lay behind the cut.
async fn check_it_goes_on(folder: &Path) {
    let (store, _) = disk::open(folder).await.unwrap();
    let found = tasks(&store).await;
    accept(&store, 99_999, [given(9000)]).await;
    store.close().await;
    let (store, _) = disk::open(folder).await.unwrap();
    assert_eq!(tasks(&store).await, found);
    assert!(store.get(id(9000)).await.unwrap().is_some());
}

/// What lies in the log behind the cut.
#[derive(Clone, Debug)]
enum Behind {
    Nothing,
    Garbage(Vec<u8>),
    /// What was written, except for some bytes just behind the cut.
    Torn(Vec<u8>),
    /// What was written, except for some sectors, which were to be written first.
    Holes(u8),
}

fn any_cut() -> impl Strategy<Value = (Index, usize, Behind)> {
    let behind = prop_oneof![
        Just(Behind::Nothing),
        vec(any::<u8>(), 1..9000).prop_map(Behind::Garbage),
        vec(any::<u8>(), 1..64).prop_map(Behind::Torn),
        (1..20_u8).prop_map(Behind::Holes),
    ];
    (any::<Index>(), 0_usize..2, behind)
}

/// The log as the disk has it.
fn damaged(log: &[u8], cut: usize, behind: &Behind) -> Vec<u8> {
    let mut image = log[..cut].to_vec();
    match behind {
        Behind::Nothing => {}
        Behind::Garbage(bytes) => image.extend(bytes),
        Behind::Torn(bytes) => {
            image.extend(&log[cut..]);
            image[cut..].iter_mut().zip(bytes).for_each(|(byte, torn)| *byte ^= torn);
        }
        Behind::Holes(sectors) => {
            image.extend(&log[cut..]);
            let end = (cut / SECTOR + *sectors as usize) * SECTOR;
            let end = end.clamp(cut, image.len());
            image[cut..end].fill(0);
        }
    }
    image
}

/// The last moment of which every byte is as it was written.
fn surviving<'a>(history: &'a History, image: &[u8]) -> &'a Moment {
    let mut bytes = image.iter().zip(&history.log);
    let whole = bytes.position(|(found, written)| found != written);
    let whole = whole.unwrap_or(image.len().min(history.log.len()));
    history.moments.iter().rfind(|moment| moment.length <= whole).unwrap()
}

#[test]
fn whatever_the_log_is_cut_to_each_commit_before_is_there_and_none_in_part() {
    super::check(250, any_cut(), |(at, which, behind)| {
        let history = &histories()[which];
        let image = damaged(&history.log, at.index(history.log.len() + 1), &behind);
        let (folder, expected) = (disk::folder(), surviving(history, &image));
        run(check_image(folder.path(), &history.database, &image, expected));
    });
}

/// As above, with the cut where it matters most: just where a commit ends.
#[test]
fn what_was_just_acknowledged_is_there() {
    let strategy = (any::<Index>(), -2_i8..3, any_cut());
    super::check(60, strategy, |(moment, beside, (_, which, behind))| {
        let history = &histories()[which];
        let moment = moment.get(&history.moments);
        let cut = moment.length.saturating_add_signed(beside.into()).min(history.log.len());
        let image = damaged(&history.log, cut, &behind);
        let expected = surviving(history, &image);
        assert!(beside < 0 || expected.length >= moment.length);
        let folder = disk::folder();
        run(async {
            check_image(folder.path(), &history.database, &image, expected).await;
            check_it_goes_on(folder.path()).await;
        });
    });
}

/// While the log is written into the database, any of it may have arrived.
#[test]
fn a_checkpoint_that_was_cut_short_is_made_again() {
    let strategy = (0_usize..2, vec(any::<bool>(), 1..64), any::<bool>());
    super::check(40, strategy, |(which, arrived, is_longer)| {
        let History { database, log, checkpointed, moments } = &histories()[which];
        let length = if is_longer { checkpointed.len() } else { database.len() };
        let mut image = checkpointed[..length].to_vec();
        for (nth, sector) in database.chunks(SECTOR).enumerate() {
            if !arrived[nth % arrived.len()] {
                image[nth * SECTOR..][..sector.len()].copy_from_slice(sector);
            }
        }
        let folder = disk::folder();
        run(check_image(folder.path(), &image, log, moments.last().unwrap()));
    });
}
