//! A data folder that an earlier host left: all that is in it is there for this one.
//!
//! `tests/data/README.md` says what was done to make it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use chimera_layer4::fabric::keyvalue::{KeyValueStore, Place};
use chimera_layer4::fabric::stores::keyvalue::SqliteKeyValue;
use serde_json::{Value, json};

use crate::cli::Chimera;
use crate::harness::root;
use crate::http::service::{Service, declare};

const FIRST: &str = "sha256:135dfdba556a05053789911a3f26db940b7c52f8f4e326493ff26fc8d9632840";
const SECOND: &str = "sha256:a2e419492a69a5a1fab9073000583c4b3c1b9771313b6a301f3f2a0586662458";
const THIRD: &str = "sha256:a54b4dfd03faafe2d3bc34f516188c4cce254e104854bb7e1cc4d01225083285";
const TRAPS: &str = "sha256:1f13846e13da1a6f35725b4f8b282b33305bbd2bb334e256d21118c4aafdb796";
const KEEPS: &str = "sha256:a6085eb435b1f3114a258da9373a4b90bcb5249579ed117ede33dd6d83bb172c";

/// Git keeps no modes: folders and files become what the host made them.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    fs::set_permissions(to, fs::Permissions::from_mode(0o700)).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &name);
        } else {
            fs::write(&name, fs::read(entry.path()).unwrap()).unwrap();
            fs::set_permissions(&name, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
}

/// A program whose data folder is a copy of the older one.
fn older() -> (Chimera, PathBuf) {
    let chimera = Chimera::new();
    let data = chimera.data().join("data");
    fs::create_dir(chimera.data()).unwrap();
    copy(&root().join("tests/data/data-folder-0.1.0"), &data);
    (chimera, data)
}

/// What a command prints with `--json`, of the folder itself: no host serves it.
fn asked(chimera: &Chimera, data: &Path, arguments: &[&str]) -> Value {
    let folder = data.to_str().unwrap();
    let ended = chimera.run(&[arguments, &["--data-dir", folder, "--json"]].concat());
    assert_eq!(ended.code, 0, "{arguments:?}\n{}", ended.err);
    serde_json::from_str(&ended.out).unwrap()
}

/// The last part of a task's identity; the others are zeros.
fn id(last: &str) -> String {
    format!("00000000-0000-7000-8000-000000000{last}")
}

#[test]
fn tasks_and_dead_letters_of_an_older_folder_are_there() {
    let (chimera, data) = older();
    let counts = [("succeeded", 11), ("dead", 1), ("delayed", 1), ("waiting", 1), ("cancelled", 1)];
    for (state, count) in counts {
        let page = asked(&chimera, &data, &["task", "list", "--state", state]);
        assert_eq!(page.as_array().unwrap().len(), count, "{state}: {page:#}");
    }
    let second = asked(&chimera, &data, &["task", "show", &id("002")]);
    assert_eq!(second["task"]["payload"], json!({ "n": 2, "text": "süß" }));
    assert_eq!(second["task"]["priority"], "high");
    assert_eq!(
        (&second["result"]["output"], &second["genome"]),
        (&json!({ "version": 1 }), &json!(FIRST))
    );

    let dead = asked(&chimera, &data, &["dead-letters", "show", &id("004")]);
    assert_eq!((&dead["reason"], &dead["attempts"]), (&json!("attempts-exhausted"), &json!(2)));
    assert_eq!(dead["task"]["payload"], json!([1, 2, 3]));
    let attempts = dead["failed_attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 2, "{dead:#}");
    for attempt in attempts {
        assert_eq!(attempt["fault"]["detail"]["fault"], "trap", "{attempt:#}");
        assert_eq!(attempt["genome"], TRAPS);
    }
}

#[test]
fn genomes_and_their_lineage_in_an_older_folder_are_there() {
    let (chimera, data) = older();
    let listed = asked(&chimera, &data, &["genome", "list"]);
    let mut genomes: Vec<&str> =
        listed.as_array().unwrap().iter().map(|one| one["genome"].as_str().unwrap()).collect();
    genomes.sort_unstable();
    assert_eq!(genomes, [FIRST, TRAPS, SECOND, THIRD, KEEPS]);
    let verified = asked(&chimera, &data, &["genome", "verify"]);
    assert_eq!((&verified["genomes"], &verified["findings"]), (&json!(5), &json!([])));

    let third = asked(&chimera, &data, &["genome", "show", THIRD]);
    let text = third.to_string();
    for part in ["grace", SECOND, "pinned"] {
        assert!(text.contains(part), "no {part} in {third:#}");
    }
    let history = asked(&chimera, &data, &["genome", "history", "steady"]);
    let events: Vec<(&str, &str)> = history["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["genome"].as_str().unwrap(), one["event"]["event"].as_str().unwrap()))
        .collect();
    let of = |genome, names: &[&'static str]| -> Vec<(&str, &str)> {
        names.iter().map(|name| (genome, *name)).collect()
    };
    let mut expected = of(FIRST, &["stored", "admitted", "promoted"]);
    expected.extend(of(SECOND, &["stored", "admitted", "promoted"]));
    expected.extend(of(THIRD, &["stored", "admitted", "rollout-started"]));
    assert_eq!(events, expected, "{history:#}");
}

#[tokio::test]
async fn what_agents_kept_by_key_in_an_older_folder_is_there() {
    let (chimera, data) = older();
    let kept = asked(&chimera, &data, &["keyvalue", "list"]);
    assert_eq!(kept, json!([{ "agent_type": "keeper", "bytes": 133 }]));
    let store = SqliteKeyValue::at(data.join("keyvalue.db"));
    let place = Place { space: "keeper", bucket: "default" };
    let found = store.read(place, &["greeting".into()], 1024).await.unwrap();
    assert_eq!(found[0].as_ref().unwrap().value, b"kept since ce82126");
}

#[test]
fn a_host_goes_on_where_an_older_one_ended() {
    let (chimera, data) = older();
    let blob = |genome: &str| data.join("genomes/blobs").join(genome.replacen(':', "/", 1));
    let keeper = declare("keeper", &blob(KEEPS), 1) + "keyvalue = { max_mb = 1 }\n";
    let config = declare("steady", &blob(FIRST), 1) + &declare("shaky", &blob(TRAPS), 1) + &keeper;
    let mut service = Service::start(chimera, &config);

    // The same request under the same key has the result that it had.
    let again = ureq::post(format!("{}/v1/tasks?wait=30s", service.url()))
        .header("content-type", "application/json")
        .header("idempotency-key", "order-17")
        .send(r#"{"target_agent_type":"steady","payload":{"n":2,"text":"süß"},"priority":"high"}"#);
    let again: Value = again.unwrap().body_mut().read_json().unwrap();
    assert_eq!(
        (&again["id"], &again["result"]["output"]),
        (&json!(id("002")), &json!({ "version": 1 }))
    );

    // The genome that was in charge is so again; its trial ended with the host.
    let run = |agent_type: &str| -> Value {
        let body = json!({ "target_agent_type": agent_type, "payload": null }).to_string();
        let request = ureq::post(format!("{}/v1/tasks?wait=30s", service.url()));
        let sent = request.header("content-type", "application/json").send(body);
        sent.unwrap().body_mut().read_json().unwrap()
    };
    assert_eq!(run("steady")["result"]["output"], json!({ "version": 2 }));
    assert_eq!(run("keeper")["result"]["output"], "kept");
    assert_eq!(service.get("/v1/rollouts"), json!([]));
    let second = service.get(&format!("/v1/genomes/{SECOND}"));
    assert_eq!(second["active_for"], json!(["steady"]), "{second:#}");
    assert_eq!(service.get("/v1/keyvalue"), json!([{ "agent_type": "keeper", "bytes": 133 }]));

    // Its evolution, and what is left to do.
    let evolution = service.get("/v1/evolution/steady");
    assert_eq!(evolution["recent"].as_array().unwrap().len(), 2, "{evolution:#}");
    assert_eq!(evolution["archive"]["ranked"][0]["genome"], THIRD);
    for (state, last) in [("waiting", "007"), ("delayed", "005"), ("dead", "004")] {
        let page = service.get(&format!("/v1/tasks?state={state}"));
        assert_eq!(page["tasks"][0]["id"], id(last), "{page:#}");
    }
    assert!(service.told().contains("a rollout was cut short"), "{}", service.told());
    assert_eq!(service.end().0, 0);
}
