//! A program that embeds the host and brings its agent along.

use chimera_layer4::*;
use serde_json::json;

chimera_layer4::include_agents!();

fn main() -> Layer4Result<()> {
    compile_if_asked();
    run()
}

#[tokio::main]
async fn run() -> Layer4Result<()> {
    let layer4 = Layer4Fabric::builder(Layer4Config::default()).without_port().build().await?;
    layer4.register_agent_type::<Agent>("counter").await?;

    let task = utils::task_for("counter", json!({ "text": "one two three" }));
    let result = layer4.execute_task(task).await?;
    println!("{}: {}", Agent::NAME, result.output);

    layer4.shutdown().await
}
