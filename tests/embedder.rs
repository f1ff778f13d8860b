//! A program that embeds the library: `embedder FOLDER COMPONENT TASK [in-process]` runs one
//! task in a data folder and prints the output. With the last word it leaves out the line by
//! which it would compile components in a child of itself.

use std::path::PathBuf;

use chimera_layer4::{Layer4Config, Layer4Fabric, compile_if_asked, utils};

fn main() {
    let words: Vec<String> = std::env::args().collect();
    if words.get(4).is_none() {
        compile_if_asked();
    }
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    println!("{}", runtime.block_on(run(&words[1], &words[2], &words[3])));
}

async fn run(folder: &str, component: &str, task: &str) -> String {
    let config = Layer4Config { data_dir: Some(PathBuf::from(folder)), ..Default::default() };
    let layer4 = Layer4Fabric::builder(config).without_port().build().unwrap();
    layer4.start().await.unwrap();
    let agent = utils::agent_config("echo", utils::default_resource_quota());
    if let Err(error) = layer4.spawn_agent(&std::fs::read(component).unwrap(), agent).await {
        return error.to_string();
    }
    let payload: serde_json::Value = serde_json::from_str(task).unwrap();
    let result = layer4.execute_task(utils::default_task("echo", payload)).await.unwrap();
    layer4.shutdown().await.unwrap();
    result.output.to_string()
}
