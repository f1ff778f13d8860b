//! Which manifest of a layout a tag or a digest means.
//!
//! A layout's index names manifests, and other indexes that name more: tools
//! write those for several platforms, or beside attestations. One manifest may
//! have several tags.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use chimera_layer4_core::Digest;
use serde::Deserialize;

use super::{SHOWN, document};
use crate::genomes::folder::Layout;
use crate::genomes::oci::{Descriptor, INDEX, MANIFEST, Manifest};

/// Indexes that are read for one search. Real layouts have a handful.
const MOST_INDEXES: usize = 64;
/// Manifests that are read to find the one of a component among them.
const MOST_MANIFESTS: usize = 64;
/// Characters of a tag that an error shows.
const TAG_CHARS: usize = 100;

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Named>,
}

/// What an index names. A digest of another kind than this host reads is an
/// error only if it is asked for, so it is text until then. An index may name
/// a hundred thousand, so what is not needed of each is not kept.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default)]
    annotations: Option<Tagged>,
}

#[derive(Deserialize)]
struct Tagged {
    #[serde(default, rename = "org.opencontainers.image.ref.name")]
    tag: Option<String>,
}

/// A manifest that may be the one that is meant.
struct Candidate {
    descriptor: Descriptor,
    tag: Option<String>,
}

impl Named {
    fn tag(&self) -> Option<&str> {
        self.annotations.as_ref()?.tag.as_deref()
    }

    fn is(&self, reference: &str) -> bool {
        self.tag() == Some(reference) || self.digest == reference
    }

    fn is_index(&self) -> bool {
        self.media_type == INDEX
    }

    fn descriptor(&self) -> Result<Descriptor, String> {
        let digest: Digest = self.digest.parse().map_err(|error| format!("{error}"))?;
        Ok(Descriptor::new(&self.media_type, digest, self.size))
    }
}

/// A search in one layout.
pub(super) struct Search<'a> {
    layout: &'a Layout,
    /// Indexes that were read.
    read: usize,
    /// The digest that each tag means in all that was read, unless there are several.
    tags: BTreeMap<String, Option<String>>,
}

impl<'a> Search<'a> {
    pub(super) fn new(layout: &'a Layout) -> Self {
        Self { layout, read: 0, tags: BTreeMap::new() }
    }

    /// The one manifest that is meant. Of several, it is the only one of a
    /// component.
    ///
    /// # Errors
    /// None is, or several are, each named; or one cannot be read.
    pub(super) fn manifest(mut self, reference: Option<&str>) -> Result<Manifest, String> {
        let top = document(&self.layout.index(), None)?;
        let top = self.note(top);
        let mut answering = self.answering(&top, reference)?;
        // Two tags on one manifest are two ways to say the same.
        let mut seen = BTreeSet::new();
        answering.retain(|one| seen.insert(one.descriptor.digest));
        match (answering.as_slice(), reference) {
            ([one], _) => self.read_manifest(&one.descriptor),
            ([], Some(reference)) => {
                let named = top.iter().map(|named| (named.tag(), named.digest.clone()));
                Err(format!("it has no {reference:?}; {}", self.names(named)))
            }
            ([], None) => Err("it is empty".into()),
            (several, _) => self.only_component(several),
        }
    }

    /// The manifests of a level that are meant, and those of indexes that are.
    fn answering(
        &mut self,
        level: &[Named],
        reference: Option<&str>,
    ) -> Result<Vec<Candidate>, String> {
        let is_meant = |named: &&Named| reference.is_none_or(|reference| named.is(reference));
        let meant: Vec<&Named> = level.iter().filter(is_meant).collect();
        if meant.is_empty() {
            return self.answering_below(level, reference);
        }
        let (mut manifests, mut wrong) = (Vec::new(), None);
        for named in meant {
            match named.descriptor() {
                Ok(_) if named.is_index() => {
                    let below = self.read_index(named)?;
                    manifests.extend(self.answering(&below, None)?);
                }
                Ok(descriptor) => {
                    let tag = named.tag().map(str::to_owned);
                    manifests.push(Candidate { descriptor, tag });
                }
                Err(error) => wrong = Some(error),
            }
        }
        wrong.filter(|_| manifests.is_empty()).map_or(Ok(manifests), Err)
    }

    /// Those that are meant by the digest, or the tag, that an inner index gives them.
    fn answering_below(
        &mut self,
        level: &[Named],
        reference: Option<&str>,
    ) -> Result<Vec<Candidate>, String> {
        let (mut manifests, mut unread) = (Vec::new(), None);
        for index in level.iter().filter(|named| named.is_index()) {
            match self.read_index(index) {
                Ok(below) => manifests.extend(self.answering(&below, reference)?),
                // It may be in another.
                Err(error) => unread = Some(error),
            }
        }
        unread.filter(|_| manifests.is_empty()).map_or(Ok(manifests), Err)
    }

    fn read_index(&mut self, index: &Named) -> Result<Vec<Named>, String> {
        self.read += 1;
        if self.read > MOST_INDEXES {
            return Err(format!(
                "more than {MOST_INDEXES} indexes are nested in its index; copy the manifest that \
                 is meant into a layout of its own"
            ));
        }
        let index = index.descriptor()?;
        let read = document(&self.layout.blob(&index.digest), Some(&index))?;
        Ok(self.note(read))
    }

    fn note(&mut self, Index { manifests }: Index) -> Vec<Named> {
        for named in &manifests {
            if let Some(tag) = named.tag() {
                match self.tags.entry(tag.to_owned()) {
                    Entry::Vacant(new) => drop(new.insert(Some(named.digest.clone()))),
                    Entry::Occupied(mut known) => {
                        if known.get().as_ref() != Some(&named.digest) {
                            known.insert(None);
                        }
                    }
                }
            }
        }
        manifests
    }

    fn read_manifest(&self, named: &Descriptor) -> Result<Manifest, String> {
        if named.media_type != MANIFEST {
            let (digest, found) = (named.digest, &named.media_type);
            return Err(format!("{digest} is a {found:?}; a genome has a {MANIFEST:?}"));
        }
        document(&self.layout.blob(&named.digest), Some(named))
    }

    /// Beside a component there may be a description of it, or what runs elsewhere.
    fn only_component(&self, several: &[Candidate]) -> Result<Manifest, String> {
        let mut components = Vec::new();
        let all = several.iter().map(|one| &one.descriptor);
        let manifests = all.filter(|named| named.media_type == MANIFEST);
        for named in manifests.take(MOST_MANIFESTS + 1) {
            let manifest = self.read_manifest(named)?;
            components.extend(manifest.component().is_some().then_some(manifest));
        }
        match components.pop() {
            Some(one) if components.is_empty() && several.len() <= MOST_MANIFESTS => Ok(one),
            _ => {
                let named = several
                    .iter()
                    .map(|one| (one.tag.as_deref(), one.descriptor.digest.to_string()));
                Err(format!("{} manifests answer; {}", several.len(), self.names(named)))
            }
        }
    }

    /// What to ask for instead: a tag where it means only this one, else the digest.
    fn names<'n>(&self, named: impl Iterator<Item = (Option<&'n str>, String)>) -> String {
        let is_clear = |tag: &&str| self.tags.get(*tag).is_none_or(Option::is_some);
        let mut names = named.map(|(tag, digest)| match tag.filter(is_clear) {
            Some(tag) => tag.chars().take(TAG_CHARS).collect(),
            None => digest,
        });
        let shown: Vec<String> = names.by_ref().take(SHOWN).collect();
        let more = names.count();
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        format!("name one of {}{more}", shown.join(", "))
    }
}
