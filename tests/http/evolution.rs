//! Evolutions as a host shows them, and the handing over to it.

use std::fs;

use serde_json::Value;

use super::service::{Service, declare};
use crate::cli::Chimera;
use crate::evolution::scoring;

#[test]
fn the_host_shows_evolutions_and_tries_the_best() {
    let chimera = Chimera::new();
    let folder = chimera.data();
    fs::create_dir_all(folder.join("candidates")).unwrap();
    let start = folder.join("start.wasm");
    fs::write(&start, scoring(1.0)).unwrap();
    fs::write(folder.join("candidates/a.wasm"), scoring(2.0)).unwrap();
    fs::write(folder.join("tasks.jsonl"), "{\"payload\": 1}\n{\"payload\": 2}\n").unwrap();
    let service = Service::start(chimera, &declare("scorer", &start, 1));
    assert_eq!(service.get("/v1/evolution"), Value::Array(Vec::new()));
    let unknown = ureq::get(format!("{}/v1/evolution/scorer", service.url()));
    let unknown = unknown.config().http_status_as_error(false).build().call().unwrap();
    assert_eq!(unknown.status(), 404);

    let path = |name: &str| folder.join(name).display().to_string();
    // What the file declares is in charge, and is where it begins.
    let ended = service.chimera.run(&[
        "evolve",
        "scorer",
        "--data-dir",
        &path("data"),
        "--candidates",
        &path("candidates"),
        "--tasks",
        &path("tasks.jsonl"),
        "--objective",
        "/score",
        "--rollout",
        "--json",
    ]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let report: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(report["handed"]["done"], "on-trial", "{report:#}");
    assert_eq!(report["handed"]["rollout"]["candidate"]["genome"], report["best"]);

    let best = report["best"].as_str().unwrap();
    assert_eq!(service.get(&format!("/v1/genomes/{best}"))["source"], "evolution");

    let listed = service.get("/v1/evolution");
    assert_eq!(listed[0]["agent_type"], "scorer");
    assert_eq!((&listed[0]["best"], &listed[0]["done"]), (&report["best"], &true.into()));
    assert_eq!((&listed[0]["objective"], &listed[0]["candidates"]), (&2.0.into(), &1.into()));
    let shown = service.get("/v1/evolution/scorer");
    assert_eq!(shown["recent"][0]["file"], "a.wasm");
    assert_eq!(shown["archive"]["ranked"][0]["genome"], report["best"]);
    assert_eq!(shown["report"]["best"], report["best"]);
    let document = service.get("/openapi.json");
    for route in ["/v1/evolution", "/v1/evolution/{agent_type}"] {
        assert!(document["paths"][route]["get"].is_object(), "{route}");
    }
}
