//! Holds the analyzer against figures that another tool computed.
//!
//! `reference/compute.py` made them with pandas 3.1.1 and numpy 2.4.6; they are
//! pinned here to a relative error of 1e-9.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test's helpers fail the test")]

use chimera_agent_sdk::prelude::*;
use chimera_agent_sdk::serde_json;
use chimera_agent_sdk::testing::{TestHost, task_from_json};
use data_analyzer::DataAnalyzer;

const PENGUINS: &str = include_str!("../data/penguins.json");
const WEATHER: &str = include_str!("../data/seattle-weather.csv");

fn analyze(payload: &str) -> Value {
    let mut host = TestHost::<DataAnalyzer>::start().unwrap();
    host.execute_task(task_from_json(payload)).unwrap()
}

fn check(report: &Value, reference: &str) {
    let expected: Value = serde_json::from_str(reference).unwrap();
    assert_eq!(report["rows"], expected["rows"]);
    for (name, figures) in expected["numbers"].as_object().unwrap() {
        check_numbers(column(report, name), figures);
    }
    for (name, figures) in expected["texts"].as_object().unwrap() {
        check_texts(column(report, name), figures);
    }
    check_correlations(report, &expected["correlations"]);
    check_groups(&report["groups"], &expected["group_by"]);
}

fn column<'a>(report: &'a Value, name: &str) -> &'a Value {
    let mut columns = report["columns"].as_array().unwrap().iter();
    columns.find(|column| column["name"] == name).unwrap()
}

fn check_numbers(column: &Value, expected: &Value) {
    assert_eq!(column["count"], expected["count"], "{column}");
    assert_eq!(column["missing"], expected["missing"], "{column}");
    assert_eq!(column["distinct"]["count"], expected["distinct"], "{column}");
    let numbers = &column["numbers"];
    for figure in ["min", "max", "mean", "std"] {
        close(&numbers[figure], &expected[figure], figure);
    }
    assert_eq!(numbers["quantiles"]["method"], "exact");
    let quantiles = numbers["quantiles"]["values"].as_array().unwrap();
    assert_eq!(quantiles.len(), expected["quantiles"].as_object().unwrap().len());
    for quantile in quantiles {
        let q = quantile["q"].to_string();
        close(&quantile["value"], &expected["quantiles"][&q], &q);
    }
    let fences = &numbers["outliers"][0];
    close(&fences["lower"], &expected["iqr"]["lower"], "lower");
    close(&fences["upper"], &expected["iqr"]["upper"], "upper");
    assert_eq!(fences["below"], expected["iqr"]["below"]);
    assert_eq!(fences["above"], expected["iqr"]["above"]);
}

fn check_texts(column: &Value, expected: &Value) {
    assert_eq!(column["type"], "text");
    assert_eq!(column["count"], expected["count"], "{column}");
    assert_eq!(column["missing"], expected["missing"], "{column}");
    assert_eq!(column["distinct"], json!({"count": expected["distinct"], "method": "exact"}));
    let top = column["texts"]["top"].as_array().unwrap();
    let found: serde_json::Map<_, _> = top
        .iter()
        .map(|top| (top["value"].as_str().unwrap().to_owned(), top["count"].clone()))
        .collect();
    assert_eq!(Value::Object(found), expected["top"]);
}

fn check_correlations(report: &Value, expected: &Value) {
    let found = report["correlations"]["pairs"].as_array().unwrap();
    let expected = expected.as_array().unwrap();
    assert_eq!(found.len(), expected.len());
    for pair in expected {
        let twin = found.iter().find(|found| found["x"] == pair["x"] && found["y"] == pair["y"]);
        close(&twin.unwrap()["r"], &pair["r"], "r");
    }
}

fn check_groups(found: &Value, expected: &Value) {
    let by = expected["by"].as_str().unwrap();
    let groups = found["groups"].as_array().unwrap();
    assert_eq!(groups.len(), expected["groups"].as_object().unwrap().len());
    for group in groups {
        let expected = &expected["groups"][group["key"][by].as_str().unwrap()];
        assert_eq!(group["rows"], expected["rows"]);
        for (name, figures) in expected["numbers"].as_object().unwrap() {
            let numbers = &group["numbers"][name];
            assert_eq!(numbers["count"], figures["count"]);
            close(&numbers["mean"], &figures["mean"], name);
            close(&numbers["std"], &figures["std"], name);
        }
    }
}

#[track_caller]
fn close(found: &Value, expected: &Value, what: &str) {
    let (found, expected) = (found.as_f64().unwrap(), expected.as_f64().unwrap());
    let off = (found - expected).abs();
    assert!(off <= 1e-9 * expected.abs().max(1e-300), "{what}: {found} is not {expected}");
}

#[test]
fn penguins_match_pandas() {
    let payload = format!(r#"{{"rows": {PENGUINS}, "group_by": "Species"}}"#);
    check(&analyze(&payload), include_str!("reference/penguins.json"));
}

#[test]
fn seattle_weather_matches_pandas() {
    let payload = json!({"csv": WEATHER, "group_by": ["weather"]});
    let report = analyze(&payload.to_string());
    check(&report, include_str!("reference/seattle-weather.json"));
    let date = column(&report, "date");
    assert_eq!(date["type"], "date");
    assert_eq!(date["times"]["earliest"], "2012-01-01");
    assert_eq!(date["times"]["latest"], "2015-12-31");
    assert_eq!(date["times"]["span_days"], 1460.0);
}

#[test]
fn a_data_file_can_be_the_payload_as_it_is() {
    let rows = analyze(PENGUINS);
    let wrapped = analyze(&format!(r#"{{"rows": {PENGUINS}}}"#));
    assert_eq!(rows["columns"], wrapped["columns"]);
    let text = analyze(&json!(WEATHER).to_string());
    assert_eq!(text["columns"], analyze(&json!({"csv": WEATHER}).to_string())["columns"]);
}

#[test]
fn a_file_gives_the_same_report_as_the_payload() {
    for (name, text, payload) in [
        ("penguins.json", PENGUINS, PENGUINS.to_owned()),
        ("seattle-weather.csv", WEATHER, json!(WEATHER).to_string()),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let from_file = analyze(&json!({"path": path}).to_string());
        let from_payload = analyze(&payload);
        assert_eq!(from_file["columns"], from_payload["columns"]);
        assert_eq!(from_file["correlations"], from_payload["correlations"]);
    }
}
