//! Tasks that name a task type which agents support, in place of an agent type.

use std::collections::BTreeMap;

use chimera_layer4::fabric::{Fabric, FabricError, Submission, SubmitOptions, TaskId, utils};
use serde_json::{Value, json};

use crate::harness::{config_of, execute, fabric, guest, guest_path, settings, spawn, task};
use crate::http::declared;

const LABEL: &str = "layer4.asked_for";
/// What the sample agent says that it supports.
const SUPPORTED: &str = "analyze-table";

fn rows() -> Value {
    json!({ "rows": [{ "a": 1 }, { "a": 3 }] })
}

/// An agent of this type which supports [`SUPPORTED`].
async fn analyst(fabric: &Fabric, name: &str) {
    let config = config_of(name, |_| {});
    fabric.agents().spawn(&guest("data-analyzer"), config).await.unwrap();
}

/// Where a task went, and what its label says.
async fn went(fabric: &Fabric, id: TaskId) -> (String, Option<String>) {
    let task = fabric.tasks().get(id).await.unwrap().task;
    (task.target_agent_type, task.metadata.get(LABEL).cloned())
}

fn keyed(target: &str, key: &str) -> Submission {
    let options = SubmitOptions { idempotency_key: Some(key.into()), ..SubmitOptions::default() };
    Submission { task: task(target, rows()), options }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_goes_to_a_type_that_supports_what_it_names() {
    let fabric = fabric(settings()).await;
    spawn(&fabric, "echo").await;
    let unknown = fabric.tasks().submit(task(SUPPORTED, rows())).await.unwrap_err();
    assert!(
        matches!(&unknown, FabricError::AgentTypeNotFound { task_types, .. } if task_types.is_empty())
    );
    analyst(&fabric, "analyst").await;
    let mut asked = task(SUPPORTED, rows());
    // What a submitter says of it is not taken.
    asked.metadata.insert(LABEL.into(), "another".into());
    let id = asked.id;
    let done = Box::pin(fabric.tasks().execute(asked)).await.unwrap();
    assert!(done.success && done.output.to_value()["rows"] == 2, "{done:?}");
    assert_eq!(went(&fabric, id).await, ("analyst".into(), Some(SUPPORTED.into())));
    let once = Box::pin(fabric.tasks().run_once(&task(SUPPORTED, rows()))).await.unwrap();
    assert!(once.result.is_ok());
    // A name of a type is that type's, whatever it supports.
    let done = execute(&fabric, "echo", json!(1)).await;
    assert_eq!(went(&fabric, done.task_id).await, ("echo".into(), None));
    let unknown = fabric.tasks().submit(task("sum", rows())).await.unwrap_err().to_string();
    let both = "known: analyst, echo; task types that agents support: analyze-table";
    assert!(unknown.contains(both), "{unknown}");
    fabric.shutdown().await.unwrap();
}

/// Each task goes where it went, and all together go to each.
#[tokio::test(flavor = "multi_thread")]
async fn several_types_share_what_they_support() {
    let fabric = fabric(settings()).await;
    for name in ["one", "two"] {
        analyst(&fabric, name).await;
    }
    let batch = (0..40).map(|_| Submission::from(task(SUPPORTED, rows()))).collect();
    let taken = fabric.tasks().submit_batch(batch).await.unwrap();
    let mut counts = BTreeMap::<String, usize>::new();
    for id in taken {
        let id = id.unwrap();
        assert!(fabric.tasks().wait(id).await.unwrap().success);
        *counts.entry(went(&fabric, id).await.0).or_default() += 1;
    }
    assert!(counts.values().all(|count| *count > 5) && counts.len() == 2, "{counts:?}");
    fabric.shutdown().await.unwrap();
}

/// A repeat is the same task, whatever types have come and gone in between.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_is_recognised_when_types_have_changed() {
    let fabric = fabric(settings()).await;
    // A type of the name that goes, while others support it.
    let by_name = declared(SUPPORTED, guest_path("data-analyzer"));
    fabric.apply_agents(&by_name, |_| {}).await;
    let named = keyed(SUPPORTED, "a");
    let first = fabric.tasks().submit(named.clone()).await.unwrap();
    assert!(fabric.tasks().wait(first).await.unwrap().success);
    assert_eq!(went(&fabric, first).await, (SUPPORTED.into(), None));
    fabric.apply_agents(&BTreeMap::new(), |_| {}).await;
    analyst(&fabric, "one").await;
    assert_eq!(fabric.tasks().submit(keyed(SUPPORTED, "a")).await.unwrap(), first);
    assert_eq!(fabric.tasks().submit(named.task.clone()).await.unwrap(), first);
    assert_eq!(went(&fabric, first).await, (SUPPORTED.into(), None));

    // A type that supports the name, and goes.
    analyst(&fabric, "two").await;
    let sent = keyed(SUPPORTED, "b");
    let first = fabric.tasks().submit(sent.clone()).await.unwrap();
    assert!(fabric.tasks().wait(first).await.unwrap().success);
    let (to, _) = went(&fabric, first).await;
    // By the key with new identities, which alone would go to either.
    for _ in 0..10 {
        assert_eq!(fabric.tasks().submit(keyed(SUPPORTED, "b")).await.unwrap(), first);
    }
    // By the identity, when the type that it went to has gone.
    let gone = fabric.agents().active().into_iter().find(|agent| agent.agent_type == to).unwrap();
    fabric.agents().shutdown(gone.id).await.unwrap();
    let again = Submission::from(sent.task.clone());
    assert_eq!(fabric.tasks().submit(again.clone()).await.unwrap(), first);
    assert!(Box::pin(fabric.tasks().execute(again)).await.unwrap().success);
    // And when none is left at all.
    let last = fabric.agents().active().remove(0);
    fabric.agents().shutdown(last.id).await.unwrap();
    assert_eq!(fabric.tasks().submit(sent.task.clone()).await.unwrap(), first);
    assert_eq!(fabric.tasks().submit(keyed(SUPPORTED, "b")).await.unwrap(), first);
    let new = fabric.tasks().submit(utils::task_for(SUPPORTED, rows())).await.unwrap_err();
    assert_eq!(new.code(), "agent-type-not-found");
    fabric.shutdown().await.unwrap();
}
