//! A program that embeds the host and brings its agent along. Its argument is the program
//! that compiles components.

use chimera_layer4::{AgentComponent, AgentSource, Fabric, Layer4Config, utils};
use serde_json::json;

chimera_layer4::include_agents!();

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let compile_program = std::env::args_os().nth(1).map(Into::into);
    let fabric = Fabric::new(Layer4Config { compile_program, ..Layer4Config::default() })?;
    fabric.start().await?;

    let source = AgentSource::Bytes(Agent::component().into());
    let config = utils::agent_config("counter", utils::default_resource_quota());
    fabric.agents().register_type("counter", source, config)?;
    let task = utils::default_task("counter", json!({ "text": "one two three" }));
    let result = fabric.tasks().execute(task).await?;
    println!("{}: {}", Agent::NAME, result.output);

    fabric.shutdown().await?;
    Ok(())
}
