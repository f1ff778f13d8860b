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

/// One event as it is on the wire.
#[derive(Debug)]
struct Told {
    id: Option<String>,
    name: String,
    data: Value,
}

/// Comes back with the id of the last event, and reads until the stream ends or
/// `enough`. The status says whether there was a stream.
async fn come_back(
    api: &Api,
    path: &str,
    last: Option<&str>,
    enough: fn(&Told) -> bool,
) -> (u16, Vec<Told>) {
    let (url, last) = (api.url(path), last.map(str::to_owned));
    let read = move || {
        let mut request = ureq::get(url);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let answer = request.call().unwrap();
        let (status, mut all) = (answer.status().as_u16(), Vec::new());
        let (mut id, mut name) = (None, String::new());
        for line in BufReader::new(answer.into_body().into_reader()).lines() {
            let line = line.unwrap();
            if let Some(place) = line.strip_prefix("id: ") {
                id = Some(place.to_owned());
            } else if let Some(event) = line.strip_prefix("event: ") {
                event.clone_into(&mut name);
            } else if let Some(data) = line.strip_prefix("data: ") {
                let data = serde_json::from_str(data).unwrap();
                all.push(Told { id: None, name: std::mem::take(&mut name), data });
            } else if line.is_empty() && id.is_some() {
                // A block with nothing but an id says where the stream begins.
                match all.last_mut() {
                    Some(told) if told.id.is_none() && told.name != "lagged" => told.id = id.take(),
                    _ => {
                        let name = "(place)".to_owned();
                        all.push(Told { id: id.take(), name, data: Value::Null });
                    }
                }
            }
            if line.is_empty() && all.last().is_some_and(enough) {
                break;
            }
        }
        (status, all)
    };
    tokio::task::spawn_blocking(read).await.unwrap()
}

fn names(told: &[Told]) -> Vec<&str> {
    told.iter().map(|told| told.name.as_str()).collect()
}

async fn run_one(api: &Api) -> Value {
    let body = json!({ "target_agent_type": "echo", "payload": 1 });
    api.post("/v1/tasks?wait=30s", body).await.json()["id"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_comes_back_hears_what_it_missed() {
    let api = Api::new(&["echo"]).await;
    let (_, begun) = come_back(&api, "/v1/events", None, |_| true).await;
    let [Told { id: Some(place), name, .. }] = &begun[..] else { panic!("{begun:?}") };
    assert_eq!(name, "(place)", "also before anything happens there is a place to come back to");
    let missed = [run_one(&api).await, run_one(&api).await];

    let ended = |told: &Told| told.name == "task-ended";
    let (_, first) = come_back(&api, "/v1/events", Some(place), ended).await;
    let last = first.last().unwrap();
    assert_eq!(last.data["task_id"], missed[0], "{first:?}");
    let (_, second) = come_back(&api, "/v1/events", last.id.as_deref(), ended).await;
    assert_eq!(second.last().unwrap().data["task_id"], missed[1], "{second:?}");
    let sequences: Vec<u64> = first.iter().chain(&second).map(sequence).collect();
    let next = sequences[0]..sequences[0] + sequences.len() as u64;
    assert_eq!(sequences, next.collect::<Vec<_>>(), "each once, and none left out");

    // The host does not know how many events an earlier start of it had.
    for other in ["00000000000000aa-3", "17", "nonsense"] {
        let (_, told) = come_back(&api, "/v1/events", Some(other), |_| true).await;
        assert_eq!((names(&told), &told[0].data["lost"]), (vec!["lagged"], &Value::Null));
    }
    api.end().await.unwrap();
}

fn sequence(told: &Told) -> u64 {
    told.data["sequence"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_has_the_end_of_a_task_is_asked_not_to_reconnect() {
    let api = Api::new(&["echo"]).await;
    let ahead = json!({ "target_agent_type": "echo", "payload": 1,
        "not_before": "2999-01-01T00:00:00Z" });
    let id = api.post("/v1/tasks", ahead).await.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/tasks/{id}/events");
    let (_, now) = come_back(&api, &path, None, |_| true).await;
    assert_eq!((names(&now), &now[0].data["state"]), (vec!["task"], &json!("delayed")));
    let (_, lost) = come_back(&api, &path, Some("1-1"), |told| told.name == "task").await;
    assert_eq!(names(&lost), ["lagged", "task"], "the record stands for what was lost");

    // It ends while no client listens: the next one gets the end, and no event twice.
    api.post(&format!("/v1/tasks/{id}/cancel"), json!(null)).await;
    let (status, ended) = come_back(&api, &path, now[0].id.as_deref(), |_| false).await;
    assert_eq!((status, names(&ended)), (200, vec!["task-ended"]));
    let (status, nothing) = come_back(&api, &path, ended[0].id.as_deref(), |_| false).await;
    assert_eq!((status, nothing.len()), (204, 0));

    // So also where the record was all that there was to hear.
    let (status, record) = come_back(&api, &path, None, |_| false).await;
    assert_eq!((status, names(&record)), (200, vec!["task"]));
    let (status, _) = come_back(&api, &path, record[0].id.as_deref(), |_| false).await;
    assert_eq!(status, 204);
    // A client that does not know of the end gets it, whatever it remembers.
    let (status, told) = come_back(&api, &path, Some("2-2"), |_| false).await;
    assert_eq!((status, names(&told)), (200, vec!["lagged", "task"]));
    api.end().await.unwrap();
}
