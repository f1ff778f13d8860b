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

/// The agent types of a folder, as one look found them.
pub type Listing = BTreeMap<String, AgentFiles>;

/// What has become of an agent type's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileChange {
    /// They are new, or others than before.
    Put,
    /// They are gone.
    Removed,
}

/// A folder that is looked at again and again.
#[derive(Clone, Debug, Default)]
pub struct AgentsDir {
    last: Listing,
    /// What was reported.
    counted: Listing,
}

impl AgentsDir {
    /// The first look. What is there counts at once: it was there before the host.
    pub fn begin(&mut self, found: Listing) -> BTreeMap<String, FileChange> {
        self.last = found.clone();
        self.look(found)
    }

    /// Another look. The answer has each type whose files are as the look before found
    /// them, and other than when they were last reported.
    pub fn look(&mut self, found: Listing) -> BTreeMap<String, FileChange> {
        let names: BTreeSet<String> = [&self.last, &self.counted, &found]
            .iter()
            .flat_map(|files| files.keys())
            .cloned()
            .collect();
        let mut changes = BTreeMap::new();
        for name in names {
            let now = found.get(&name);
            if now != self.last.get(&name) || now == self.counted.get(&name) {
                continue;
            }
            let change = match now {
                Some(files) => {
                    self.counted.insert(name.clone(), *files);
                    FileChange::Put
                }
                None => {
                    self.counted.remove(&name);
                    FileChange::Removed
                }
            };
            changes.insert(name, change);
        }
        self.last = found;
        changes
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
            ((*name).to_owned(), files)
        };
        types.iter().map(files).collect()
    }

    fn changes(of: &[(&str, FileChange)]) -> BTreeMap<String, FileChange> {
        of.iter().map(|(name, change)| ((*name).to_owned(), *change)).collect()
    }

    #[test]
    fn a_file_counts_when_two_looks_have_found_it_the_same() {
        use FileChange::{Put, Removed};
        let mut folder = AgentsDir::default();
        assert_eq!(folder.begin(listing(&[("a", 1, None)])), changes(&[("a", Put)]));
        assert_eq!(folder.look(listing(&[("a", 1, None)])), changes(&[]));
        // One that grows while it is copied.
        for version in 2..5 {
            assert_eq!(folder.look(listing(&[("a", version, None)])), changes(&[]));
        }
        assert_eq!(folder.look(listing(&[("a", 4, None)])), changes(&[("a", Put)]));
        assert_eq!(folder.look(listing(&[("a", 4, Some(1))])), changes(&[]));
        assert_eq!(folder.look(listing(&[("a", 4, Some(1))])), changes(&[("a", Put)]));
        // Gone for one look: it was replaced.
        assert_eq!(folder.look(listing(&[])), changes(&[]));
        assert_eq!(folder.look(listing(&[("a", 4, Some(1))])), changes(&[]));
        assert_eq!(folder.look(listing(&[])), changes(&[]));
        assert_eq!(folder.look(listing(&[])), changes(&[("a", Removed)]));
        assert_eq!(folder.look(listing(&[])), changes(&[]));
    }

    fn any_listing() -> impl Strategy<Value = Listing> {
        let files = (0_u64..3, proptest::option::of(0_u64..2));
        proptest::collection::btree_map("[abc]", files, 0..4).prop_map(|types| {
            let named = types
                .iter()
                .map(|(name, (component, settings))| (name.as_str(), *component, *settings));
            listing(&named.collect::<Vec<_>>())
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
            let mut apply = |changes: BTreeMap<String, FileChange>, found: &Listing| {
                for (name, change) in changes {
                    match change {
                        FileChange::Put => drop(there.insert(name.clone(), found[&name])),
                        FileChange::Removed => drop(there.remove(&name)),
                    }
                }
                there.clone()
            };
            let mut looks = looks.into_iter();
            let mut last = looks.next().unwrap();
            apply(folder.begin(last.clone()), &last);
            for look in looks {
                apply(folder.look(look.clone()), &look);
                last = look;
            }
            prop_assert_eq!(&apply(folder.look(last.clone()), &last), &last);
            prop_assert_eq!(folder.look(last.clone()), BTreeMap::new());
        }
    }
}
