//! The lineage: what was recorded stays, and says who is in charge.

use chimera_layer4_core::genome::lineage::{self, Event};
use chimera_layer4_core::genome::rollout::How;
use rusqlite::Connection;

use super::super::{Active, Entries, Lineage, LineageReader, NewEntry};
use super::*;

fn promoted() -> Event {
    Event::Promoted { from: None, how: How::ByHand { by: "Ada".into() } }
}

fn rolled_back(to: &str) -> Event {
    Event::RolledBack { to: Digest::of(to.as_bytes()), why: "errors".into() }
}

fn entry(agent_type: &str, genome: &str, at: u64, event: Event) -> NewEntry {
    let agent_type = Some(agent_type.to_owned()).filter(|name| !name.is_empty());
    NewEntry { at: Timestamp(at), genome: Digest::of(genome.as_bytes()), agent_type, event }
}

fn which<'a>() -> Entries<'a> {
    Entries { limit: 100, ..Entries::default() }
}

#[test]
fn entries_are_found_by_type_and_genome_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let lineage = Lineage::open(&store).unwrap();
    assert_eq!(lineage.append(entry("a", "1", 10, promoted())).unwrap(), 0);
    let more = [
        entry("b", "1", 20, promoted()),
        entry("a", "2", 30, promoted()),
        entry("", "3", 5, Event::Pinned),
    ];
    assert_eq!(lineage.append_all(&more).unwrap(), [1, 2, 3]);

    let found = |which: &Entries<'_>| {
        let entries = lineage.reader().entries(which).unwrap();
        entries.iter().map(|entry| entry.sequence).collect::<Vec<_>>()
    };
    let one = Some(Digest::of(b"1"));
    assert_eq!(found(&which()), [0, 1, 2, 3]);
    assert_eq!(found(&Entries { agent_type: Some("a"), ..which() }), [0, 2]);
    assert_eq!(found(&Entries { genome: one, ..which() }), [0, 1]);
    assert_eq!(found(&Entries { agent_type: Some("a"), genome: one, ..which() }), [0]);
    assert_eq!(found(&Entries { after: Some(0), limit: 2, ..which() }), [1, 2]);
    let all = lineage.reader().entries(&which()).unwrap();
    assert_eq!((all[2].at, &all[2].event), (Timestamp(30), &promoted()));
    assert_eq!((all[3].agent_type.as_ref(), &all[3].event), (None, &Event::Pinned));

    let reader = LineageReader::open(folder.path()).unwrap();
    let active = reader.all_active().unwrap();
    let two = Active { genome: Digest::of(b"2"), sequence: 2 };
    assert_eq!((active.len(), active["a"], active["b"].sequence), (2, two, 1));
    assert_eq!(reader.active("c").unwrap(), None);
    let since = reader.genomes_since(Timestamp(25)).unwrap();
    assert_eq!(since, [b"1", b"2"].map(|name| Digest::of(name)).into(), "recent or in charge");

    drop((lineage, store));
    assert_eq!(reader.active("a").unwrap(), Some(two));
    drop(reader);
    let reader = LineageReader::open(folder.path()).unwrap();
    assert_eq!(reader.entries(&which()).unwrap(), all, "also while no host runs");
}

#[test]
fn who_is_in_charge_is_what_core_makes_of_the_entries() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let lineage = Lineage::open(&store).unwrap();
    for (agent_type, genome, event) in [
        ("a", "1", promoted()),
        ("a", "2", Event::Step { share: 0.5 }),
        ("a", "2", promoted()),
        ("b", "2", promoted()),
        ("", "3", promoted()), // In charge of nothing.
        ("a", "2", rolled_back("1")),
        ("b", "3", Event::Collected),
    ] {
        lineage.append(entry(agent_type, genome, 1, event)).unwrap();
        let entries = lineage.reader().entries(&which()).unwrap();
        for agent_type in ["a", "b"] {
            let active = lineage.reader().active(agent_type).unwrap();
            let said = lineage::active(&entries, agent_type);
            assert_eq!(active.map(|active| active.genome), said);
        }
    }
    let active = lineage.reader().all_active().unwrap();
    assert_eq!(active["a"], Active { genome: Digest::of(b"1"), sequence: 5 });
}

#[test]
fn nothing_of_it_can_be_changed_removed_or_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let lineage = Lineage::open(&store).unwrap();
    lineage.append(entry("a", "1", 10, promoted())).unwrap();
    let other = Connection::open(folder.path().join("lineage.db")).unwrap();
    for (sql, message) in [
        ("UPDATE entries SET at = 0", "nothing is changed"),
        ("DELETE FROM entries", "nothing is removed"),
        (
            "INSERT OR REPLACE INTO entries (seq, at, genome, event) VALUES (0, 0, 'g', '0')",
            "nothing is replaced",
        ),
    ] {
        let refused = other.execute(sql, []).unwrap_err().to_string();
        assert!(refused.contains(message), "{refused}");
    }
    let large = Event::RolledBack { to: Digest::of(b"0"), why: "x".repeat(5 << 20) };
    let both = [entry("a", "2", 11, promoted()), entry("a", "1", 12, large)];
    let refused = lineage.append_all(&both).unwrap_err().to_string();
    assert_eq!(lineage.reader().entries(&which()).unwrap().len(), 1, "all or none");
    assert!(refused.contains("keep a summary"), "{refused}");
}

#[test]
fn who_is_active_follows_from_the_entries() {
    let folder = tempfile::tempdir().unwrap();
    {
        let store = open(folder.path());
        let lineage = Lineage::open(&store).unwrap();
        let entries = [
            entry("a", "1", 1, promoted()),
            entry("a", "2", 2, promoted()),
            entry("a", "3", 3, Event::Pinned),
        ];
        lineage.append_all(&entries).unwrap();
    }
    let active = || {
        let store = open(folder.path());
        let lineage = Lineage::open(&store).unwrap();
        lineage.reader().all_active().unwrap()
    };
    let said = active();
    assert_eq!(said["a"], Active { genome: Digest::of(b"2"), sequence: 1 });
    for sql in [
        "DELETE FROM active",
        "UPDATE active SET seq = 7",
        "INSERT INTO active VALUES ('z', 'sha256:', 1)",
        "UPDATE active SET genome = 'nonsense'",
    ] {
        let other = Connection::open(folder.path().join("lineage.db")).unwrap();
        assert_eq!(other.execute(sql, []).unwrap(), 1, "{sql}");
        drop(other);
        assert_eq!(active(), said, "{sql}");
    }
}

#[test]
fn a_database_that_is_not_what_it_should_be_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let path = folder.path().join("lineage.db");
    let refused = || Lineage::open(&store).unwrap_err().to_string();
    fs::write(&path, "no database at all, but long enough to look at".repeat(100)).unwrap();
    let before = fs::read(&path).unwrap();
    assert!(refused().contains("damaged or no database"), "{}", refused());
    assert_eq!(fs::read(&path).unwrap(), before);

    fs::remove_file(&path).unwrap();
    fs::write(folder.path().join("lineage.db-wal"), "entries").unwrap();
    assert!(refused().contains("move the log away"), "{}", refused());
    fs::remove_file(folder.path().join("lineage.db-wal")).unwrap();

    Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    assert!(refused().contains("another program's"), "{}", refused());
    fs::remove_file(&path).unwrap();

    drop(Lineage::open(&store).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 9).unwrap();
    assert!(refused().contains("its tables are of version 9"), "{}", refused());
}
