//! The cases that every implementation passes, and what each reports to the operator.

#[path = "../examples/lines/written.rs"]
mod written;

use chimera_agent_sdk::prelude::*;
use chimera_agent_sdk::serde_json;
use chimera_agent_sdk::testing::{TestHost, task};
use text_stats::TextStats;
use written::{Line, written};

#[derive(Deserialize)]
#[serde(crate = "serde")]
struct Case {
    about: String,
    #[serde(flatten)]
    line: Line,
    expect: String,
}

#[test]
fn each_case_gives_what_it_should() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../../cases.json")).unwrap();
    for case in cases {
        assert_eq!(written(&case.line), case.expect, "{}", case.about);
    }
}

#[test]
fn what_was_done_is_reported() {
    let mut host = TestHost::<TextStats>::start().unwrap();
    host.execute(&json!({"text": "the end of the world"})).unwrap();
    let told = host.recording();
    assert_eq!(told.metric_values("text_stats_bytes"), [20.0]);
    assert_eq!(told.metric_values("text_stats_tokens"), [5.0]);
    let span = told.span("text-stats").unwrap();
    assert!(span.ended);
    assert_eq!((span.attributes["tokens"].as_str(), &*span.attributes["language"]), ("5", "en"));
    assert_eq!(told.progress.last().unwrap().fraction, 1.0);
}

#[test]
fn a_long_text_tells_how_far_it_is() {
    let mut host = TestHost::<TextStats>::start().unwrap();
    host.execute(&json!({"text": "ab ".repeat(50_000)})).unwrap();
    let fractions: Vec<_> = host.recording().progress.iter().map(|step| step.fraction).collect();
    assert_eq!(fractions.len(), 3, "{fractions:?}");
    assert!(fractions.is_sorted());
}

#[test]
fn it_says_what_it_can_do_and_how_it_is() {
    let mut host = TestHost::<TextStats>::start().unwrap();
    assert_eq!(host.capabilities().unwrap().supported_task_types, ["text-stats"]);
    assert_eq!(host.health(), Health::healthy());
    assert_eq!(host.shutdown(), Ok(()));
}

#[test]
fn a_busy_agent_says_when_to_come_back() {
    let mut host = TestHost::<TextStats>::builder().parameter("busy_attempts", &1).start().unwrap();
    assert_eq!(host.health().status, HealthStatus::Degraded);
    let mut task = task(&json!({"text": ""}));
    let error = host.execute_task(task.clone()).unwrap_err();
    assert!(matches!(error, AgentError::Unavailable { retry_after: Some(_), .. }), "{error}");
    task.attempt = 2;
    assert!(host.execute_task(task).is_ok());
}
