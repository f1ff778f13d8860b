//! `/v1/tasks` and `/v1/dead-letters`.

use std::time::{Duration, SystemTime};

use chimera_layer4::fabric::{AgentSource, FabricConfig, Submission, SubmitOptions, Task, utils};
use serde_json::{Value, json};

use super::{Api, declared};
use crate::harness::{guest_path, settings, small_quota, task};

fn echo(payload: Value) -> Value {
    json!({ "target_agent_type": "echo", "payload": payload })
}

fn fails() -> Value {
    json!({ "target_agent_type": "hostile", "payload": { "do": "trap" }, "max_attempts": 1 })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_taken_waited_for_and_looked_at() {
    let api = Api::new(&["echo"]).await;
    let done = api.post("/v1/tasks?wait=30s", echo(json!({ "n": 7 }))).await;
    assert_eq!(done.status, 200, "{done:?}");
    let done = done.json();
    assert_eq!(done["result"]["output"], json!({ "n": 7 }));
    assert!(done["result"]["resource_usage"]["cpu_seconds"].as_f64().unwrap() > 0.0);

    let taken = api.post("/v1/tasks", echo(json!("later"))).await;
    assert_eq!(taken.status, 202);
    let place = taken.headers["location"].to_str().unwrap();
    let id = taken.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(place, format!("/v1/tasks/{id}"));
    let shown = api.get(&format!("{place}?wait=30s")).await.json();
    assert_eq!((&shown["state"], &shown["attempts"]), (&json!("succeeded"), &json!(1)));
    assert_eq!(shown["task"]["payload"], "later");
    assert_eq!(shown["result"]["output"], "later");
    assert!(shown["genome"].as_str().unwrap().starts_with("sha256:"));
    api.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_longer_than_the_wait_goes_on() {
    let api = Api::new(&["hostile"]).await;
    let body =
        json!({ "target_agent_type": "hostile", "payload": { "do": "burn-ms", "amount": 300 } });
    let early = api.post("/v1/tasks?wait=1ms", body).await;
    assert_eq!((early.status, early.json().get("result")), (202, None));
    let id = early.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(early.headers["location"], format!("/v1/tasks/{id}").as_str());
    let early = api.get(&format!("/v1/tasks/{id}?wait=1ms")).await;
    assert_ne!(early.json()["state"], "succeeded", "{early:?}");
    let shown = api.get(&format!("/v1/tasks/{id}?wait=30s")).await.json();
    assert_eq!(shown["state"], "succeeded");
    api.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn several_tasks_are_answered_one_by_one_in_their_order() {
    let api = Api::new(&["echo"]).await;
    let mut batch: Vec<Value> = (0..200).map(|n| echo(json!(n))).collect();
    batch[3]["target_agent_type"] = json!("unknown");
    batch[5]["max_attempts"] = json!(0);
    let answers = api.post("/v1/tasks?wait=30s", Value::from(batch.clone())).await;
    assert_eq!(answers.status, 200);
    let refused = answers.headers["chimera-refused"].clone();
    let answers = answers.json();
    assert_eq!(answers.as_array().unwrap().len(), 200);
    for n in [0, 4, 199] {
        assert_eq!(answers[n]["result"]["output"], n);
    }
    assert_eq!(answers[3]["problem"]["code"], "agent-type-not-found");
    assert_eq!(refused, "2", "a client that reads only the head learns of it");
    assert!(answers[5]["problem"]["detail"].as_str().unwrap().contains("max_attempts is 0"));
    let good = api.post("/v1/tasks", json!([echo(json!(1))])).await;
    assert_eq!(good.headers.get("chimera-refused"), None);
    let ids = api.post("/v1/tasks", Value::from(batch)).await.json();
    assert!(ids[0]["id"].is_string() && ids[0].get("result").is_none(), "{}", ids[0]);
    api.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_names_one_piece_of_work() {
    let api = Api::new(&["echo"]).await;
    let submit = async |payload, header: &str| {
        let headers = [("content-type", "application/json"), ("idempotency-key", header)];
        api.send("POST", "/v1/tasks", &headers, Some(echo(payload).to_string())).await
    };
    let first = submit(json!(1), "k").await;
    assert_eq!(submit(json!(1), "k").await.json(), first.json());
    let other = submit(json!(2), "k").await;
    assert_eq!((other.status, other.code().as_str()), (409, "idempotency-key-taken"));
    assert_ne!(submit(json!(2), "another").await.json(), first.json());
    let mut own = echo(json!(1));
    own["idempotency_key"] = json!("own");
    let headers = [("content-type", "application/json"), ("idempotency-key", "k")];
    let both = api.send("POST", "/v1/tasks", &headers, Some(own.to_string())).await;
    assert_eq!((both.status, both.code().as_str()), (400, "invalid-request"));
    let many = api.send("POST", "/v1/tasks", &headers, Some(json!([own]).to_string())).await;
    assert_eq!(many.status, 400);
    api.end().await.unwrap();
}

/// What has changed since does not matter: the deadline is over, the type gone. The
/// library answers as the API does.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_is_answered_with_the_first_whatever_has_changed_since() {
    let api = Api::new(&["echo"]).await;
    let deadline = SystemTime::now() + Duration::from_secs(5);
    let mut body = echo(json!(1));
    body["deadline"] = json!(humantime::format_rfc3339_millis(deadline).to_string());
    let submit = async |key: &str| {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        api.send("POST", "/v1/tasks?wait=30s", &headers, Some(body.to_string())).await
    };
    let first = submit("k").await;
    assert_eq!(first.status, 200, "{first:?}");
    let mut keys = (0..).map(|n: u32| format!("new {n}"));
    while submit(&keys.next().unwrap()).await.status != 400 {
        assert!(SystemTime::now() < deadline + Duration::from_secs(60));
    }
    let again = submit("k").await;
    assert_eq!((again.status, again.json()), (200, first.json()));

    for agent in api.fabric.agents().active() {
        api.fabric.agents().shutdown(agent.id).await.unwrap();
    }
    let unknown = submit("new type").await;
    assert_eq!((unknown.status, unknown.code().as_str()), (404, "agent-type-not-found"));
    assert_eq!(submit("k").await.json(), first.json());

    let by_library = async |payload: Value, key: &str| {
        let task = Task { deadline: Some(deadline), ..task("echo", payload) };
        let options = SubmitOptions { idempotency_key: Some(key.into()), ..Default::default() };
        api.fabric.tasks().execute(Submission { task, options }).await
    };
    let again = by_library(json!(1), "k").await.unwrap();
    assert_eq!(again.task_id.to_string(), first.json()["id"].as_str().unwrap());
    assert_eq!(again.output, first.json()["result"]["output"]);
    let codes = [
        by_library(json!(2), "k").await.unwrap_err().code(),
        by_library(json!(1), "another").await.unwrap_err().code(),
        api.fabric.tasks().execute(task("unknown", json!(1))).await.unwrap_err().code(),
    ];
    assert_eq!(codes, ["idempotency-key-taken", "agent-type-not-found", "agent-type-not-found"]);

    // Nor does a type matter whose component cannot be had any more.
    let quota = utils::agent_config("echo", small_quota());
    let gone = AgentSource::File("/nowhere.wasm".into());
    api.fabric.agents().register("echo", gone, quota).unwrap();
    assert_eq!(by_library(json!(1), "k").await.unwrap().output, again.output);
    assert_ne!(by_library(json!(1), "another").await.unwrap_err().code(), "agent-type-not-found");
    api.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_for_a_type_that_is_being_started_is_asked_to_retry() {
    let api = Api::new(&["echo"]).await;
    let asked = json!({ "target_agent_type": "late", "payload": 1 });
    assert_eq!(api.post("/v1/tasks", asked.clone()).await.status, 404);
    api.fabric.await_agents(["late".to_owned()]);
    let answer = api.post("/v1/tasks", asked.clone()).await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "agent-type-loading"));
    assert_eq!(answer.headers["retry-after"], "1");

    api.fabric.apply_agents(&declared("late", guest_path("echo")), |_| {}).await;
    assert_eq!(api.post("/v1/tasks", asked.clone()).await.status, 202);

    // One that cannot be started is not waited for.
    let nowhere = declared("missing", "/nowhere.wasm".into());
    let applied = api.fabric.apply_agents(&nowhere, |_| {}).await;
    assert!(applied.iter().any(|one| one.outcome.word() == "failed"), "{applied:?}");
    let asked = json!({ "target_agent_type": "missing", "payload": 1 });
    let answer = api.post("/v1/tasks", asked).await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "agent-type-down"));
    api.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_each_other() {
    let api = Api::new(&["echo"]).await;
    let batch: Vec<Value> = (0..7).map(|n| echo(json!(n))).collect();
    api.post("/v1/tasks?wait=30s", Value::from(batch)).await;
    let exact = api.get("/v1/tasks?state=succeeded&limit=7").await.json();
    assert_eq!(exact["tasks"].as_array().unwrap().len(), 7);
    assert_eq!(exact.get("next"), None, "a full page may be the last: {exact}");
    let short = api.get("/v1/tasks?state=succeeded&limit=6").await.json();
    assert_eq!(short["tasks"].as_array().unwrap().len(), 6);
    assert!(short["next"].is_string(), "{short}");
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("/v1/tasks?state=succeeded&limit=3{cursor}")).await.json();
        let tasks = page["tasks"].as_array().unwrap();
        seen.extend(tasks.iter().map(|task| task["id"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen.len(), 7);
    seen.sort_by_key(Value::to_string);
    seen.dedup();
    assert_eq!(seen.len(), 7, "none twice");
    // Of every state, in the order of submission, from either end.
    let mut later = echo(json!(7));
    later["not_before"] = json!("2999-01-01T00:00:00Z");
    let later = api.post("/v1/tasks", later).await.json()["id"].clone();
    let page = async |query: &str| {
        let page = api.get(&format!("/v1/tasks?state=all{query}")).await.json();
        let ids = page["tasks"].as_array().unwrap().iter().map(|task| task["id"].clone());
        (ids.collect::<Vec<_>>(), page["next"].as_str().map(str::to_owned))
    };
    let (mut oldest, end) = page("").await;
    assert_eq!((oldest.len(), oldest.last(), end), (8, Some(&later), None));
    oldest.reverse();
    let (mut newest, next) = page("&order=newest&limit=3").await;
    newest.extend(page(&format!("&order=newest&cursor={}", next.unwrap())).await.0);
    assert_eq!(newest, oldest);
    assert_eq!(page("&priority=high").await.0, [] as [Value; 0]);
    let other = api.get("/v1/tasks?state=succeeded&agent_type=unknown").await.json();
    assert_eq!(other["tasks"], json!([]));
    for wrong in
        ["limit=0", "limit=1001", "cursor=x", "state=gone", "stat=dead", "limit=x", "order=up"]
    {
        let refused = api.get(&format!("/v1/tasks?{wrong}")).await;
        assert_eq!((refused.status, refused.code().as_str()), (400, "invalid-request"), "{wrong}");
    }
    api.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_taken_back_and_forgotten() {
    let api = Api::new(&["echo"]).await;
    let mut body = echo(json!(1));
    body["not_before"] = json!("2999-01-01T00:00:00Z");
    let id = api.post("/v1/tasks", body).await.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/tasks/{id}");
    let early = api.delete(&path).await;
    assert_eq!((early.status, early.code().as_str()), (409, "task-not-ended"));
    let cancelled = api.post(&format!("{path}/cancel"), json!(null)).await.json();
    assert_eq!(cancelled, json!({ "id": id, "was_queued": true }));
    assert_eq!(api.get(&path).await.json()["state"], "cancelled");
    let again = api.post(&format!("{path}/cancel"), json!(null)).await;
    assert_eq!((again.status, again.code().as_str()), (409, "task-ended"));
    assert_eq!(api.delete(&path).await.status, 204);
    for gone in [api.get(&path).await, api.delete(&path).await] {
        assert_eq!((gone.status, gone.code().as_str()), (404, "task-not-found"));
    }
    api.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_looked_at_put_back_and_forgotten() {
    let api = Api::new(&["echo", "hostile"]).await;
    let batch = Value::from(vec![fails(), fails(), fails(), echo(json!(1))]);
    let answers = api.post("/v1/tasks?wait=30s", batch).await.json();
    let ids: Vec<_> = (0..4).map(|n| answers[n]["id"].as_str().unwrap().to_owned()).collect();
    let list = async |api: &Api| {
        let page = api.get("/v1/dead-letters?agent_type=hostile").await.json();
        page["tasks"].as_array().unwrap().len()
    };
    assert_eq!(list(&api).await, 3);
    let shown = api.get(&format!("/v1/dead-letters/{}", ids[0])).await.json();
    assert_eq!(shown["reason"], "attempts-exhausted", "{shown}");
    assert_eq!(shown["failed_attempts"].as_array().unwrap().len(), 1);
    let logs = api.get(&format!("/v1/tasks/{}/logs", ids[0])).await.json();
    let said = logs[0]["lines"].to_string();
    assert!(said.contains("behaviour.rs:") && said.contains("as asked"), "{logs}");
    assert!(logs[0]["error"].as_str().unwrap().contains("as asked"), "{logs}");
    assert_eq!(api.get(&format!("/v1/tasks/{}/logs", ids[3])).await.json(), json!([]));
    let unknown = api.get("/v1/tasks/01890a5d-ac96-774b-bcce-b302099a8057/logs").await;
    assert_eq!((unknown.status, unknown.code().as_str()), (404, "task-not-found"));
    let alive = api.get(&format!("/v1/dead-letters/{}", ids[3])).await;
    assert_eq!((alive.status, alive.code().as_str()), (404, "task-not-dead"));

    let purged = api.post("/v1/dead-letters/purge", json!({ "ids": [ids[0], ids[3]] })).await;
    assert_eq!(purged.json(), json!({ "count": 1, "ids": [ids[0]] }));
    let back = api.post("/v1/dead-letters/requeue", json!({ "ids": [ids[1]] })).await.json();
    assert_eq!(back["ids"], json!([ids[1]]));
    api.get(&format!("/v1/tasks/{}?wait=30s", ids[1])).await;
    for wrong in
        [json!({ "all": { "x": 1 } }), json!({ "ids": [], "all": {} }), json!({ "all": [] })]
    {
        let refused = api.post("/v1/dead-letters/purge", wrong).await;
        assert!(refused.status == 400 && refused.body.contains("it is neither"), "{refused:?}");
    }
    for (reason, count) in [("expired", 0), ("attempts-exhausted", 2)] {
        let page = api.get(&format!("/v1/dead-letters?reason={reason}")).await.json();
        assert_eq!(page["tasks"].as_array().unwrap().len(), count, "{reason}");
    }
    let none = json!({ "all": { "reason": "expired" } });
    assert_eq!(api.post("/v1/dead-letters/purge", none).await.json()["count"], 0);
    let all = json!({ "all": { "agent_type": "hostile", "reason": "attempts-exhausted" } });
    let purged = api.post("/v1/dead-letters/purge", all).await.json();
    assert_eq!(purged["count"], 2);
    assert_eq!(list(&api).await, 0);
    assert_eq!(api.get(&format!("/v1/tasks/{}", ids[3])).await.json()["state"], "succeeded");
    api.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_says_when_to_come_back() {
    let config = FabricConfig { task_queue_capacity: 1, ..settings() };
    let api = Api::with(config, &["echo", "hostile"]).await;
    let mut later = echo(json!(1));
    later["not_before"] = json!("2999-01-01T00:00:00Z");
    assert_eq!(api.post("/v1/tasks", later.clone()).await.status, 202);
    let full = api.post("/v1/tasks", later.clone()).await;
    assert_eq!((full.status, full.code().as_str()), (429, "queue-full"));
    assert!(full.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    assert!(full.json()["retry_after_secs"].as_f64().unwrap() > 0.0);

    // Of several that it took none of, too; where it took some, each has its answer.
    let both = json!([later, later]);
    for wait in ["", "?wait=1s"] {
        let none = api.post(&format!("/v1/tasks{wait}"), both.clone()).await;
        assert_eq!((none.status, none.code().as_str()), (429, "queue-full"), "{wait}");
        assert!(none.headers.contains_key("retry-after"));
    }
    let mut other = later.clone();
    other["target_agent_type"] = json!("hostile");
    let some = api.post("/v1/tasks", json!([later, other])).await;
    assert_eq!((some.status, &some.json()[0]["problem"]["status"]), (200, &json!(429)));
    assert!(some.json()[1]["id"].is_string());
    api.end().await.unwrap();
}
