//! The start of a `Layer4Fabric`: one for all that ask for it, to its end.

use std::borrow::Cow;
use std::future::ready;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use chimera_layer4::fabric::ResourceQuota;
use chimera_layer4::{
    AgentComponent, HealthStatus, Layer4Config, Layer4Fabric, Layer4FabricBuilder, utils,
};
use serde_json::json;

use crate::folders::data_folder;
use crate::harness::{guest, guest_path, settings_with};
use crate::http::declared;

/// As the tests' fabrics are, without a port, and with a folder of agents of its own.
fn builder(agents: &Path) -> Layer4FabricBuilder {
    let builder = Layer4Fabric::builder(Layer4Config::default()).without_port();
    let own = settings_with(|all| all.agents_dir = Some(agents.to_path_buf()));
    builder.settings(|all| *all = own)
}

#[tokio::test(flavor = "multi_thread")]
async fn first_tasks_at_once_wait_for_one_start() {
    let folder = data_folder();
    let slow = declared("declared", guest_path("echo"));
    let layer4 = builder(folder.path()).agents(slow).build().await.unwrap();
    let tasks = [utils::default_task(), utils::default_task(), {
        utils::task_for("declared", json!({ "text": "hello" }))
    }];
    let [one, two, three] = tasks.map(|task| Box::pin(layer4.execute_task(task)));
    let (one, two, three) = tokio::join!(one, two, three);
    for result in [one, two, three] {
        let result = result.unwrap();
        assert!(result.success && result.output == json!({ "text": "hello" }), "{result:?}");
    }
    layer4.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_failed_is_tried_again() {
    let folder = data_folder();
    let later = folder.path().join("later");
    let layer4 = builder(&later).build().await.unwrap();
    for _ in 0..2 {
        let error = layer4.start().await.unwrap_err();
        assert!(error.to_string().contains("agents_dir"), "{error}");
        let error = layer4.execute_task(utils::default_task()).await.unwrap_err();
        assert_eq!(error.code(), "configuration");
    }
    std::fs::DirBuilder::new().mode(0o700).create(&later).unwrap();
    assert!(layer4.execute_task(utils::default_task()).await.unwrap().success);
    layer4.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_goes_on_where_its_caller_has_gone() {
    let folder = data_folder();
    let agents = declared("declared", guest_path("echo"));
    let layer4 = builder(folder.path()).agents(agents).build().await.unwrap();
    tokio::select! {
        biased;
        _ = layer4.start() => panic!("a start takes longer than one look at it"),
        () = ready(()) => {}
    }
    layer4.start().await.unwrap();
    let agents = layer4.get_active_agents().await.unwrap();
    assert_eq!(agents.len(), 1);
    assert_eq!(agents[0].health.status, HealthStatus::Healthy);
    layer4.shutdown().await.unwrap();
}

/// An agent as a build script would make it.
struct Registered;

impl AgentComponent for Registered {
    const NAME: &'static str = "echo";

    fn component() -> Cow<'static, [u8]> {
        guest("echo").into()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registered_type_has_the_fabrics_own_quota_and_a_name_that_may_be_one() {
    let folder = data_folder();
    // Less than an instance takes.
    let quota = ResourceQuota { max_memory_mb: 1, ..ResourceQuota::default() };
    let layer4 = builder(folder.path()).settings(|all| all.default_resource_quota = quota);
    let layer4 = layer4.build().await.unwrap();
    for name in ["", "two\nlines", &"long".repeat(65)] {
        let error = layer4.register_agent_type::<Registered>(name).await.unwrap_err();
        assert_eq!(error.code(), "invalid-request", "{error}");
    }
    layer4.register_agent_type::<Registered>("own").await.unwrap();
    let error = layer4.execute_task(utils::task_for("own", json!(1))).await.unwrap_err();
    assert!(error.to_string().contains("1.0 MiB (the agent's quota)"), "{error}");
    layer4.shutdown().await.unwrap();
}
