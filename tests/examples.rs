//! The programs of `examples/`, by their `run`: what each reports is what it prints. Their
//! agents are built as all guests are; `build.rs` writes the types that `include_agents!` has.
//! So no program is linked for them.

#[allow(dead_code, reason = "`cargo run` starts its `main`")]
#[path = "../examples/integration.rs"]
mod integration;
#[allow(dead_code, reason = "`cargo run` starts its `main`")]
#[path = "../examples/quick_start.rs"]
mod quick_start;
#[allow(dead_code, reason = "`cargo run` starts its `main`")]
#[path = "../examples/recovery.rs"]
mod recovery;
#[allow(dead_code, reason = "`cargo run` starts its `main`")]
#[path = "../examples/tuning.rs"]
mod tuning;

use chimera_layer4::{HealthStatus, Layer4Config, Layer4Error, Layer4Fabric, SystemStatus};
use serde_json::json;

use crate::harness::program;

/// A host with these settings, on a port that is free. What it keeps goes with it.
async fn host(config: Layer4Config) -> Layer4Fabric {
    let config = Layer4Config { metrics_port: 0, ..config };
    let builder = Layer4Fabric::builder(config);
    let compile_program = Some(program().to_path_buf());
    builder.settings(|all| all.components.compile_program = compile_program).build().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_quick_start_runs_a_task_on_echo_and_one_on_an_agent_of_its_own() {
    let report = quick_start::run(&host(quick_start::config()).await).await.unwrap();
    assert_eq!(report.echoed.output, json!({ "hello": "world" }), "{:?}", report.echoed);
    assert_eq!(report.counted.output, json!({ "words": 3 }), "{:?}", report.counted);
    for result in [report.echoed, report.counted] {
        assert!(result.success && result.resource_usage.memory_peak_mb > 0.0, "{result:?}");
    }
    assert_eq!((report.health.status, report.health.active_agents), (SystemStatus::Healthy, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_layers_bring_a_better_genome_and_more_memory() {
    let report = integration::run(&host(Layer4Config::default()).await).await.unwrap();
    println!("{}", report.lineage);
    assert_eq!((report.accuracy_before, report.accuracy_after), (0.5, 1.0));
    for part in ["not worse after", "● active"] {
        assert!(report.lineage.contains(part), "{part:?} is not in {}", report.lineage);
    }
    assert_eq!(report.with_8_mib, Err("over-memory"));
    assert_eq!(report.with_64_mib, Ok(1_000_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_and_an_agent_recover_when_a_file_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let report = recovery::run(&host(Layer4Config::default()).await, folder.path()).await.unwrap();
    assert_eq!(report.attempts, 2);
    assert_eq!(report.ill.status, HealthStatus::Unhealthy, "{:?}", report.ill);
    let why = report.ill.message.unwrap();
    assert!(why.contains("the restart failed") && why.contains("/data/words.txt"), "{why}");
    assert_eq!(report.well.status, HealthStatus::Healthy, "{:?}", report.well);
    let found = |word: &str| json!({ "word": word, "is_known": true });
    assert_eq!(report.requeued.output, found("chimera"), "{:?}", report.requeued);
    assert_eq!(report.patient.output, found("layer"), "{:?}", report.patient);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_numbers_of_the_tuning_have_their_effect() {
    let report = tuning::run(&host(tuning::config()).await).await.unwrap();
    let [one_core, quarter, four] = report.measured.as_slice() else { panic!("three") };
    // A share is a limit on time that passes, so these hold on a machine that is busy too.
    for (measured, cores) in [(one_core, 1.0), (quarter, 0.25), (four, 4.0 * 0.25)] {
        let least = measured.cpu_seconds / cores * 0.7;
        let wall = measured.wall.as_secs_f64();
        assert!(measured.cpu_seconds > 0.0 && wall > least, "{}: {wall} s", measured.name);
        assert!(measured.ended_per_second > 0.0, "{}", measured.name);
    }
    assert!(report.later_spawn < report.first_spawn);
    let full = matches!(report.refused, Layer4Error::QueueFull { capacity: 8, .. });
    assert!(full && report.taken >= 8 && report.waiting <= 8, "{}", report.refused);
}
