//! A program that embeds the library, as its user would write it. It runs one task and
//! prints the output:
//!
//! - `embedder given FOLDER COMPONENT TASK [in-process]`: with a data folder and a component
//!   that are given. With the last word it leaves out the line by which it would compile
//!   components in a child of itself.
//! - `embedder read TASK`: with what variables and `chimera.toml` say.
//! - `embedder debug TASK`: with `debug_mode`, a port of which it asks for its health, and no
//!   subscriber of its own. `embedder own-log TASK` has one.

use chimera_layer4::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

type Done = Result<String, Box<dyn std::error::Error>>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().collect();
    if words.last().is_none_or(|word| word != "in-process") {
        compile_if_asked();
    }
    if words.get(1).is_none_or(|word| word != "debug") {
        tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Runtime::new()?;
    let done = match words.as_slice() {
        [_, "given", folder, component, task, ..] => {
            runtime.block_on(given(folder, component, task))?
        }
        [_, "read", task] => runtime.block_on(read(task))?,
        [_, "debug" | "own-log", task] => runtime.block_on(debug(task))?,
        _ => return Err("the words are not those in the head of its file".into()),
    };
    #[expect(clippy::print_stdout, reason = "it is what the program is for")]
    {
        println!("{done}");
    }
    Ok(())
}

async fn given(folder: &str, component: &str, task: &str) -> Done {
    let builder = Layer4Fabric::builder(Layer4Config::default());
    let layer4 = builder.data_dir(folder).without_port().build().await?;
    let agent = utils::agent_config("echo", utils::default_resource_quota());
    if let Err(error) = layer4.spawn_agent(std::fs::read(component)?, agent).await {
        return Ok(error.to_string());
    }
    run(&layer4, task).await
}

async fn read(task: &str) -> Done {
    let config = Layer4Config { metrics_port: 0, max_agents: 7, ..Layer4Config::default() };
    let layer4 = Layer4Fabric::new(config).await?;
    let output = run(&layer4, task).await?;
    let (config, folder) = (layer4.fabric().config(), layer4.fabric().data_dir());
    Ok(format!("{output} {} {} {folder:?}", config.max_agents, config.task_queue_capacity))
}

async fn debug(task: &str) -> Done {
    let config = Layer4Config { metrics_port: 0, debug_mode: true, ..Layer4Config::default() };
    let layer4 = Layer4Fabric::builder(config).build().await?;
    layer4.start().await?;
    let address = layer4.metrics_address().ok_or("there is no port")?;
    let mut health = tokio::net::TcpStream::connect(address).await?;
    health
        .write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .await?;
    let mut answer = Vec::new();
    health.read_to_end(&mut answer).await?;
    if !answer.starts_with(b"HTTP/1.1 200") {
        return Err(String::from_utf8_lossy(&answer).into());
    }
    run(&layer4, task).await
}

async fn run(layer4: &Layer4Fabric, task: &str) -> Done {
    let payload: serde_json::Value = serde_json::from_str(task)?;
    let result = layer4.execute_task(utils::task_for("echo", payload)).await?;
    layer4.shutdown().await?;
    Ok(result.output.to_string())
}
