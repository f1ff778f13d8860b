//! What tools of the trade make of the folder of genomes.

use std::process::Command;

use chimera_layer4::fabric::NewGenome;
use chimera_layer4::fabric::config::TaskStoreKind;

use super::variants::Variant;
use crate::harness::{fabric, settings_with};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs skopeo; .ci/run installs it"]
async fn skopeo_copies_a_genome_out_by_its_digest() {
    let data = tempfile::tempdir().unwrap();
    let config = settings_with(|c| {
        c.data_dir = Some(data.path().join("data"));
        c.queue.task_store = TaskStoreKind::Embedded;
    });
    let fabric = fabric(config).await;
    let [first, second] = [1, 2].map(|version| Variant::version(version).bytes());
    fabric.genomes().push(NewGenome::new(first)).await.unwrap();
    let genome = fabric.genomes().push(NewGenome::new(second.clone())).await.unwrap().genome;

    // While the host has it open.
    let from = format!("oci:{}:{}", data.path().join("data/genomes").display(), genome.hex());
    let to = data.path().join("copy");
    let copied = Command::new("skopeo")
        .args(["copy", "--insecure-policy", &from, &format!("dir:{}", to.display())])
        .output()
        .expect("skopeo starts");
    assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
    assert_eq!(std::fs::read(to.join(genome.hex())).unwrap(), second);
    fabric.shutdown().await.unwrap();
}
