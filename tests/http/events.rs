//! Server-sent events.

use std::io::{BufRead, BufReader};
use std::time::Duration;

use serde_json::{Value, json};

use super::Api;

/// A stream, read on a thread of its own until it ends or has given enough.
fn listen(url: String, most: usize) -> tokio::task::JoinHandle<Vec<(String, Value)>> {
    tokio::task::spawn_blocking(move || {
        let body = ureq::get(url).call().unwrap().into_body().into_reader();
        let (mut events, mut name) = (Vec::new(), String::new());
        for line in BufReader::new(body).lines().map_while(Result::ok) {
            if let Some(event) = line.strip_prefix("event: ") {
                name = event.to_owned();
            } else if let Some(data) = line.strip_prefix("data: ") {
                events.push((name.clone(), serde_json::from_str(data).unwrap()));
            }
            if events.len() >= most {
                break;
            }
        }
        events
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_followed_to_its_end_with_its_progress() {
    let api = Api::new(&["data-analyzer"]).await;
    let rows: String = (0..20_000).map(|n| format!("{n},{}\n", n * 7)).collect();
    let csv = format!("a,b\n{rows}");
    let body = json!({ "target_agent_type": "data-analyzer", "payload": csv,
        "not_before": "2999-01-01T00:00:00Z" });
    let refused = api.get("/v1/tasks/00000000-0000-7000-8000-000000000000/events").await;
    assert_eq!(refused.code(), "task-not-found");
    // One that is far ahead is followed while another is made.
    let id = api.post("/v1/tasks", body.clone()).await.json()["id"].as_str().unwrap().to_owned();
    let ahead = listen(api.url(&format!("/v1/tasks/{id}/events")), usize::MAX);
    let all = listen(api.url("/v1/events"), usize::MAX);
    let both_listen = async {
        while !api.get("/metrics").await.body.contains("layer4_event_subscribers 2") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), both_listen).await.unwrap();
    let mut now = body;
    now.as_object_mut().unwrap().remove("not_before");
    let done = api.post("/v1/tasks?wait=60s", now).await.json();
    assert_eq!(done["result"]["success"], true, "{done}");
    api.post(&format!("/v1/tasks/{id}/cancel"), json!(null)).await;

    // The stream ends with the task.
    let ahead = ahead.await.unwrap();
    assert_eq!(ahead.len(), 2, "{ahead:?}");
    assert_eq!((ahead[0].0.as_str(), &ahead[0].1["state"]), ("task", &json!("delayed")));
    assert_eq!((ahead[1].0.as_str(), &ahead[1].1["state"]), ("task-ended", &json!("cancelled")));
    api.end().await.unwrap();
    let all = all.await.unwrap();
    let of_done = all.iter().filter(|(_, event)| event["task_id"] == done["id"]);
    let names: Vec<&str> = of_done.map(|(name, _)| name.as_str()).collect();
    // The dispatcher may be quicker than the answer to the submission.
    let count = |wanted: &str| names.iter().filter(|name| **name == wanted).count();
    assert_eq!(["task-submitted", "task-started", "task-ended"].map(count), [1, 1, 1], "{names:?}");
    assert!(count("task-progress") > 0, "it told how far it was: {names:?}");
    assert_eq!(names.len(), 3 + count("task-progress"), "{names:?}");
    assert!(all.iter().any(|(name, _)| name == "agent-ended"), "the stream ends with the host");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_task_that_has_ended_its_record_is_all() {
    let api = Api::new(&["echo"]).await;
    let body = json!({ "target_agent_type": "echo", "payload": 1 });
    let id = api.post("/v1/tasks?wait=30s", body).await.json()["id"].as_str().unwrap().to_owned();
    let events = listen(api.url(&format!("/v1/tasks/{id}/events")), usize::MAX).await.unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].0.as_str(), &events[0].1["state"]), ("task", &json!("succeeded")));
    api.end().await.unwrap();
}
