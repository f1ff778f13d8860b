//! The document's alerts and panels: each is among the operator's files, and asks for what
//! a host exports. `http::deploy` has them evaluated by a Prometheus.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::folder;
use crate::harness::root;
use crate::http::Api;
use crate::http::metrics::{collect, exported, named};

/// The dashboards, each with the manifest that has it.
const DASHBOARDS: [(&str, &str); 2] =
    [("0616.yaml", "configmap-dashboard.yaml"), ("0732.yaml", "configmap-grafana.yaml")];
const ALERTS: &str = "0679.yaml";

fn block(name: &str) -> String {
    fs::read_to_string(folder().join("blocks").join(name)).unwrap()
}

fn deployed(name: &str) -> String {
    fs::read_to_string(root().join("host/deploy").join(name)).unwrap()
}

/// The file of the alerts, as Prometheus reads it.
pub(crate) fn rules() -> PathBuf {
    folder().join("blocks").join(ALERTS)
}

/// What the alerts ask.
pub(crate) fn alerts() -> Vec<String> {
    let text = block(ALERTS);
    let expressions = text.lines().filter_map(|line| line.trim().strip_prefix("expr: "));
    expressions.map(str::to_owned).collect()
}

/// What the panels ask.
pub(crate) fn panels() -> Vec<String> {
    let mut expressions = Vec::new();
    for (name, _) in DASHBOARDS {
        collect(&dashboard(&block(name)), &mut expressions);
    }
    expressions
}

/// The dashboard that a ConfigMap has, which is all text below its key.
fn dashboard(config_map: &str) -> Value {
    let (_, json) = config_map.split_once(".json: |\n").unwrap();
    serde_json::from_str(json).unwrap()
}

#[test]
fn each_alert_is_among_the_rules_as_the_document_has_it() {
    let (theirs, ours) = (block(ALERTS), deployed("prometheus/rules.yml"));
    let alerts: Vec<&str> = theirs.split("      - alert: ").skip(1).collect();
    for alert in &alerts {
        // The text for people says more in ours.
        let (rule, _) = alert.split_once("        annotations:").unwrap();
        assert!(ours.contains(&format!("- alert: {rule}")), "{rule}\n{ours}");
    }
    assert_eq!(alerts.len(), 3);
}

#[test]
fn each_dashboard_is_among_the_manifests() {
    for (block_of, manifest) in DASHBOARDS {
        let ours = deployed(&format!("kubernetes/{manifest}"));
        assert_eq!(dashboard(&block(block_of)), dashboard(&ours), "{manifest}");
        let name = |text: &str| -> String {
            let name = text.lines().find_map(|line| line.trim().strip_prefix("name: "));
            name.unwrap().to_owned()
        };
        assert_eq!(name(&block(block_of)), name(&ours));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_and_panels_ask_for_what_a_host_exports_from_its_start() {
    let api = Api::new(&["echo"]).await;
    let exported = exported(&api.get("/metrics").await.body);
    let (alerts, panels) = (alerts(), panels());
    let names: BTreeSet<String> = alerts.iter().chain(&panels).flat_map(|one| named(one)).collect();
    for name in &names {
        assert!(exported.contains(name), "no exporter has {name}: {exported:?}");
    }
    println!(
        "document: {} alerts, {} expressions of panels, {} metrics in them, each on a running host",
        alerts.len(),
        panels.len(),
        names.len()
    );
    assert_eq!((alerts.len(), panels.len(), names.len()), (3, 7, 8));
    api.end().await.unwrap();
}
