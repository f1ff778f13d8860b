//! Genomes that other tools wrote: `oras`, `skopeo`, another host's folder.

use std::path::Path;
use std::time::SystemTime;

use chimera_layer4_core::FabricResult;
use chimera_layer4_core::genome::lineage::Source;

use super::admission::NewGenome;
use chimera_layer4_stores::genomes::read_layout;

impl NewGenome {
    /// One from an OCI layout, as other tools write them: of at most `most` bytes,
    /// by its tag or the digest of its manifest, which may be left out where
    /// there is but one.
    ///
    /// # Errors
    /// `GenomeStore` when the layout has no such genome, or it is no single
    /// component.
    pub fn of_layout(layout: &Path, reference: Option<&str>, most: u64) -> FabricResult<Self> {
        let (bytes, about) = read_layout(layout, reference, SystemTime::now().into(), most)?;
        let named = reference.map(|reference| format!(":{reference}")).unwrap_or_default();
        let source = Source::Oci { reference: format!("oci:{}{named}", layout.display()) };
        Ok(Self { source, author: about.author.unwrap_or_default(), ..Self::new(bytes) })
    }
}
