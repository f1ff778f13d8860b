//! What is done about damage: it is put aside, and what can be made anew is.
//!
//! A component that is damaged is lost to the store, and its genome with it. A
//! damaged description is not worth that: the component is whole, and may be
//! in charge of an agent. It is described anew by what is left.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::de::DeserializeOwned;

use super::documents::{self, Documents};
use super::index::{Entry, INDEX_BYTES, Index};
use super::oci::{Manifest, WasmConfig};
use super::reader::Loaded;
use super::sweep::put_aside;
use super::{
    Changing, Finding, GenomeStore, GenomeStoreError, GenomeStoreResult, Part, Report, disk,
};

impl GenomeStore {
    /// Hashes every file of every genome, puts aside what is damaged, and
    /// describes anew what lost only its description.
    ///
    /// # Errors
    /// `Failed` when something cannot be read or moved at all.
    pub fn verify(&self) -> GenomeStoreResult<Report> {
        let mut report = self.reader.verify()?;
        if report.index.is_some() {
            self.mended(&self.lock())?;
        }
        for finding in &mut report.findings {
            *finding = self.settle(finding.clone())?;
        }
        Ok(report)
    }

    /// The index in force. One that is unsound is put aside and written anew,
    /// and one that may not last is written again.
    pub(super) fn mended(
        &self,
        changing: &Changing<'_>,
    ) -> GenomeStoreResult<(Arc<Index>, Option<String>)> {
        let Loaded { index, complaint } = self.reader.load()?;
        if let Some(complaint) = &complaint {
            let layout = self.reader.layout();
            let path = layout.index();
            if path.exists() {
                tracing::warn!(index = %path.display(), complaint, "made anew from the blobs");
                // Copied: moved, there would be none if the process ended now.
                let bytes = disk::read(&path, INDEX_BYTES);
                let bytes = bytes.map_err(GenomeStoreError::failed("read", &path))?;
                disk::place(&layout.quarantine().join("index.json"), &bytes)?;
                disk::sync_folder(&layout.quarantine())?;
            }
        }
        if complaint.is_some() || self.in_doubt.load(Ordering::Relaxed) {
            self.save((*index).clone(), changing)?;
        }
        Ok((index, complaint))
    }

    /// An error, after something was done about the damage that it describes.
    pub(super) fn settled(&self, error: GenomeStoreError) -> GenomeStoreError {
        match error {
            GenomeStoreError::Damaged(finding) => match self.settle((*finding).clone()) {
                Ok(finding) => GenomeStoreError::Damaged(finding.into()),
                Err(failed) => {
                    tracing::error!(%finding, %failed, "damage could not be put aside");
                    GenomeStoreError::Damaged(finding)
                }
            },
            other => other,
        }
    }

    /// Puts the damaged file aside, and describes the genome anew or forgets it.
    fn settle(&self, mut finding: Finding) -> GenomeStoreResult<Finding> {
        let changing = self.lock();
        let (index, _) = self.mended(&changing)?;
        let entry = index.get(&finding.genome).copied();
        let Some(entry) = entry.filter(|entry| entry.blob(finding.part) == finding.expected) else {
            // Dealt with already, alone or with another part of the same genome.
            let kept = self.reader.layout().quarantine().join(finding.expected.hex());
            finding.kept_at = kept.exists().then_some(kept);
            return Ok(finding);
        };
        // It may have been stored again since; the same bytes have the same name.
        let is_whole = self.reader.part(&entry, finding.part).is_ok();
        if is_whole && finding.found != Some(finding.expected) {
            return Ok(finding);
        }
        finding.kept_at = self.put_aside(&entry, finding.part)?;
        match finding.part {
            Part::Layer => self.give_up(&entry, &index, &changing)?,
            Part::Config | Part::Manifest => self.describe_anew(&entry, &index, &changing)?,
        }
        tracing::error!(%finding, "a stored genome was damaged");
        Ok(finding)
    }

    /// Moves a part to the quarantine, if it is there.
    fn put_aside(&self, entry: &Entry, part: Part) -> GenomeStoreResult<Option<PathBuf>> {
        let layout = self.reader.layout();
        let blob = entry.blob(part);
        let path = layout.blob(&blob);
        if !path.exists() {
            return Ok(None);
        }
        let kept = put_aside(layout, &path, &blob.hex())?;
        disk::sync_folder(&layout.blobs())?;
        Ok(Some(kept))
    }

    /// Forgets a genome whose component is lost. What described it stays beside it.
    fn give_up(
        &self,
        entry: &Entry,
        index: &Index,
        changing: &Changing<'_>,
    ) -> GenomeStoreResult<()> {
        let mut remaining = index.clone();
        remaining.remove(&entry.stored.genome);
        let named = remaining.blobs();
        self.save(remaining, changing)?;
        for part in [Part::Config, Part::Manifest] {
            if !named.contains(&entry.blob(part)) {
                self.put_aside(entry, part)?;
            }
        }
        Ok(())
    }

    fn describe_anew(
        &self,
        entry: &Entry,
        index: &Index,
        changing: &Changing<'_>,
    ) -> GenomeStoreResult<()> {
        let manifest = self.remains::<Manifest>(entry, Part::Manifest);
        let config = self.remains::<WasmConfig>(entry, Part::Config);
        let about = documents::about(manifest.as_ref(), config);
        let stored = entry.stored;
        let Documents { config, manifest } = Documents::new(stored.genome, stored.bytes, &about)?;
        let anew = Entry::new(stored.genome, stored.bytes, &config, &manifest);
        self.place(&anew, &[(Part::Config, &config), (Part::Manifest, &manifest)])?;
        let mut described = index.clone();
        described.insert(anew);
        let named = described.blobs();
        self.save(described, changing)?;
        for part in [Part::Config, Part::Manifest] {
            if !named.contains(&entry.blob(part)) {
                self.put_aside(entry, part)?;
            }
        }
        Ok(())
    }

    fn remains<T: DeserializeOwned>(&self, entry: &Entry, part: Part) -> Option<T> {
        serde_json::from_slice(&self.reader.part(entry, part).ok()?).ok()
    }
}
