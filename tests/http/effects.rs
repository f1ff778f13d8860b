//! An answer comes after its effect: a client that changes something sees the
//! change with its next request.

use std::time::Duration;

use chimera_layer4::fabric::config::TaskStoreKind;
use chimera_layer4::fabric::{AgentConfig, FabricConfig, KeyValueGrant};
use serde_json::{Value, json};

use super::{Answer, Api, call};
use crate::genomes::variants::Variant;
use crate::harness::{config_of, settings, settings_with};

/// Each change is made so often: what is only sometimes late is late once.
const ROUNDS: u32 = 5;

/// A host that keeps everything, with these agents.
async fn api(guests: &[&str]) -> (tempfile::TempDir, Api) {
    let folder = crate::folders::data_folder();
    let data_dir = Some(folder.path().to_owned());
    let config = settings_with(|c| {
        c.data_dir = data_dir;
        c.queue.task_store = TaskStoreKind::Embedded;
    });
    let keeps = |config: &mut AgentConfig| {
        config.grants.keyvalue = Some(KeyValueGrant { max_mb: 1 });
    };
    let agents = guests.iter().map(|guest| config_of(guest, keeps));
    (folder, Api::with_agents(config, agents).await)
}

async fn well(asked: impl Future<Output = Answer>) -> Value {
    let answer = asked.await;
    assert!((200..300).contains(&answer.status), "{answer:?}");
    if answer.body.is_empty() { Value::Null } else { answer.json() }
}

async fn ask(api: &Api, method: &str, path: &str, body: Option<Value>) -> Value {
    let headers = [("content-type", "application/json")];
    well(api.send(method, path, &headers, body.map(|body| body.to_string()))).await
}

async fn submitted(api: &Api, more: Value) -> String {
    let mut body = json!({ "target_agent_type": "hostile", "payload": { "do": "spin" } });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let taken = well(api.post("/v1/tasks", body)).await;
    taken["id"].as_str().unwrap().to_owned()
}

async fn state(api: &Api, id: &str) -> Value {
    well(api.get(&format!("/v1/tasks/{id}"))).await["state"].clone()
}

async fn agent_of(api: &Api, agent_type: &str) -> Value {
    let agents = well(api.get("/v1/agents")).await;
    let mut agents = agents.as_array().unwrap().iter();
    agents.find(|agent| agent["agent_type"] == agent_type).unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_where_the_answer_says() {
    let (_folder, api) = api(&["hostile"]).await;
    let running = |stats: &Value| stats["tasks"]["running"].as_u64().unwrap();
    for _ in 0..ROUNDS {
        let id = submitted(&api, json!({ "not_before": "2999-01-01T00:00:00Z" })).await;
        assert_eq!(state(&api, &id).await, "delayed");
        well(api.post(&format!("/v1/tasks/{id}/cancel"), json!(null))).await;
        assert_eq!(state(&api, &id).await, "cancelled");

        let id = submitted(&api, json!({})).await;
        while running(&well(api.get("/scheduler/stats")).await) == 0 {
            tokio::task::yield_now().await;
        }
        well(api.post(&format!("/v1/tasks/{id}/cancel"), json!(null))).await;
        assert_eq!(state(&api, &id).await, "cancelled", "it ran");
        assert_eq!(running(&well(api.get("/scheduler/stats")).await), 0);
        well(api.delete(&format!("/v1/tasks/{id}"))).await;
        assert_eq!(api.get(&format!("/v1/tasks/{id}")).await.code(), "task-not-found");
    }

    // A run may end by itself while it is cancelled; the answer says which came first.
    for n in 0..200 {
        let work = json!({ "payload": { "do": "burn-ms", "amount": n % 4 } });
        let id = submitted(&api, work).await;
        let answer = api.post(&format!("/v1/tasks/{id}/cancel"), json!(null)).await;
        let became = state(&api, &id).await;
        match answer.status {
            200 => assert_eq!(became, "cancelled"),
            _ => assert_eq!((answer.code(), became), ("task-ended".into(), json!("succeeded"))),
        }
    }

    let mut dead = Vec::new();
    for _ in 0..2 {
        let body = json!({ "target_agent_type": "hostile", "payload": { "do": "fail" } });
        let done = well(api.post("/v1/tasks?wait=30s", body)).await;
        let id = done["id"].as_str().unwrap().to_owned();
        let letter = well(api.get(&format!("/v1/dead-letters/{id}"))).await;
        assert_eq!(letter["state"], "dead");
        dead.push(id);
    }
    let metrics = api.get("/metrics").await.body;
    assert!(metrics.contains("layer4_tasks_failed_total{agent_type=\"hostile\"} 2\n"), "{metrics}");
    let purged = well(api.post("/v1/dead-letters/purge", json!({ "ids": [dead[0]] }))).await;
    assert_eq!(purged["ids"], json!([dead[0]]));
    assert_eq!(api.get(&format!("/v1/tasks/{}", dead[0])).await.status, 404);

    // Without an agent of its type nothing runs it meanwhile.
    let agent = agent_of(&api, "hostile").await["agent_id"].as_str().unwrap().to_owned();
    well(api.delete(&format!("/v1/agents/{agent}"))).await;
    assert_eq!(api.get(&format!("/v1/agents/{agent}")).await.code(), "agent-not-found");
    well(api.post("/v1/dead-letters/requeue", json!({ "ids": [dead[1]] }))).await;
    assert_eq!(state(&api, &dead[1]).await, "waiting");
    assert_eq!(api.get(&format!("/v1/dead-letters/{}", dead[1])).await.status, 404);
    api.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_and_their_figures_are_as_the_answer_says() {
    let (_folder, api) = api(&["variant", "keeper"]).await;
    let agent = agent_of(&api, "variant").await["agent_id"].as_str().unwrap().to_owned();
    for round in 1..=ROUNDS {
        well(api.post(&format!("/v1/agents/{agent}/restart"), json!(null))).await;
        assert_eq!(agent_of(&api, "variant").await["restarts"], round);

        let body = json!({ "target_agent_type": "variant", "payload": round });
        let done = well(api.post("/v1/tasks?wait=30s", body)).await;
        let accuracy = f64::from(round) / 10.0;
        let judged = json!({ "task_id": done["id"], "accuracy": accuracy });
        well(api.post("/v1/validations", judged)).await;
        let kpis = well(api.get("/v1/kpis")).await;
        let of_variant = |kpi: &&Value| kpi["agent_type"] == "variant";
        let kpi = kpis.as_array().unwrap().iter().find(of_variant).unwrap().clone();
        assert!(kpi.to_string().contains("accuracy"), "{kpi}");

        let order = json!({ "second": ["b", { "set": ["k", "v"] }] });
        let body = json!({ "target_agent_type": "keeper", "payload": order });
        let done = well(api.post("/v1/tasks?wait=30s", body)).await;
        assert_eq!(done["result"]["success"], true, "{done}");
        let kept = well(api.get("/v1/keyvalue")).await;
        assert_eq!(kept[0]["agent_type"], "keeper", "{kept}");
        well(api.delete("/v1/keyvalue/keeper")).await;
        assert_eq!(well(api.get("/v1/keyvalue")).await, json!([]));
    }
    api.end().await.unwrap();
}

async fn pushed(api: &Api, version: u32, query: &str) -> Value {
    let url = api.url(&format!("/v1/genomes?agent_type=variant{query}"));
    let request = ureq::http::Request::post(url).header("content-type", "application/wasm");
    let request = request.body(Variant::version(version).bytes()).unwrap();
    let push = tokio::task::spawn_blocking(move || call(request));
    well(async { push.await.unwrap() }).await
}

async fn last_of_lineage(api: &Api) -> Value {
    let lineage = well(api.get("/v1/agent-types/variant/lineage")).await;
    lineage["entries"].as_array().unwrap().last().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn genomes_and_their_record_are_as_the_answer_says() {
    let (_folder, api) = api(&["variant"]).await;
    for round in 0..ROUNDS {
        let admitted = pushed(&api, 10 + round, "").await;
        let genome = &admitted["genome"];
        let name = genome.as_str().unwrap();
        let stored = format!("/v1/genomes/{name}");
        assert_eq!(&well(api.get(&stored)).await["genome"], genome);
        assert!(last_of_lineage(&api).await.to_string().contains("admitted"));
        let last = async || {
            let history = well(api.get(&stored)).await["history"].clone();
            history.as_array().unwrap().last().unwrap().to_string()
        };
        ask(&api, "PUT", &format!("{stored}/pin"), None).await;
        assert!(last().await.contains("\"pinned\""));
        ask(&api, "DELETE", &format!("{stored}/pin"), None).await;
        assert!(last().await.contains("\"unpinned\""));

        let one = Some(json!({ "genome": genome }));
        let swapped = ask(&api, "PUT", "/v1/agent-types/variant/genome", one).await;
        assert_eq!(&agent_of(&api, "variant").await["genome"], genome);
        assert!(last_of_lineage(&api).await.to_string().contains("promoted"));
        if round > 0 {
            ask(&api, "POST", "/v1/agent-types/variant/rollback", None).await;
            assert_eq!(agent_of(&api, "variant").await["genome"], swapped["from"]);
            assert!(last_of_lineage(&api).await.to_string().contains("rolled-back"));
        }
    }
    let all = json!({ "ancestors": 0, "quiet_days": 0 });
    let collected = well(api.post("/v1/genomes/collect", all)).await;
    let stored = well(api.get("/v1/genomes")).await;
    for gone in collected["removed"].as_array().unwrap() {
        assert!(stored.as_array().unwrap().iter().all(|one| one["genome"] != *gone), "{stored}");
    }
    assert!(!collected["removed"].as_array().unwrap().is_empty());
    api.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_begins_and_ends_before_the_answer_to_it() {
    let (_folder, api) = api(&["variant"]).await;
    for round in 0..ROUNDS {
        let genome = pushed(&api, 20 + round, "").await["genome"].clone();
        let wanted = json!({ "agent_type": "variant", "genome": genome });
        well(api.post("/v1/rollouts", wanted.clone())).await;
        assert!(last_of_lineage(&api).await.to_string().contains("rollout-started"));
        let agents = well(api.get("/v1/agents")).await;
        assert_eq!(agents.as_array().unwrap().len(), 3, "a candidate and what it is held against");

        well(api.post("/v1/rollouts/variant/abort", json!(null))).await;
        assert!(last_of_lineage(&api).await.to_string().contains("aborted by the API"));
        assert_eq!(well(api.get("/v1/rollouts")).await, json!([]));
        assert_eq!(well(api.get("/v1/agents")).await.as_array().unwrap().len(), 1);
        let again = api.post("/v1/rollouts/variant/abort", json!(null)).await;
        assert_eq!(again.code(), "rollout-conflict");

        well(api.post("/v1/rollouts", wanted)).await;
        well(api.post("/v1/rollouts/variant/promote", json!(null))).await;
        assert!(last_of_lineage(&api).await.to_string().contains("promoted"));
        assert_eq!(agent_of(&api, "variant").await["genome"], genome);
        assert_eq!(well(api.get("/v1/agents")).await.as_array().unwrap().len(), 1);
    }
    api.end().await.unwrap();
}

/// What ended before the question is recorded before the answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_has_ended_is_a_sample() {
    let (_folder, api) = api(&["variant"]).await;
    for round in 0..ROUNDS {
        let body = json!({ "target_agent_type": "variant", "payload": round });
        well(api.post("/v1/tasks?wait=30s", body)).await;
        let admitted = pushed(&api, 30 + round, "&samples=1").await;
        assert!(admitted.to_string().contains("sample task 1"), "{admitted}");
    }
    api.end().await.unwrap();
}

/// Another check is under way: the answer is the state after that one.
#[tokio::test(flavor = "multi_thread")]
async fn a_check_asks_anew_also_while_another_asks() {
    let config = FabricConfig { agent_timeout_secs: 1, ..settings() };
    let api = Api::with(config, &["hostile"]).await;
    let body = json!({ "target_agent_type": "hostile", "payload": { "do": "fall-mute" } });
    well(api.post("/v1/tasks?wait=30s", body)).await;
    let agent = agent_of(&api, "hostile").await["agent_id"].as_str().unwrap().to_owned();
    let check = async || well(api.post(&format!("/v1/agents/{agent}/check"), json!(null))).await;
    let both = async { tokio::join!(check(), check()) };
    let (one, other) = tokio::time::timeout(Duration::from_secs(60), both).await.unwrap();
    let mut told = [one, other].map(|said| said["health"]["message"].to_string());
    told.sort();
    assert_eq!(told[0], "\"as asked\"", "asked after the restart");
    assert!(told[1].contains("restarted, because it was unhealthy"), "{told:?}");
    api.end().await.unwrap();
}
