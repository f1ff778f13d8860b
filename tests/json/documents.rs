//! Random documents, each from its submitter through the queue and a guest and
//! back: equal as a value, or refused when it is submitted. Never stuck.

use std::sync::Arc;

use chimera_layer4::fabric::config::TaskStoreKind;
use chimera_layer4::fabric::json::{MOST_DEPTH, tree};
use chimera_layer4::fabric::{Fabric, JsonText, Submission, utils};
use fastrand::Rng;
use serde_json::{Value, json};

use super::{body, mirror};
use crate::cli::Chimera;
use crate::harness::{settings_with, small_quota};
use crate::http::Api;
use crate::http::service::{Service, declare};

/// Documents that travel together.
const BATCH: usize = 50;

/// One document.
#[derive(Debug)]
struct Document {
    text: String,
    /// The same without what is replaced on the way.
    plain: String,
    depth: usize,
    has_wild_number: bool,
}

impl Document {
    fn is_taken(&self) -> bool {
        self.depth <= MOST_DEPTH && !self.has_wild_number
    }

    fn value(&self) -> Value {
        tree(&self.plain).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

/// Writes a document, its hard cases more often than life has them.
struct Author<'a> {
    chance: &'a mut Rng,
    text: String,
    plain: String,
    deepest: usize,
    has_wild_number: bool,
    /// Values that may still be written.
    left: usize,
}

const NUMBERS: [&str; 20] = [
    "0",
    "-0",
    "-0.0",
    "1",
    "-1",
    "0.1",
    "1e308",
    "-1.7976931348623157e308",
    "5e-324",
    "1e-400",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775808",
    "-9223372036854775809",
    "123456789012345678901234567890",
    "9007199254740993",
    "1E+2",
    "0.10",
    "2.2250738585072011e-308",
    "100000000000000000000000000000000000000000000000000000000000000000000000000000000000000001",
];
const PRIVATE: [&str; 4] = [
    "$serde_json::private::RawValue",
    "$serde_json::private::Number",
    "$__toml_private_datetime",
    "$serde::private::Content",
];
/// What is written, and what is read.
const PIECES: [(&str, &str); 16] = [
    ("a", "a"),
    ("text ", "text "),
    ("ü", "ü"),
    ("😀", "😀"),
    ("\\u00e9", "\\u00e9"),
    ("\\ud83d\\ude00", "\\ud83d\\ude00"),
    ("\\ud800", "\\ufffd"),
    ("\\uDFFF", "\\ufffd"),
    ("\\ud800\\ud800\\udc00", "\\ufffd\\ud800\\udc00"),
    ("\\\\ud800", "\\\\ud800"),
    ("\\\"", "\\\""),
    ("\\u0000", "\\u0000"),
    ("\\n\\t\\/\\b", "\\n\\t\\/\\b"),
    ("[{,:}]", "[{,:}]"),
    (" \u{7f}\u{2028}", " \u{7f}\u{2028}"),
    ("[1,2,3]", "[1,2,3]"),
];

impl Author<'_> {
    fn document(chance: &mut Rng) -> Document {
        let left = chance.usize(1..60);
        let mut author = Author {
            chance,
            text: String::new(),
            plain: String::new(),
            deepest: 0,
            has_wild_number: false,
            left,
        };
        // One in eight is about as deep as can be.
        let depth = if author.chance.u8(..8) == 0 { author.chance.usize(110..132) } else { 0 };
        let kinds: Vec<bool> = (0..depth).map(|_| author.chance.bool()).collect();
        for is_array in &kinds {
            author.both(if *is_array { "[" } else { "{\"a\":" });
        }
        author.deepest = depth;
        author.value(depth);
        for is_array in kinds.iter().rev() {
            author.both(if *is_array { "]" } else { "}" });
        }
        let Author { text, plain, deepest, has_wild_number, .. } = author;
        Document { text, plain, depth: deepest, has_wild_number }
    }

    fn both(&mut self, text: &str) {
        self.text.push_str(text);
        self.plain.push_str(text);
    }

    /// One of these.
    fn any(&mut self, texts: &[&str]) {
        let chosen = texts[self.chance.usize(..texts.len())];
        self.both(chosen);
    }

    fn space(&mut self) {
        if self.chance.u8(..6) == 0 {
            self.any(&[" ", "\n", "\t ", "\r\n"]);
        }
    }

    fn value(&mut self, depth: usize) {
        self.left = self.left.saturating_sub(1);
        self.space();
        match self.chance.u8(..10) {
            0 => self.any(&["null", "true", "false"]),
            1 => self.number(),
            2 | 3 => self.string(),
            4..7 if self.left > 0 => self.array(depth + 1),
            _ if self.left > 0 => self.object(depth + 1),
            _ => self.number(),
        }
        self.space();
    }

    fn number(&mut self) {
        match self.chance.u8(..40) {
            0 => {
                self.has_wild_number = true;
                self.both("1e400");
            }
            1..20 => self.any(&NUMBERS),
            _ => {
                let number = f64::from_bits(self.chance.u64(..));
                let number = if number.is_finite() { number } else { 0.5 };
                self.both(&json!(number).to_string());
            }
        }
    }

    fn string(&mut self) {
        self.both("\"");
        for _ in 0..self.chance.usize(..5) {
            let (text, plain) = PIECES[self.chance.usize(..PIECES.len())];
            self.text.push_str(text);
            self.plain.push_str(plain);
            self.both("."); // Two halves beside each other would be a whole.
        }
        self.both("\"");
    }

    fn array(&mut self, depth: usize) {
        self.deepest = self.deepest.max(depth);
        self.both("[");
        for index in 0..self.chance.usize(..6) {
            if index > 0 {
                self.both(",");
            }
            self.value(depth);
        }
        self.both("]");
    }

    fn object(&mut self, depth: usize) {
        self.deepest = self.deepest.max(depth);
        self.both("{");
        for index in 0..self.chance.usize(..6) {
            if index > 0 {
                self.both(",");
            }
            self.space();
            match self.chance.u8(..12) {
                0 | 1 => {
                    self.both("\"");
                    self.any(&PRIVATE);
                    self.both("\"");
                }
                2 => {
                    let long = "long ".repeat(self.chance.usize(..200));
                    self.both(&format!("\"{long}\""));
                }
                3..6 => self.any(&["\"\"", "\"a\"", "\"b\""]),
                _ => self.string(),
            }
            self.space();
            self.both(":");
            self.value(depth);
        }
        self.both("}");
    }
}

/// By the library: handed over as text, or as the value that it stands for.
async fn by_library(fabric: &Fabric, documents: &[Document]) {
    let mut submissions = Vec::new();
    for document in documents {
        let read = JsonText::parse(&document.text);
        if document.depth > 127 || document.has_wild_number {
            assert!(read.is_err(), "{document:?}");
            continue;
        }
        let read = read.unwrap_or_else(|error| panic!("{error}: {document:?}"));
        assert_eq!(read.depth(), document.depth, "{document:?}");
        assert_eq!(read.to_value(), document.value());
        submissions.push((document, Submission::from(utils::task_for("mirror", read))));
    }
    let batch = submissions.iter().map(|(_, submission)| submission.clone()).collect();
    let taken = fabric.tasks().submit_tracked(batch).await.unwrap();
    for ((document, _), handle) in submissions.iter().zip(taken) {
        let handle = match handle {
            Ok(handle) if document.is_taken() => handle,
            Err(error) if !document.is_taken() => {
                assert_eq!(error.code(), "invalid-request");
                continue;
            }
            other => panic!("{}: {document:?}", other.map(|_| "taken").unwrap_or("refused")),
        };
        let id = handle.id();
        let result = handle.result().await.unwrap();
        assert!(result.success, "{result:?}: {document:?}");
        let record = fabric.tasks().get(id).await.unwrap();
        for found in [&result.output, &record.task.payload, &record.result.unwrap().output] {
            assert_eq!(found.to_value(), document.value(), "{document:?}");
        }
    }
}

/// By HTTP: those that are taken together, the others one by one.
async fn by_http(api: &Api, documents: &[Document]) {
    let headers = [("content-type", "application/json")];
    for document in documents.iter().filter(|document| !document.is_taken()) {
        let answer = api.send("POST", "/v1/tasks", &headers, Some(body(&document.text))).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid-request"));
    }
    let taken: Vec<_> = documents.iter().filter(|document| document.is_taken()).collect();
    if taken.is_empty() {
        return;
    }
    let bodies: Vec<String> = taken.iter().map(|document| body(&document.text)).collect();
    let batch = format!("[{}]", bodies.join(","));
    let answer = api.send("POST", "/v1/tasks?wait=60s", &headers, Some(batch)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let answers = tree(&answer.body).unwrap();
    for (document, answer) in taken.iter().zip(answers.as_array().unwrap()) {
        let (id, expected) = (answer["id"].as_str().unwrap(), document.value());
        assert_eq!(answer["result"]["output"], expected, "{document:?}");
        let shown = tree(&api.get(&format!("/v1/tasks/{id}")).await.body).unwrap();
        assert_eq!(shown["task"]["payload"], expected, "{document:?}");
        assert_eq!(shown["result"]["output"], expected, "{document:?}");
    }
}

async fn by_library_and_http(count: usize) {
    let folder = crate::folders::data_folder();
    let config = settings_with(|c| {
        c.data_dir = Some(folder.path().to_owned());
        c.queue.task_store = TaskStoreKind::Embedded;
        c.metrics_port = 0;
    });
    let api = Api::with(config, &[]).await;
    let fabric = Arc::clone(&api.fabric);
    fabric.agents().spawn(&mirror(), utils::agent_config("mirror", small_quota())).await.unwrap();
    let mut chance = Rng::new();
    let (mut done, mut refused) = (0, 0);
    while done < count {
        let documents: Vec<_> = (0..BATCH).map(|_| Author::document(&mut chance)).collect();
        refused += documents.iter().filter(|document| !document.is_taken()).count();
        by_library(&fabric, &documents).await;
        by_http(&api, &documents).await;
        done += documents.len();
    }
    println!("{done} documents, {refused} of them refused");
    let stats = fabric.tasks().stats().await.unwrap();
    assert_eq!((stats.active_tasks, stats.queued_by_type), (0, Vec::new()));
    drop(fabric);
    api.end().await.unwrap();
}

fn by_cli(count: usize) {
    let folder = crate::folders::data_folder();
    let component = folder.path().join("mirror.wasm");
    std::fs::write(&component, mirror()).unwrap();
    let service = Service::start(Chimera::new(), &declare("mirror", &component, 1));
    let data = service.chimera.data().join("data");
    let data = ["--data-dir", data.to_str().unwrap()];
    let file = folder.path().join("payload.json");
    let named = format!("@{}", file.display());
    let mut chance = Rng::new();
    for _ in 0..count {
        let document = Author::document(&mut chance);
        std::fs::write(&file, &document.text).unwrap();
        let submit = ["task", "submit", "--type", "mirror", "--task", &named, "--wait", "--json"];
        let ended = service.chimera.run(&[&submit[..], &data].concat());
        if !document.is_taken() {
            assert_eq!(ended.code, 3, "{}: {document:?}", ended.err);
            continue;
        }
        assert_eq!(ended.code, 0, "{}: {document:?}", ended.err);
        let result = tree(&ended.out).unwrap();
        assert_eq!(result["output"], document.value(), "{document:?}");
        let id = result["task_id"].as_str().unwrap();
        let shown = service.chimera.run(&[&["task", "show", id, "--json"][..], &data].concat());
        assert_eq!(shown.code, 0, "{}: {document:?}", shown.err);
        let shown = tree(&shown.out).unwrap();
        assert_eq!(shown["task"]["payload"], document.value(), "{document:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn random_documents_come_back_or_are_refused() {
    by_library_and_http(2_000).await;
}

#[test]
fn random_documents_come_back_to_the_command_line() {
    by_cli(50);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: some two minutes"]
async fn long_random_documents_come_back_or_are_refused() {
    by_library_and_http(100_000).await;
}

#[test]
#[ignore = "long: a minute"]
fn long_random_documents_come_back_to_the_command_line() {
    by_cli(1_000);
}
