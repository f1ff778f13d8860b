//! What a folder of agents comes to, look after look.
//!
//! `NAME.wasm` is the component of the type `NAME`, and `NAME.toml` beside it may say more. A
//! file that is being written changes from look to look, so a state of an agent's files counts
//! when two looks in a row have found it. Nothing here reads a folder.

use std::collections::{BTreeMap, BTreeSet};

/// What tells a state of a file from another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileMark {
    /// Its number in the file system: another where it was replaced.
    pub inode: u64,
    /// Its bytes.
    pub bytes: u64,
    /// When it was written to, in seconds and nanoseconds.
    pub modified: (i64, i64),
    /// When it was written to, renamed or given to others, likewise.
    pub changed: (i64, i64),
}

/// The files of one agent type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentFiles {
    /// Its component.
    pub component: FileMark,
    /// Its settings, where it has some.
    pub settings: Option<FileMark>,
}

/// What a look found of an agent type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Its files.
    Files(AgentFiles),
    /// Something that is there and cannot be used, and why.
    Refused(String),
}

/// The agent types of a folder, as one look found them.
pub type Listing = BTreeMap<String, Found>;

/// What has become of an agent type's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileChange {
    /// They are new, or others than before.
    Put(AgentFiles),
    /// They cannot be used, and why.
    Refused(String),
    /// They are gone.
    Removed,
}

/// A folder that is looked at again and again.
#[derive(Clone, Debug, Default)]
pub struct AgentsDir {
    last: Listing,
    /// What was reported.
    counted: Listing,
    /// Types that are reported again, although their files are as they were reported.
    again: BTreeSet<String>,
    left_out: usize,
}

impl AgentsDir {
    /// Agent types of a folder that are looked at.
    pub const MOST: usize = 1000;

    /// The first look. What is there counts at once: it was there before the host.
    pub fn begin(&mut self, found: Listing, is_whole: bool) -> BTreeMap<String, FileChange> {
        self.last = self.bounded(found.clone(), is_whole);
        self.look(found, is_whole)
    }

    /// Another look. The answer has each type whose files are as the look before found
    /// them, and other than when they were last reported. Where the look did not see all
    /// that is there (`is_whole`), what it did not see is taken to be as it was.
    pub fn look(&mut self, found: Listing, is_whole: bool) -> BTreeMap<String, FileChange> {
        let found = self.bounded(found, is_whole);
        let names: BTreeSet<String> = [&self.last, &self.counted, &found]
            .iter()
            .flat_map(|files| files.keys())
            .cloned()
            .collect();
        let mut changes = BTreeMap::new();
        for name in names {
            let now = found.get(&name);
            let is_news = now != self.counted.get(&name) || self.again.contains(&name);
            if now != self.last.get(&name) || !is_news {
                continue;
            }
            self.again.remove(&name);
            let change = match now {
                Some(Found::Files(files)) => FileChange::Put(*files),
                Some(Found::Refused(reason)) => FileChange::Refused(reason.clone()),
                None => FileChange::Removed,
            };
            match now {
                Some(now) => drop(self.counted.insert(name.clone(), now.clone())),
                None => drop(self.counted.remove(&name)),
            }
            changes.insert(name, change);
        }
        self.last = found;
        changes
    }

    /// The next look reports a type again, if it is there: what was reported could not be
    /// looked into for a reason that may pass.
    pub fn again(&mut self, name: &str) {
        if self.counted.contains_key(name) {
            self.again.insert(name.to_owned());
        }
    }

    /// Types of the last look beyond the most.
    #[must_use]
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// What is looked at of a listing. Types that were reported go before those that are
    /// new: a file that is added ends no type.
    fn bounded(&mut self, mut found: Listing, is_whole: bool) -> Listing {
        if !is_whole {
            for (name, before) in &self.counted {
                found.entry(name.clone()).or_insert_with(|| before.clone());
            }
        }
        let all = found.len();
        let known = found.keys().filter(|name| self.counted.contains_key(*name)).count();
        let mut room = Self::MOST.saturating_sub(known);
        found.retain(|name, _| {
            if self.counted.contains_key(name) {
                return true;
            }
            let fits = room > 0;
            room = room.saturating_sub(1);
            fits
        });
        self.left_out = all - found.len();
        found
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(version: u64) -> FileMark {
        FileMark { inode: 1, bytes: version, modified: (0, 0), changed: (0, 0) }
    }

    fn listing(types: &[(&str, u64, Option<u64>)]) -> Listing {
        let files = |(name, component, settings): &(&str, u64, Option<u64>)| {
            let files = AgentFiles { component: file(*component), settings: settings.map(file) };
            ((*name).to_owned(), Found::Files(files))
        };
        types.iter().map(files).collect()
    }

    /// The types that change, and whether their files were put.
    fn changes(of: &[(&str, bool)]) -> BTreeMap<String, bool> {
        of.iter().map(|(name, change)| ((*name).to_owned(), *change)).collect()
    }

    fn put(changes: BTreeMap<String, FileChange>) -> BTreeMap<String, bool> {
        let put = |change| match change {
            FileChange::Put(_) => true,
            FileChange::Removed => false,
            FileChange::Refused(reason) => panic!("{reason}"),
        };
        changes.into_iter().map(|(name, change)| (name, put(change))).collect()
    }

    #[test]
    fn a_file_counts_when_two_looks_have_found_it_the_same() {
        let (there, gone) = (changes(&[("a", true)]), changes(&[("a", false)]));
        let mut folder = AgentsDir::default();
        let mut look = |types: &[(&str, u64, Option<u64>)]| put(folder.look(listing(types), true));
        assert_eq!(look(&[("a", 1, None)]), changes(&[]));
        assert_eq!(look(&[("a", 1, None)]), there);
        assert_eq!(look(&[("a", 1, None)]), changes(&[]));
        // One that grows while it is copied.
        for version in 2..5 {
            assert_eq!(look(&[("a", version, None)]), changes(&[]));
        }
        assert_eq!(look(&[("a", 4, None)]), there);
        assert_eq!(look(&[("a", 4, Some(1))]), changes(&[]));
        assert_eq!(look(&[("a", 4, Some(1))]), there);
        // Gone for one look: it was replaced.
        assert_eq!(look(&[]), changes(&[]));
        assert_eq!(look(&[("a", 4, Some(1))]), changes(&[]));
        assert_eq!(look(&[]), changes(&[]));
        assert_eq!(look(&[]), gone);
        assert_eq!(look(&[]), changes(&[]));
        // What was there before the host counts at once.
        let mut folder = AgentsDir::default();
        assert_eq!(put(folder.begin(listing(&[("a", 1, None)]), true)), there);
        assert_eq!(put(folder.look(listing(&[("a", 1, None)]), true)), changes(&[]));
        // What could not be looked into is reported again.
        folder.again("a");
        assert_eq!(put(folder.look(listing(&[("a", 1, None)]), true)), there);
        assert_eq!(put(folder.look(listing(&[("a", 1, None)]), true)), changes(&[]));
    }

    #[test]
    fn a_file_that_is_added_ends_no_type() {
        let named = |n: usize| format!("type-{n:04}");
        let all = |from: usize| -> Listing {
            let names = (from..from + AgentsDir::MOST).map(named).collect::<Vec<_>>();
            listing(&names.iter().map(|name| (name.as_str(), 1, None)).collect::<Vec<_>>())
        };
        let mut folder = AgentsDir::default();
        assert_eq!(folder.begin(all(1), true).len(), AgentsDir::MOST);
        assert_eq!(folder.left_out(), 0);
        // It is before the others by its name, and one too many.
        let mut more = all(1);
        more.extend(listing(&[("a", 1, None)]));
        for _ in 0..2 {
            assert_eq!(put(folder.look(more.clone(), true)), changes(&[]));
            assert_eq!(folder.left_out(), 1);
        }
        // It comes in when there is room.
        more.remove(&named(7));
        assert_eq!(put(folder.look(more.clone(), true)), changes(&[]));
        assert_eq!(put(folder.look(more, true)), changes(&[("a", true), ("type-0007", false)]));
        // What a look did not see is taken to be there.
        for _ in 0..3 {
            assert_eq!(put(folder.look(listing(&[("a", 1, None)]), false)), changes(&[]));
        }
    }

    fn any_listing() -> impl Strategy<Value = Listing> {
        let files = (0_u64..3, proptest::option::of(0_u64..2), any::<bool>());
        proptest::collection::btree_map("[abc]", files, 0..4).prop_map(|types| {
            let named = types
                .iter()
                .map(|(name, (component, settings, _))| (name.as_str(), *component, *settings));
            let mut found = listing(&named.collect::<Vec<_>>());
            for (name, (component, ..)) in types.into_iter().filter(|(_, (.., is_wrong))| *is_wrong)
            {
                found.insert(name, Found::Refused(component.to_string()));
            }
            found
        })
    }

    proptest! {
        /// Whatever happened before, what is reported comes to what is there in the end.
        #[test]
        fn any_order_of_changes_ends_in_the_last_listing(
            looks in proptest::collection::vec(any_listing(), 1..20),
        ) {
            let mut folder = AgentsDir::default();
            let mut there = Listing::new();
            let mut apply = |changes: BTreeMap<String, FileChange>| {
                for (name, change) in changes {
                    drop(match change {
                        FileChange::Put(files) => there.insert(name, Found::Files(files)),
                        FileChange::Refused(reason) => there.insert(name, Found::Refused(reason)),
                        FileChange::Removed => there.remove(&name),
                    });
                }
                there.clone()
            };
            let mut looks = looks.into_iter();
            let mut last = looks.next().unwrap();
            apply(folder.begin(last.clone(), true));
            for look in looks {
                apply(folder.look(look.clone(), true));
                last = look;
            }
            prop_assert_eq!(&apply(folder.look(last.clone(), true)), &last);
            prop_assert_eq!(folder.look(last.clone(), true), BTreeMap::new());
        }
    }
}
