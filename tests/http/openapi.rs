//! The document of the API, as the generators of clients need it.

use std::collections::HashSet;
use std::fs;
use std::process::Command;

use chimera_layer4::fabric::config::Secret;
use serde_json::{Value, json};

use super::Api;
use super::service::{Service, declare};
use crate::cli::Chimera;
use crate::genomes::variants::Variant;
use crate::harness::{root, settings_with};

/// Calls `look` with every object of the document.
fn each(value: &Value, look: &mut impl FnMut(&serde_json::Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            look(object);
            object.values().for_each(|value| each(value, look));
        }
        Value::Array(items) => items.iter().for_each(|item| each(item, look)),
        _ => {}
    }
}

/// Whether a generator has a name for it, or needs none.
fn is_named(member: &Value) -> bool {
    member.get("$ref").is_some()
        || member.get("type").is_some_and(|kind| kind != "object")
        || member.get("additionalProperties").is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_names_every_operation_and_every_member_of_a_union() {
    let api = Api::new(&[]).await;
    let document = api.get("/openapi.json").await.json();
    let (mut operations, mut references) = (Vec::new(), HashSet::new());
    each(&document, &mut |object| {
        operations.extend(object.get("operationId").cloned());
        if let Some(Value::String(place)) = object.get("$ref") {
            references.insert(place.clone());
        }
        assert!(!object.contains_key("allOf"), "{object:?}");
        let words = object.get("description").and_then(Value::as_str).unwrap_or_default();
        assert!(!words.contains("[`"), "a link of rustdoc: {words}");
        let members = object.get("oneOf").and_then(Value::as_array).into_iter().flatten();
        members.for_each(|member| assert!(is_named(member), "{member}"));
    });
    let unlike: HashSet<&Value> = operations.iter().collect();
    assert!(unlike.len() == operations.len() && operations.len() > 40, "{operations:?}");
    for place in references {
        assert!(document.pointer(&place[1..]).is_some(), "{place}");
    }
    let schemas = &document["components"]["schemas"];
    assert_eq!(schemas["FaultGuest"]["properties"]["kind"]["const"], "guest");
    assert!(schemas["TaskRecord"]["properties"]["failed_attempts"]["items"]["$ref"].is_string());
    // Two types of this name would be one schema.
    let of = |name: &str| schemas[name]["enum"].clone();
    assert!(of("Stage").to_string().contains("contract"), "{}", of("Stage"));
    assert!(of("EvolutionStage").to_string().contains("generator"), "{}", of("EvolutionStage"));
    api.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_says_where_the_host_is_and_what_it_wants_to_see() {
    let open = Api::new(&[]).await;
    let document = open.get("/openapi.json").await.json();
    let [here, anywhere] = document["servers"].as_array().unwrap().as_slice() else { panic!() };
    assert_eq!(here["url"], "/");
    let port = open.address.port().to_string();
    assert_eq!(anywhere["variables"]["port"]["default"], port);
    assert_eq!(anywhere["variables"]["host"]["default"], "127.0.0.1");
    assert_eq!(document["security"], json!([]));
    open.end().await.unwrap();

    let token = "0123456789abcdef0123456789abcdef";
    let config = settings_with(|c| c.http.api_token = Some(Secret::new(token.to_owned())));
    let closed = Api::with(config, &[]).await;
    let document = closed.get("/openapi.json").await.json();
    assert_eq!(document["security"], json!([{ "token": [] }]));
    assert_eq!(document["components"]["securitySchemes"]["token"]["scheme"], "bearer");
    // Probes have no credentials.
    assert_eq!(document["paths"]["/livez"]["get"]["security"], json!([{}]));
    closed.end().await.unwrap();
}

/// Needs python3 with venv, npm, and the way to PyPI and npm's registry.
#[test]
#[ignore = "installs generators from PyPI and npm; .ci/run calls it"]
fn clients_that_generators_make_do_their_work() {
    let chimera = Chimera::new();
    let folder = chimera.data();
    fs::create_dir_all(&folder).unwrap();
    let files = [1, 2].map(|version| {
        let path = folder.join(format!("v{version}.wasm"));
        fs::write(&path, Variant::version(version).bytes()).unwrap();
        path
    });
    let token = "0123456789abcdef0123456789abcdef";
    let config = format!("api_token = {token:?}\n{}", declare("variant", &files[0], 2));
    let service = Service::start(chimera, &config);
    let status = Command::new(root().join("tests/http/clients.sh"))
        .args([service.url(), token])
        .arg(&files[1])
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
}
