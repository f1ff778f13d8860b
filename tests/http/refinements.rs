//! Task refinement: what layer 5 sets for tasks to come, and not for those that wait.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chimera_layer4::fabric::config::{PartialQuota, Secret};
use chimera_layer4::fabric::events::EventKind;
use chimera_layer4::fabric::genome::Plan;
use chimera_layer4::fabric::refinement::RefinementChange;
use chimera_layer4::fabric::{
    Fabric, Priority, RefinedBy, Refinement, StateCarried, Submission, SubmitOptions, Task,
};
use serde_json::{Value, json};

use super::{Answer, Api};
use crate::genomes::variants::Variant;
use crate::harness::{config_of, execute, fabric, guest, settings, settings_with, spawn, task};

const LABEL: &str = "layer4.refinement";
const ASKED: &str = "layer4.asked_for";
const FAR_AHEAD: &str = "2999-01-01T00:00:00Z";

fn path(name: &str) -> String {
    format!("/v1/agent-types/{name}/refinement")
}

async fn put(api: &Api, name: &str, body: Value) -> Answer {
    let headers = [("content-type", "application/json")];
    api.send("PUT", &path(name), &headers, Some(body.to_string())).await
}

/// The answer to a refinement that is taken.
async fn set(api: &Api, name: &str, body: Value) -> Value {
    let answer = put(api, name, body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str, words: &[&str]) {
    assert_eq!((answer.status, answer.code().as_str()), (status, code), "{answer:?}");
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    words.iter().for_each(|word| assert!(detail.contains(word), "{word}: {detail}"));
}

/// Submits a task that waits; what is known of it.
async fn waits(api: &Api, target: &str, more: Value) -> Value {
    let mut body = json!({ "target_agent_type": target, "payload": { "do": "quota" },
        "not_before": FAR_AHEAD, "priority": "low" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let answer = api.post("/v1/tasks", body).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    shown(api, answer.json()["id"].as_str().unwrap()).await
}

async fn shown(api: &Api, id: &str) -> Value {
    api.get(&format!("/v1/tasks/{id}")).await.json()["task"].clone()
}

fn to(name: &str) -> Refinement {
    Refinement { route_to: Some(name.into()), ..Refinement::default() }
}

async fn refine(fabric: &Fabric, name: &str, refinement: Refinement) -> u64 {
    let done = fabric.refine_agent_type(name, refinement, RefinedBy::default()).await;
    done.unwrap().entry.number
}

/// An agent of the guest `echo` under another name.
async fn echo(fabric: &Fabric, name: &str) {
    fabric.agents().spawn(&guest("echo"), config_of(name, |_| {})).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn priority_and_quota_count_for_tasks_to_come_and_not_for_those_that_wait() {
    let api = Api::new(&["hostile", "echo"]).await;
    let before = waits(&api, "hostile", json!({})).await;
    let refinement = json!({ "priority": "critical", "author": "kpi-loop", "source_layer": "layer5",
        "resource_quota": { "max_execution_time_secs": 1, "max_memory_mb": 16 }, "reason": "p95" });
    let done = set(&api, "hostile", refinement).await;
    assert_eq!((&done["entry"]["number"], &done["agents"]), (&json!(1), &Value::Null));
    let after = waits(&api, "hostile", json!({ "metadata": { LABEL: "9", "own": "x" } })).await;
    assert_eq!(
        (&after["priority"], &after["target_agent_type"]),
        (&json!("critical"), &json!("hostile"))
    );
    assert_eq!(after["metadata"], json!({ LABEL: "1", "own": "x" }));
    let mut quota = before["resource_quota"].clone();
    quota["max_execution_time_secs"] = 1.into();
    quota["max_memory_mb"] = 16.into();
    assert_eq!(after["resource_quota"], quota);
    // The one that waits is as it was.
    assert_eq!(shown(&api, before["id"].as_str().unwrap()).await, before);
    assert_eq!((&before["priority"], &before["metadata"]), (&json!("low"), &json!({})));

    // An agent is given the task's own limit, and is held to it, whichever way it comes.
    let spin = json!({ "target_agent_type": "hostile", "payload": { "do": "spin" }, "max_attempts": 1,
        "resource_quota": { "max_execution_time_secs": 15 } });
    let spun = api.post("/v1/tasks?wait=60s", spin).await.json()["result"].clone();
    assert!(
        spun["success"] == false && spun["fault"]["detail"]["quota"] == "execution-time",
        "{spun}"
    );
    assert!(spun["execution_time_ms"].as_u64().unwrap() < 10_000, "{spun}");
    let order = json!({ "do": "quota" });
    let both = json!([
        { "target_agent_type": "hostile", "payload": order },
        { "target_agent_type": "echo", "payload": 1 },
    ]);
    let both = api.post("/v1/tasks?wait=60s", both).await.json();
    assert_eq!(both[0]["result"]["output"], json!([32, 16]));
    let other = shown(&api, both[1]["id"].as_str().unwrap()).await;
    assert_eq!((&other["priority"], &other["metadata"]), (&json!("normal"), &json!({})));
    let fabric = &api.fabric;
    assert_eq!(execute(fabric, "hostile", order.clone()).await.output.to_value(), json!([32, 16]));
    let once = Box::pin(fabric.tasks().run_once(&task("hostile", order.clone()))).await.unwrap();
    assert_eq!(once.result.unwrap().to_value(), json!([32, 16]));
    let handles = fabric.tasks().submit_tracked(vec![task("hostile", order).into()]).await.unwrap();
    let id = handles[0].as_ref().unwrap().id();
    assert_eq!(fabric.tasks().get(id).await.unwrap().task.priority, Priority::Critical);

    let types = api.get("/v1/agent-types").await.json();
    let of = |name: &str| types.as_array().unwrap().iter().find(|one| one["name"] == name).unwrap();
    let summary = json!({ "number": 1, "priority": "critical",
        "resource_quota": { "max_execution_time_secs": 1, "max_memory_mb": 16 } });
    assert_eq!((&of("hostile")["refinement"], &of("echo")["refinement"]), (&summary, &Value::Null));
    api.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_sends_tasks_to_come_on_and_a_repeat_stays_where_it_went() {
    let fabric = fabric(settings()).await;
    for name in ["first", "second", "third"] {
        echo(&fabric, name).await;
    }
    let went = async |id| {
        let task: Task = fabric.tasks().get(id).await.unwrap().task;
        let label = |name: &str| task.metadata.get(name).cloned();
        (task.target_agent_type.clone(), label(ASKED), label(LABEL))
    };
    let keyed = |key: &str| {
        let options = SubmitOptions { idempotency_key: Some(key.into()), ..Default::default() };
        Submission { task: task("first", json!(key)), options }
    };
    let old = keyed("old");
    let first = fabric.tasks().submit(old.clone()).await.unwrap();
    assert_eq!(refine(&fabric, "first", to("second")).await, 1);
    let priority = Some(Priority::High);
    assert_eq!(refine(&fabric, "second", Refinement { priority, ..to("third") }).await, 2);
    let done = execute(&fabric, "first", json!("hello")).await;
    assert_eq!(done.output.to_value(), "hello");
    let sent = (String::from("third"), Some("first".into()), Some("1,2".into()));
    assert_eq!(went(done.task_id).await, sent);
    assert_eq!(fabric.tasks().get(done.task_id).await.unwrap().task.priority, Priority::High);
    let once = Box::pin(fabric.tasks().run_once(&task("first", json!(1)))).await.unwrap();
    assert!(once.result.is_ok());

    // What was taken before is the same task, by its key and by its id.
    assert_eq!(fabric.tasks().submit(keyed("old")).await.unwrap(), first);
    assert_eq!(fabric.tasks().submit(old.task).await.unwrap(), first);
    assert_eq!(went(first).await, ("first".into(), None, None));
    let new = keyed("new");
    let second = fabric.tasks().submit(new.clone()).await.unwrap();
    assert_eq!(went(second).await.0, "third");
    for name in ["first", "second"] {
        fabric.undo_refinement(name, RefinedBy::default()).await.unwrap();
    }
    assert_eq!(fabric.tasks().submit(keyed("new")).await.unwrap(), second);
    assert_eq!(fabric.tasks().submit(new.task).await.unwrap(), second);
    let third = execute(&fabric, "first", json!(3)).await.task_id;
    assert_eq!(went(third).await, ("first".into(), None, None));
    fabric.shutdown().await.unwrap();
}

/// The sample agent supports a task type.
#[tokio::test(flavor = "multi_thread")]
async fn a_route_may_name_a_task_type_and_holds_when_its_type_is_gone() {
    let fabric = fabric(settings()).await;
    echo(&fabric, "first").await;
    fabric.agents().spawn(&guest("data-analyzer"), config_of("analyst", |_| {})).await.unwrap();
    refine(&fabric, "first", to("analyze-table")).await;
    let rows = json!({ "rows": [{ "a": 1 }, { "a": 3 }] });
    let done = execute(&fabric, "first", rows.clone()).await;
    assert_eq!(done.output.to_value()["rows"], 2);
    // It alone supports the task type, and tasks would come back to it.
    let circle =
        fabric.refine_agent_type("analyst", to("analyze-table"), RefinedBy::default()).await;
    let circle = circle.unwrap_err();
    assert!(
        circle.code() == "refinement-conflict" && circle.to_string().contains("come back"),
        "{circle}"
    );

    let gone = fabric.agents().active().into_iter().find(|agent| agent.agent_type == "first");
    fabric.agents().shutdown(gone.unwrap().id).await.unwrap();
    assert_eq!(execute(&fabric, "first", rows).await.output.to_value()["rows"], 2);
    let types = fabric.agent_types().await;
    let first = types.iter().find(|one| one.name == "first").unwrap();
    let route = first.refinement.as_ref().and_then(|refinement| refinement.route_to.as_deref());
    assert_eq!((first.agents.len(), route), (0, Some("analyze-table")));
    // It can still be changed, and be taken back.
    fabric.undo_refinement("first", RefinedBy::default()).await.unwrap();
    let unknown = fabric.tasks().submit(task("first", json!(1))).await.unwrap_err();
    assert_eq!(unknown.code(), "agent-type-not-found");
    refine(&fabric, "first", to("analyst")).await;
    fabric.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn circles_unknown_names_and_what_is_too_large_are_refused() {
    let api = Api::new(&[]).await;
    for name in ["first", "second", "third"] {
        echo(&api.fabric, name).await;
    }
    set(&api, "first", json!({ "route_to": "second" })).await;
    set(&api, "second", json!({ "route_to": "third" })).await;
    let way = ["\"third\" → \"first\" → \"second\" → \"third\""];
    refused(
        &put(&api, "third", json!({ "route_to": "first" })).await,
        409,
        "refinement-conflict",
        &way,
    );
    let own = put(&api, "third", json!({ "route_to": "third" })).await;
    refused(&own, 409, "refinement-conflict", &["\"third\" → \"third\""]);
    let invalid = "invalid-request";
    let most = json!({ "limit": "x".repeat(Refinement::MOST_BYTES) });
    for (body, words) in [
        (json!({ "route_to": "none" }), ["route_to: ", "\"none\"", "known: first, second"]),
        (json!({ "route_to": "" }), ["route_to: ", "0 bytes", "1 to 256"]),
        (json!({ "priority": "urgent" }), ["priority", "urgent", "critical"]),
        (json!({ "quota": {} }), ["unknown field", "`quota`", "resource_quota"]),
        (
            json!({ "resource_quota": { "max_memory_mb": 0 } }),
            ["resource_quota.max_memory_mb", " is 0", "1 to 4096"],
        ),
        (
            json!({ "resource_quota": { "memory": 1 } }),
            ["unknown field", "`memory`", "max_memory_mb"],
        ),
        (json!({ "parameters": [1] }), ["parameters", "sequence", "map"]),
        (json!({ "parameters": most }), ["the refinement has ", "bytes as JSON", "65536"]),
        (json!({ "reason": "x".repeat(4097) }), ["reason has ", "4097 bytes", "4096"]),
        (json!({ "author": "x".repeat(257) }), ["author has ", "257 bytes", "256"]),
    ] {
        refused(&put(&api, "third", body).await, 400, invalid, &words);
    }
    refused(&put(&api, "none", json!({})).await, 404, "agent-type-not-found", &["first, second"]);
    refused(&api.get(&path("none")).await, 404, "agent-type-not-found", &["\"none\""]);
    refused(&api.delete(&path("none")).await, 404, "agent-type-not-found", &["\"none\""]);
    refused(&api.delete(&path("third")).await, 409, "refinement-conflict", &["none to undo"]);
    for (query, words) in [("limit=0", "1 to 100"), ("limit=101", "1 to 100"), ("from=1", "before")]
    {
        refused(&api.get(&format!("{}?{query}", path("first"))).await, 400, invalid, &[words]);
    }
    let long = format!("{}?reason={}", path("first"), "x".repeat(4097));
    refused(&api.delete(&long).await, 400, invalid, &["reason has 4097 bytes"]);
    // Nothing of it was recorded.
    assert_eq!(
        api.get(&path("third")).await.json(),
        json!({ "agent_type": "third", "record": [] })
    );

    // What is undone might be a circle by now, or lead nowhere.
    set(&api, "first", json!({})).await;
    set(&api, "third", json!({ "route_to": "first" })).await;
    refused(&api.delete(&path("first")).await, 409, "refinement-conflict", &["come back"]);
    set(&api, "third", json!({ "priority": "low" })).await;
    set(&api, "second", json!({})).await;
    let third = api.fabric.agents().active().into_iter().find(|agent| agent.agent_type == "third");
    api.fabric.agents().shutdown(third.unwrap().id).await.unwrap();
    let gone = api.delete(&path("second")).await;
    refused(&gone, 409, "refinement-conflict", &["cannot count again", "\"third\""]);
    api.end().await.unwrap();

    let token = "0123456789abcdef0123456789abcdef";
    let config = settings_with(|c| c.http.api_token = Some(Secret::new(token.to_owned())));
    let closed = Api::with(config, &["echo"]).await;
    let request = ureq::http::Request::builder().method("PUT").uri(closed.url(&path("echo")));
    let request = request.header("content-type", "application/json").body("{}".to_owned()).unwrap();
    let answer = tokio::task::spawn_blocking(move || super::call(request)).await.unwrap();
    assert_eq!((answer.status, answer.code().as_str()), (401, "unauthorized"));
    set(&closed, "echo", json!({})).await;
    closed.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_is_recorded_and_undone_step_by_step() {
    let api = Api::new(&["echo"]).await;
    let mut events = api.fabric.telemetry().subscribe();
    let by = json!({ "author": "kpi-loop", "source_layer": "layer5", "reason": "p95 is over 2 s" });
    let with = |more: Value| {
        let mut all = by.clone();
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let first = set(&api, "echo", with(json!({ "priority": "high" }))).await["entry"].clone();
    assert_eq!(first["before"], Value::Null);
    // The same once more changes nothing.
    assert_eq!(set(&api, "echo", json!({ "priority": "high" })).await["entry"], first);
    let second = set(&api, "echo", json!({ "priority": "low" })).await["entry"].clone();
    assert_eq!(
        (&second["number"], &second["before"], &second["author"]),
        (&json!(2), &json!(1), &json!(""))
    );
    let query = "?author=Ada&source_layer=layer5&reason=worse%20than%20before";
    let undone = api.delete(&format!("{}{query}", path("echo"))).await.json()["entry"].clone();
    assert_eq!((&undone["change"], &undone["number"]), (&json!("undone"), &json!(3)));
    assert_eq!((&undone["before"], &undone["in_force"]), (&json!(2), &json!(1)));
    assert_eq!(
        (&undone["author"], &undone["reason"]),
        (&json!("Ada"), &json!("worse than before"))
    );
    assert_eq!(undone["refinement"], json!({ "priority": "high" }));
    assert_eq!(waits(&api, "echo", json!({})).await["metadata"], json!({ LABEL: "1" }));
    let last = api.delete(&path("echo")).await.json()["entry"].clone();
    assert_eq!(
        (&last["before"], &last["in_force"], &last["refinement"]),
        (&json!(1), &Value::Null, &Value::Null)
    );
    refused(&api.delete(&path("echo")).await, 409, "refinement-conflict", &["none to undo"]);
    let plain = waits(&api, "echo", json!({})).await;
    assert_eq!((&plain["priority"], &plain["metadata"]), (&json!("low"), &json!({})));

    // What is set anew begins at nothing.
    let fifth = set(&api, "echo", json!({ "priority": "background" })).await["entry"].clone();
    assert_eq!((&fifth["number"], &fifth["before"]), (&json!(5), &Value::Null));
    let all = api.get(&path("echo")).await.json();
    assert_eq!(all["in_force"], fifth);
    assert_eq!(all["record"], json!([fifth, last, undone, second, first]));
    assert_eq!(all["next"], Value::Null);
    let page = api.get(&format!("{}?limit=2", path("echo"))).await.json();
    assert_eq!((&page["record"], &page["next"]), (&json!([fifth, last]), &json!(4)));
    let page = api.get(&format!("{}?limit=2&before=4", path("echo"))).await.json();
    assert_eq!((&page["record"], &page["next"]), (&json!([undone, second]), &json!(2)));
    assert_eq!(first["reason"], "p95 is over 2 s");

    let mut seen = Vec::new();
    while seen.len() < 5 {
        if let EventKind::AgentTypeRefined {
            number,
            outcome,
            agent_type,
            source_layer,
            refinement,
            ..
        } = &events.recv().await.unwrap().what
        {
            let counts = refinement.as_ref().map(|now| now.number);
            assert_eq!(agent_type, "echo");
            seen.push((*number, *outcome, source_layer.clone(), counts));
        }
    }
    let [set, undone] =
        [RefinementChange::Set, RefinementChange::Undone].map(RefinementChange::word);
    let layer = || "layer5".to_owned();
    assert_eq!(
        seen,
        [
            (1, set, layer(), Some(1)),
            (2, set, String::new(), Some(2)),
            (3, undone, layer(), Some(1)),
            (4, undone, String::new(), None),
            (5, set, String::new(), Some(5)),
        ]
    );
    api.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_go_to_agents_that_take_over_with_their_state() {
    let ada = |config: &mut chimera_layer4::fabric::AgentConfig| {
        config.parameters.insert("name".into(), json!("Ada"));
        config.parameters.insert("limit".into(), json!(3));
    };
    let api =
        Api::with_agents(settings(), [config_of("keeper", ada), config_of("hostile", |_| {})])
            .await;
    let fabric = &api.fabric;
    spawn(fabric, "stateful").await;
    let says = async |key: &str| {
        execute(fabric, "keeper", json!({ "config": key })).await.output.to_value()
    };
    let agents = |name: &str| -> Vec<_> {
        let all = fabric.agents().active().into_iter();
        all.filter(|agent| agent.agent_type == name).map(|agent| json!(agent.id)).collect()
    };
    let before = agents("keeper");
    let done = set(&api, "keeper", json!({ "parameters": { "name": "Bea", "more": [1] } })).await;
    assert_eq!(done["agents"], json!(before));
    assert_eq!(agents("keeper"), before, "each keeps its identity");
    assert_eq!(
        (says("name").await, says("limit").await, says("more").await),
        (json!("Bea"), json!("3"), json!("[1]"))
    );
    // A restart, and another field, leave them.
    fabric.agents().restart(fabric.agents().active()[0].id).await.unwrap();
    let done = set(
        &api,
        "keeper",
        json!({ "parameters": { "name": "Bea", "more": [1] }, "priority": "high" }),
    )
    .await;
    assert_eq!((&done["agents"], says("name").await), (&Value::Null, json!("Bea")));
    for _ in 0..2 {
        assert_eq!(api.delete(&path("keeper")).await.status, 200);
    }
    assert_eq!((says("name").await, says("more").await), (json!("Ada"), Value::Null));

    // An agent's own state goes on.
    execute(fabric, "stateful", json!({ "add": 5 })).await;
    let parameters = [("any".to_owned(), chimera_layer4::fabric::json::Tree(json!(1)))].into();
    let refinement = Refinement { parameters, ..Refinement::default() };
    let done =
        fabric.refine_agent_type("stateful", refinement, RefinedBy::default()).await.unwrap();
    assert!(matches!(done.state, Some(StateCarried::Carried { .. })), "{done:?}");
    assert_eq!(
        execute(fabric, "stateful", json!({ "add": 1 })).await.output.to_value()["count"],
        6
    );

    // Agents that do not start with them: nothing changes.
    let answer =
        put(&api, "hostile", json!({ "parameters": { "in_init": "trap" }, "priority": "high" }))
            .await;
    refused(&answer, 422, "trap", &[]);
    let of_hostile = api.get(&path("hostile")).await.json();
    assert_eq!(of_hostile, json!({ "agent_type": "hostile", "record": [] }));
    assert_eq!(
        execute(fabric, "hostile", json!({ "do": "quota" })).await.output.to_value(),
        json!([32, 32])
    );
    api.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_task_is_dropped_while_parameters_change() {
    let fabric = Arc::new(fabric(settings()).await);
    for _ in 0..2 {
        spawn(&fabric, "keeper").await;
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (fabric, is_over) = (Arc::clone(&fabric), Arc::clone(&is_over));
            tokio::spawn(async move {
                let mut said = Vec::new();
                while !is_over.load(Ordering::Acquire) {
                    let done = execute(&fabric, "keeper", json!({ "config": "round" })).await;
                    assert!(done.success, "{done:?}");
                    said.push(done.output.to_value());
                }
                said
            })
        })
        .collect();
    for round in 1..=10 {
        let parameters =
            [("round".to_owned(), chimera_layer4::fabric::json::Tree(json!(round)))].into();
        refine(&fabric, "keeper", Refinement { parameters, ..Refinement::default() }).await;
        let now = execute(&fabric, "keeper", json!({ "config": "round" })).await;
        assert_eq!(now.output.to_value(), round.to_string(), "a task to come has it");
    }
    is_over.store(true, Ordering::Release);
    let mut said = BTreeSet::new();
    for client in clients {
        said.extend(client.await.unwrap().into_iter().map(|value| value.to_string()));
    }
    assert!(said.len() > 2, "tasks ran meanwhile: {said:?}");
    let stats = fabric.tasks().stats().await.unwrap();
    assert_eq!(stats.count(chimera_layer4::fabric::TaskState::Dead), 0);
    fabric.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_stay_while_a_genome_is_on_trial() {
    let api = Api::new(&["variant"]).await;
    let candidate = Variant::version(2).bytes();
    api.fabric.genomes().start_rollout("variant", candidate, Plan::default()).await.unwrap();
    let answer = put(&api, "variant", json!({ "parameters": { "a": 1 } })).await;
    refused(&answer, 409, "rollout-conflict", &["on trial", "abort its rollout first"]);
    set(&api, "variant", json!({ "priority": "high" })).await;
    api.fabric.genomes().abort_rollout("variant", "a test").await.unwrap();
    set(&api, "variant", json!({ "parameters": { "a": 1 } })).await;
    api.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_at_once_are_recorded_one_after_another() {
    let fabric = Arc::new(fabric(settings()).await);
    echo(&fabric, "first").await;
    echo(&fabric, "second").await;
    let changes: Vec<_> = (1..=20)
        .map(|n| {
            let fabric = Arc::clone(&fabric);
            let name = if n % 2 == 0 { "first" } else { "second" };
            let quota = PartialQuota { max_memory_mb: Some(n), ..PartialQuota::default() };
            let refinement = Refinement { resource_quota: Some(quota), ..Refinement::default() };
            let by = RefinedBy { reason: n.to_string(), ..RefinedBy::default() };
            tokio::spawn(async move { fabric.refine_agent_type(name, refinement, by).await })
        })
        .collect();
    let mut numbers = BTreeSet::new();
    for change in changes {
        numbers.insert(change.await.unwrap().unwrap().entry.number);
    }
    assert!(numbers.into_iter().eq(1..=20));
    for name in ["first", "second"] {
        let view = fabric.refinement(name, None, 1000).await.unwrap();
        assert_eq!((view.record.len(), view.next), (10, None));
        assert_eq!(view.in_force.as_ref(), view.record.first(), "the last one counts");
        let befores = view.record.iter().map(|entry| entry.before);
        let numbers = view.record.iter().skip(1).map(|entry| Some(entry.number));
        assert!(befores.eq(numbers.chain([None])), "{view:?}");
        for entry in view.record {
            let quota = entry.refinement.unwrap().resource_quota.unwrap();
            assert_eq!(quota.max_memory_mb.unwrap().to_string(), entry.reason);
        }
    }
    fabric.shutdown().await.unwrap();
}
