//! What the analyzer makes of data as it comes: well formed, odd and wrong.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail the test")]

use chimera_agent_sdk::prelude::*;
use chimera_agent_sdk::testing::{TestHost, task_from_json};
use data_analyzer::DataAnalyzer;
use proptest::prelude::*;

fn analyze(payload: &Value) -> Result<Value, AgentError> {
    TestHost::<DataAnalyzer>::start().unwrap().execute(payload)
}

fn report(payload: Value) -> Value {
    analyze(&payload).unwrap()
}

/// The words of a refusal.
fn refusal(payload: &Value) -> String {
    match analyze(payload) {
        Err(AgentError::InvalidInput(message)) => message,
        other => panic!("{payload} gave {other:?}"),
    }
}

fn column<'a>(report: &'a Value, name: &str) -> &'a Value {
    let mut columns = report["columns"].as_array().unwrap().iter();
    columns.find(|column| column["name"] == name).unwrap()
}

fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, Value) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (folder, json!({ "path": path }))
}

// === what is accepted ===

#[test]
fn types_are_inferred() {
    let rows = [
        ("1\n2", "integer"),
        ("1\n2.5", "number"),
        ("true\nFALSE", "boolean"),
        ("2012-01-01\n2012-01-02", "date"),
        ("2012-01-01\n2012-01-02T10:00:00Z", "datetime"),
        ("a\nb", "text"),
        ("007\n008", "text"),
        ("1\nb", "mixed"),
        ("NA\nnull", "empty"),
    ];
    for (values, expected) in rows {
        let report = report(json!({"csv": format!("x\n{values}\n")}));
        assert_eq!(column(&report, "x")["type"], expected, "{values:?}");
    }
}

#[test]
fn a_mixed_column_says_of_what() {
    let report = report(json!([{"x": 1}, {"x": "a"}, {"x": true}, {"x": [1]}, {"x": null}, {}]));
    let x = column(&report, "x");
    assert_eq!((&x["count"], &x["missing"]), (&json!(4), &json!(2)));
    let kinds = &x["kinds"];
    for kind in ["integer", "text", "boolean", "nested"] {
        assert_eq!(kinds[kind], 1, "{kind}");
    }
    assert_eq!(x["distinct"]["count"], 3);
    assert_eq!(x["booleans"], json!({"true": 1, "false": 0}));
}

#[test]
fn csv_quirks() {
    let text = "\u{feff}name;size\r\n\"a;\"\"b\"\"\nc\";1\r\nd;2\r\n\r\n";
    let report = report(json!({"csv": text, "delimiter": ";"}));
    assert_eq!(report["rows"], 2);
    let top = &column(&report, "name")["texts"]["top"];
    assert_eq!(top[0]["value"], "a;\"b\"\nc");
    assert_eq!(column(&report, "size")["type"], "integer");
}

#[test]
fn a_file_without_a_header_numbers_its_columns() {
    let report = report(json!({"csv": "1,a\n2,b\n", "header": false}));
    assert_eq!(report["rows"], 2);
    assert_eq!(column(&report, "column_1")["numbers"]["mean"], 1.5);
    assert_eq!(column(&report, "column_2")["type"], "text");
    assert_eq!(report["warnings"], json!([]));
}

#[test]
fn repeated_headers_and_a_likely_wrong_delimiter_are_reported() {
    let repeated = report(json!({"csv": "a,a\n1,2\n"}));
    assert_eq!(column(&repeated, "a_2")["numbers"]["mean"], 2.0);
    assert_eq!(repeated["warnings"].as_array().unwrap().len(), 1);
    let semicolons = report(json!({"csv": "a;b\n1;2\n"}));
    assert!(semicolons["warnings"][0].as_str().unwrap().contains("set `delimiter`"));
}

#[test]
fn ragged_rows_are_left_out_and_counted_when_asked() {
    let report = report(json!({"csv": "a,b\n1,2\n3\n4,5,6\n7,8\n", "ragged": "skip"}));
    assert_eq!((&report["rows"], &report["skipped_rows"]), (&json!(2), &json!(2)));
    assert_eq!(column(&report, "a")["numbers"]["mean"], 4.0);
}

#[test]
fn the_words_for_missing_can_be_chosen() {
    let report = report(json!({"csv": "x\n-\n1\nNA\n", "missing": ["-"]}));
    let x = column(&report, "x");
    assert_eq!((&x["missing"], &x["type"]), (&json!(1), &json!("mixed")));
}

#[test]
fn only_the_columns_asked_for_are_described() {
    let rows = json!([{"a": 1, "b": 2, "c": "x"}, {"a": 3, "b": 4, "c": "x"}]);
    let report = report(json!({"rows": rows, "columns": ["a"], "group_by": "c"}));
    assert_eq!(report["columns"].as_array().unwrap().len(), 1);
    let group = &report["groups"]["groups"][0];
    assert_eq!(group["key"], json!({"c": "x"}));
    assert_eq!(group["numbers"].as_object().unwrap().len(), 1);
    assert_eq!(group["numbers"]["a"]["mean"], 2.0);
}

#[test]
fn groups_have_a_limit_and_a_place_for_what_is_missing() {
    let rows = json!([{"k": 1, "x": 1}, {"x": 2}, {"k": "1", "x": 3}, {"k": 1, "x": 5}]);
    let report = report(json!({"rows": rows, "group_by": "k", "limits": {"groups": 2}}));
    let groups = report["groups"]["groups"].as_array().unwrap();
    assert_eq!(groups[0]["key"]["k"], 1);
    assert_eq!(groups[0]["numbers"]["x"]["mean"], 3.0);
    assert_eq!(groups[1]["key"]["k"], Value::Null);
    assert_eq!(report["groups"]["overflow_rows"], 1);
}

#[test]
fn a_group_may_be_of_any_kind_of_value() {
    let rows = json!([
        {"k": true}, {"k": 1.5}, {"k": "2012-01-01"}, {"k": [1]}, {"k": {"a": 1}}, {"k": "x".repeat(500)},
    ]);
    let report = report(json!({"rows": rows, "group_by": ["k"]}));
    let groups = report["groups"]["groups"].as_array().unwrap();
    let keys: Vec<_> = groups.iter().map(|group| group["key"]["k"].clone()).collect();
    assert_eq!(keys.len(), 5);
    assert_eq!(keys[..4], [json!("(nested)"), json!(true), json!(1.5), json!("2012-01-01")]);
    assert!(keys[4].as_str().unwrap().len() < 200);
}

#[test]
fn outliers_are_counted_and_shown_with_their_rows() {
    let mut values: Vec<f64> = (0..40).map(f64::from).collect();
    values.push(1_000.0);
    let rows: Vec<_> = values.iter().map(|x| json!({"x": x})).collect();
    let report = report(json!({"rows": rows, "outliers": {"rules": ["iqr", "z-score"]}}));
    let found = column(&report, "x")["numbers"]["outliers"].as_array().unwrap().clone();
    assert_eq!(found.len(), 2);
    for (rule, outliers) in ["iqr", "z-score"].iter().zip(&found) {
        assert_eq!(outliers["rule"], *rule);
        assert_eq!((&outliers["below"], &outliers["above"]), (&json!(0), &json!(1)));
        assert_eq!(outliers["examples"], json!([{"row": 41, "value": 1000.0}]));
    }
}

#[test]
fn infinities_and_big_integers_are_reported() {
    let report = report(json!({"csv": "x,y\ninf,9007199254740993\n1,2\n-Infinity,3\n"}));
    let x = &column(&report, "x")["numbers"];
    assert_eq!((&x["not_finite"], &x["mean"], &x["std"]), (&json!(2), &json!(1.0), &Value::Null));
    assert_eq!(column(&report, "y")["numbers"]["rounded"], 1);
}

#[test]
fn no_data_is_an_empty_report() {
    for payload in [json!(""), json!([]), json!({"csv": "a,b\n"}), json!([{}])] {
        let report = report(payload.clone());
        let columns = report["columns"].as_array().unwrap();
        assert!(columns.iter().all(|column| column["type"] == "empty"), "{payload}");
    }
}

#[test]
fn files_of_each_format_are_read() {
    let expected = report(json!([{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]));
    let files: [(&str, &[u8]); 6] = [
        ("t.csv", b"a,b\n1,x\n2,y\n"),
        ("t.tsv", b"a\tb\n1\tx\n2\ty"),
        ("t.TXT", b"a,b\r\n1,x\r\n2,y"),
        ("t.json", b" [ {\"a\":1,\"b\":\"x\"}, {\"b\":\"y\",\"a\":2} ] "),
        ("t.ndjson", b"{\"a\":1,\"b\":\"x\"}\r\n\n{\"a\":2,\"b\":\"y\"}"),
        ("t.jsonl", b"{\"a\":1,\"b\":\"x\"}\n{\"a\":2,\"b\":\"y\"}\n\n"),
    ];
    for (name, bytes) in files {
        let (_folder, payload) = file(name, bytes);
        let found = report(payload);
        assert_eq!(found["columns"], expected["columns"], "{name}");
        assert_eq!(found["bytes"], bytes.len(), "{name}");
    }
}

#[test]
fn the_specifications_words_are_taken() {
    let (_folder, payload) = file("t.csv", b"a,b\n1,x\n2,y\n");
    let expected = report(payload.clone());
    for action in [json!("data_analysis"), json!("analyze_data"), json!(null)] {
        for name in ["path", "input_path", "data_path"] {
            let found = report(json!({ "action": action, name: payload["path"] }));
            assert_eq!(found["columns"], expected["columns"], "{action} {name}");
        }
    }
}

#[test]
fn what_was_done_is_reported() {
    let mut host = TestHost::<DataAnalyzer>::start().unwrap();
    host.execute(&json!("a\n1\n2\n")).unwrap();
    let told = host.recording();
    assert_eq!(told.metric_values("data_analyzer_rows"), [2.0]);
    assert_eq!(told.metric_values("data_analyzer_bytes"), [6.0]);
    assert_eq!(told.span("read").unwrap().attributes["rows"], "2");
    assert_eq!(told.span("report").unwrap().attributes["columns"], "1");
    assert_eq!(told.progress.last().unwrap().fraction, 1.0);
    let task_types = host.capabilities().unwrap().supported_task_types;
    assert_eq!(task_types, ["analyze-table", "data_analysis"]);
    assert_eq!(host.health(), Health::healthy());
}

// === what is refused ===

#[test]
fn a_wrong_request_is_refused_in_words() {
    let rows = [
        (json!(7), "invalid type: integer `7`"),
        (json!({}), "names 0 sources of data"),
        (json!({"csv": "", "rows": []}), "names 2 sources of data"),
        (json!({"path": "a.csv", "data_path": "b.csv"}), "2 sources of data (`path`, `data_path`)"),
        (
            json!({"csv": "", "action": "delete"}),
            "`action` is \"delete\": this agent does `data_analysis`",
        ),
        (json!({"csv": "", "quantile": []}), "unknown field `quantile`"),
        (json!({"csv": "", "quantiles": [2]}), "contains 2: each lies between 0 and 1"),
        (json!({"csv": "", "quantiles": vec![0.5; 101]}), "at most 100"),
        (json!({"csv": "", "quantiles": ["x"]}), "at `quantiles[0]`"),
        (json!({"csv": "", "delimiter": "é"}), "one ASCII character"),
        (json!({"csv": "", "delimiter": "\""}), "one ASCII character"),
        (json!({"csv": "", "group_by": 3}), "name of a column or an array"),
        (json!({"csv": "", "outliers": {"iqr_factor": 0}}), "`outliers.iqr_factor` is 0"),
        (json!({"csv": "", "outliers": {"rules": ["iqrs"]}}), "expected `iqr` or `z-score`"),
        (json!({"csv": "", "limits": {"columns": 0}}), "`limits.columns` is 0"),
        (json!({"rows": 3}), "expected an array of objects"),
        (json!({"path": "/data/x.parquet"}), "cannot tell the format of `/data/x.parquet`"),
        (json!({"path": "/nowhere/x.csv"}), "folders that the operator granted"),
    ];
    for (payload, expected) in rows {
        let message = refusal(&payload);
        assert!(message.contains(expected), "{payload}: {message}");
    }
}

#[test]
fn wrong_data_is_refused_with_its_place() {
    let rows = [
        (json!("a,b\n1,2\n3\n"), "CSV line 3 has 1 fields, the first line has 2"),
        (json!([{"a": 1}, 5]), "after 1 good ones: invalid type: integer `5`, expected an object"),
        (json!({"rows": {"a": 1}}), "expected an array of objects"),
        (json!({"csv": "a\n1\n", "group_by": "b"}), "`group_by` names `b`"),
        (json!({"csv": "a\n1\n", "columns": ["b"]}), "its columns are `a`"),
        (json!({"rows": [{"a": 1}], "columns": ["b"]}), "`columns` names `b`"),
        (json!({"csv": "a,b,c\n", "limits": {"columns": 2}}), "more than 2 columns"),
        (json!({"rows": [{"a": 1, "b": 2}], "limits": {"columns": 1}}), "more than 1 columns"),
    ];
    for (payload, expected) in rows {
        let message = refusal(&payload);
        assert!(message.contains(expected), "{payload}: {message}");
    }
}

#[test]
fn a_wrong_file_is_refused_with_its_place() {
    let open_quote = [b"a\n\"".as_slice(), &[b'x'; 3 << 20]].concat();
    let files: [(&str, &[u8], &str); 8] = [
        ("t.csv", b"a,b\n1,\xff\n", "line 2, column `b` is not UTF-8"),
        ("t.csv", b"a,\xff\n1,2\n", "column `the header` is not UTF-8"),
        ("t.csv", &open_quote, "a row is longer than 1048576 bytes"),
        ("t.json", b"{\"a\":1}", "expected an array of objects (for one object in each line"),
        ("t.json", b"[{\"a\":1},{\"a\":1e999}]", "after 1 good ones: number out of range"),
        ("t.json", b"[{\"a\":1}", "EOF while parsing a list"),
        ("t.ndjson", b"{\"a\":1}\n{\"a\":}\n", "line 2: expected value at column 6"),
        ("t.ndjson", b"{\"a\":1} 2\n", "line 1: trailing characters"),
    ];
    for (name, bytes, expected) in files {
        let (_folder, payload) = file(name, bytes);
        let message = refusal(&payload);
        assert!(message.contains(expected), "{name}: {message}");
        assert!(message.contains(name), "{message}");
    }
}

#[test]
fn a_folder_is_not_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let message = refusal(&json!({"path": folder.path(), "format": "csv"}));
    assert!(message.contains("is a directory; name a file in it"), "{message}");
}

// === limits ===

#[test]
fn an_operator_sets_the_ceiling() {
    let mut host = TestHost::<DataAnalyzer>::builder()
        .parameter("limits", &json!({"top": 1, "exact_values": 10}))
        .start()
        .unwrap();
    let text: String = (0..100).map(|n| format!("{n},t{n}\n")).collect();
    let payload = json!({"csv": format!("n,t\n{text}"), "limits": {"top": 50}});
    let report = host.execute(&payload).unwrap();
    assert_eq!(column(&report, "t")["texts"]["top"].as_array().unwrap().len(), 1);
    let quantiles = &column(&report, "n")["numbers"]["quantiles"];
    assert_eq!(quantiles["method"], "sketch");
    assert!(quantiles["rank_error"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_wrong_limit_keeps_the_agent_from_starting() {
    let start = |limits| TestHost::<DataAnalyzer>::builder().parameter("limits", &limits).start();
    let error = start(json!({"colums": 3})).unwrap_err();
    assert!(error.message().contains("parameter `limits` does not fit"), "{error}");
    assert!(start(json!({"row_bytes": 0})).is_err());
}

#[test]
fn columns_past_the_limit_are_not_correlated_but_named() {
    let rows = json!([{"a": 1, "b": 2, "c": 3}, {"a": 2, "b": 1, "c": 3}]);
    let report = report(json!({"rows": rows, "limits": {"correlated_columns": 2}}));
    let correlations = &report["correlations"];
    let pairs = correlations["pairs"].as_array().unwrap();
    assert_eq!(pairs.len(), 1);
    assert_eq!((&pairs[0]["x"], &pairs[0]["y"]), (&json!("a"), &json!("b")));
    assert!((pairs[0]["r"].as_f64().unwrap() + 1.0).abs() < 1e-12);
    assert_eq!(correlations["omitted"], json!(["c"]));
}

#[test]
fn a_column_that_does_not_vary_has_no_correlation() {
    let report = report(json!([{"a": 1, "b": 2}, {"a": 2, "b": 2}]));
    assert_eq!(report["correlations"]["pairs"][0]["r"], Value::Null);
}

// === properties ===

proptest! {
    #[test]
    fn no_payload_makes_it_panic(text in ".{0,300}") {
        let mut host = TestHost::<DataAnalyzer>::start().unwrap();
        let _ = host.execute_task(task_from_json(text));
    }

    #[test]
    fn no_csv_makes_it_panic(text in "[a-c0-9,;\"\\r\\n. -]{0,300}", header: bool) {
        let _ = analyze(&json!({"csv": text, "header": header, "ragged": "skip", "group_by": []}));
    }

    #[test]
    fn no_file_makes_it_panic(bytes: Vec<u8>, format in "csv|json|ndjson") {
        let (_folder, payload) = file(&format!("t.{format}"), &bytes);
        let _ = analyze(&payload);
    }

    /// The same numbers as CSV, as JSON and with smaller rows in between give
    /// the same figures.
    #[test]
    fn the_form_of_the_data_does_not_matter(values in prop::collection::vec(-1e6..1e6, 1..60)) {
        let rows: Vec<_> = values.iter().map(|x: &f64| json!({"x": x})).collect();
        let csv: String = values.iter().map(|x| format!("{x}\n")).collect();
        let (from_rows, from_csv) = (report(json!(rows)), report(json!(format!("x\n{csv}"))));
        prop_assert_eq!(&column(&from_rows, "x")["numbers"], &column(&from_csv, "x")["numbers"]);
        prop_assert_eq!(column(&from_rows, "x")["count"].as_u64(), Some(values.len() as u64));
    }
}
