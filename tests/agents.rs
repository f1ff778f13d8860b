//! The shipped agents as components on the host, on real data.

use std::io::Write;

use chimera_layer4::fabric::{FolderGrant, ResourceQuota};
use serde_json::{Value, json};

use crate::harness::{config_of, execute, fabric, guest, root, settings, small_quota, task};

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join("agents/data-analyzer").join(path)).unwrap()
}

async fn analyze(payload: Value) -> Value {
    let fabric = fabric(settings()).await;
    let config = config_of("data-analyzer", |_| {});
    fabric.agents().spawn(&guest("data-analyzer"), config).await.unwrap();
    let result = execute(&fabric, "data-analyzer", payload).await;
    assert!(result.success, "{result:?}");
    result.output.to_value()
}

/// The reference was computed once with pandas and numpy; see
/// `agents/data-analyzer/tests/reference/compute.py`.
fn agrees(report: &Value, reference: &str) {
    let expected: Value = serde_json::from_str(&read(reference)).unwrap();
    assert_eq!(report["rows"], expected["rows"]);
    for (name, figures) in expected["numbers"].as_object().unwrap() {
        let columns = report["columns"].as_array().unwrap();
        let column = columns.iter().find(|column| column["name"] == *name).unwrap();
        assert_eq!(column["missing"], figures["missing"], "{name}");
        for figure in ["min", "max", "mean", "std"] {
            close(&column["numbers"][figure], &figures[figure], name);
        }
        for quantile in column["numbers"]["quantiles"]["values"].as_array().unwrap() {
            close(&quantile["value"], &figures["quantiles"][quantile["q"].to_string()], name);
        }
    }
    let pairs = report["correlations"]["pairs"].as_array().unwrap();
    for expected in expected["correlations"].as_array().unwrap() {
        // The order of columns is the order of keys, which JSON does not fix.
        let names = |pair: &Value| {
            let mut names = [pair["x"].to_string(), pair["y"].to_string()];
            names.sort();
            names
        };
        let same = |pair: &&Value| names(pair) == names(expected);
        close(&pairs.iter().find(same).unwrap()["r"], &expected["r"], "correlation");
    }
}

fn close(found: &Value, expected: &Value, what: &str) {
    let (found, expected) = (found.as_f64().unwrap(), expected.as_f64().unwrap());
    let error = (found - expected).abs();
    assert!(error <= 1e-9 * expected.abs().max(1.0), "{what}: {found}, expected {expected}");
}

#[tokio::test]
async fn penguins_agree_with_pandas() {
    let rows: Value = serde_json::from_str(&read("data/penguins.json")).unwrap();
    agrees(&analyze(rows).await, "tests/reference/penguins.json");
}

#[tokio::test]
async fn seattle_weather_agrees_with_pandas() {
    let text = Value::from(read("data/seattle-weather.csv"));
    agrees(&analyze(text).await, "tests/reference/seattle-weather.json");
}

#[tokio::test]
async fn a_hundred_megabytes_fit_a_quota_of_sixty_four() {
    let folder = tempfile::tempdir().unwrap();
    let rows = write_csv(&folder.path().join("large.csv"), 100 << 20);
    let fabric = fabric(settings()).await;
    let quota = ResourceQuota { max_memory_mb: 64, max_execution_time_secs: 300, ..small_quota() };
    let config = config_of("data-analyzer", |config| {
        config.resource_quota = quota.clone();
        config.grants.folders.push(FolderGrant {
            host: folder.path().into(),
            guest: "/data".into(),
            access: Default::default(),
        });
    });
    fabric.agents().spawn(&guest("data-analyzer"), config).await.unwrap();
    let mut order = task("data-analyzer", json!({ "path": "/data/large.csv", "group_by": "kind" }));
    order.resource_quota = quota;
    let result = Box::pin(fabric.tasks().execute(order)).await.unwrap();
    assert!(result.success, "{:?}", result.error);
    assert_eq!(result.output.to_value()["rows"], json!(rows));
    let output = result.output.to_value();
    let value = &output["columns"][1];
    assert_eq!((&value["name"], &value["count"]), (&json!("value"), &json!(rows)));
    // 0 to 999 in turn, a whole number of times but for the last round.
    assert!((value["numbers"]["mean"].as_f64().unwrap() - 499.5).abs() < 0.5, "{value}");
    println!(
        "100 MB of CSV: {} ms, {:.1} MiB at the most, {:.2} s of processor",
        result.execution_time_ms,
        result.resource_usage.memory_peak_mb,
        result.resource_usage.cpu_seconds
    );
    assert!(result.resource_usage.memory_peak_mb < 64.0);
}

fn write_csv(path: &std::path::Path, bytes: usize) -> u64 {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    let (mut written, mut rows) = (0, 0_u64);
    written += file.write(b"id,value,kind,note\n").unwrap();
    while written < bytes {
        let kind = ["red", "green", "blue"][(rows % 3) as usize];
        let line = format!("{rows},{},{kind},\"a note, quoted, of row {rows}\"\n", rows % 1000);
        file.write_all(line.as_bytes()).unwrap();
        written += line.len();
        rows += 1;
    }
    file.flush().unwrap();
    rows
}

#[tokio::test]
async fn a_folder_that_was_not_granted_is_bad_input_in_plain_words() {
    let fabric = fabric(settings()).await;
    let config = config_of("data-analyzer", |_| {});
    fabric.agents().spawn(&guest("data-analyzer"), config).await.unwrap();
    let result = execute(&fabric, "data-analyzer", json!({ "path": "/data/x.csv" })).await;
    assert_eq!(result.fault.unwrap().code(), "invalid-input");
    assert!(result.error.unwrap().contains("/data/x.csv"));
}
