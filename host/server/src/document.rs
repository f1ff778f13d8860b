//! The OpenAPI document, in the shape that client generators understand.
//!
//! utoipa describes what serde writes: a tagged enum as a `oneOf` of unnamed
//! objects, a flattened one as an `allOf` around such a union. Both are valid.
//! Generators, however, name a class after a schema and merge nothing but
//! objects, so they skip the operations that use them. Here each member of a
//! union becomes a schema with a name, and an `allOf` becomes the objects that
//! it stands for. The JSON that is described stays the same.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use chimera_layer4_core::FabricResult;
use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::server::{Server, ServerBuilder, ServerVariableBuilder};

type Object = Map<String, Value>;

/// The security scheme's name.
const TOKEN: &str = "token";
const SCHEMAS: &str = "#/components/schemas/";
/// The keywords under which a schema lists what it may be.
const UNIONS: [&str; 2] = ["oneOf", "anyOf"];

/// The document of a host that listens on this address, as bytes of JSON.
pub(super) fn write(
    mut document: OpenApi,
    address: SocketAddr,
    wants_token: bool,
) -> FabricResult<Vec<u8>> {
    document.servers = Some(servers(address));
    let token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("The setting `api_token` of the host"))
        .build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme(TOKEN, SecurityScheme::Http(token));
    let shown = SecurityRequirement::new(TOKEN, [""; 0]);
    document.security = Some(if wants_token { vec![shown] } else { Vec::new() });
    let mut document = serde_json::to_value(document)?;
    if let Some(Value::Object(schemas)) = document.pointer_mut("/components/schemas") {
        *schemas = named(schemas);
    }
    Ok(serde_json::to_vec(&document)?)
}

/// Relative first: it holds behind a proxy too. The other one is for a document
/// that was saved to a file.
fn servers(address: SocketAddr) -> Vec<Server> {
    let host = if address.ip().is_unspecified() {
        "localhost".to_owned()
    } else if address.is_ipv6() {
        format!("[{}]", address.ip())
    } else {
        address.ip().to_string()
    };
    let variable = |value: String| ServerVariableBuilder::new().default_value(value);
    let here =
        ServerBuilder::new().url("/").description(Some("The host that this document comes from"));
    let named = ServerBuilder::new()
        .url("http://{host}:{port}")
        .description(Some("A host by its settings `bind_address` and `metrics_port`"))
        .parameter("host", variable(host))
        .parameter("port", variable(address.port().to_string()));
    vec![here.build(), named.build()]
}

/// The schemas, with a name for each object that a union has as a member.
fn named(plain: &Object) -> Object {
    let mut all = Object::new();
    for (name, schema) in plain {
        let described = schema.get("description").cloned();
        let schema = match members(schema, plain) {
            None => schema.clone(),
            Some(mut members) if members.len() == 1 => members.pop().unwrap_or_default(),
            Some(members) => union(name, members, &mut all),
        };
        let mut schema = schema;
        if let (Some(description), Some(object)) = (described, schema.as_object_mut()) {
            object.insert("description".to_owned(), description);
        }
        all.insert(name.clone(), schema);
    }
    all
}

/// What a schema that is put together stands for, one by one; `None` of a plain one.
fn members(schema: &Value, plain: &Object) -> Option<Vec<Value>> {
    if schema.get("allOf").is_some() {
        return Some(alternatives(schema, plain));
    }
    let members = UNIONS.iter().find_map(|kind| schema.get(kind)?.as_array())?;
    let whole = |member: &Value| match member.get("allOf") {
        Some(_) => alternatives(member, plain),
        None => vec![member.clone()],
    };
    Some(members.iter().flat_map(whole).collect())
}

/// The objects that a schema stands for, references followed.
fn alternatives(schema: &Value, plain: &Object) -> Vec<Value> {
    if let Some(target) = target(schema).and_then(|name| plain.get(name)) {
        return alternatives(target, plain);
    }
    if let Some(members) = UNIONS.iter().find_map(|kind| schema.get(kind)?.as_array()) {
        return members.iter().flat_map(|member| alternatives(member, plain)).collect();
    }
    let Some(parts) = schema.get("allOf").and_then(Value::as_array) else {
        return vec![schema.clone()];
    };
    let mut wholes = vec![json!({ "type": "object" })];
    for part in parts {
        let part = alternatives(part, plain);
        wholes = wholes
            .iter()
            .flat_map(|whole| part.iter().map(move |part| merged(whole, part)))
            .collect();
    }
    wholes
}

fn target(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix(SCHEMAS)
}

/// One object with the properties of both.
fn merged(one: &Value, other: &Value) -> Value {
    let properties = |schema: &Value| schema.get("properties")?.as_object().cloned();
    let both = properties(one).into_iter().chain(properties(other)).flatten();
    let both: Object = both.collect();
    let required = |schema: &Value| schema.get("required")?.as_array().cloned();
    let needed = required(one).into_iter().chain(required(other)).flatten();
    // Names of properties; one that is in both is named once.
    let needed: BTreeSet<String> =
        needed.filter_map(|name| name.as_str().map(str::to_owned)).collect();
    let description = other.get("description").or(one.get("description"));
    let mut whole = json!({ "type": "object", "properties": both, "required": needed });
    if let (Some(description), Some(whole)) = (description, whole.as_object_mut()) {
        whole.insert("description".to_owned(), description.clone());
    }
    whole
}

/// A union of these, each of which that is an object goes to `all` by a name of its own.
fn union(name: &str, mut members: Vec<Value>, all: &mut Object) -> Value {
    let tag = tag(&members);
    for member in &mut members {
        constant(member);
    }
    let mut mapping = Object::new();
    let mut refer = |member: Value| {
        let Some(own) = own_name(&member, tag.as_deref()) else { return member };
        let own = format!("{name}{own}");
        let place = format!("{SCHEMAS}{own}");
        if let Some(value) = tag.as_deref().and_then(|tag| word(&member, tag)) {
            mapping.insert(value.to_owned(), json!(place));
        }
        all.insert(own, member);
        json!({ "$ref": place })
    };
    let count = members.len();
    let members: Vec<Value> = members.drain(..).map(&mut refer).collect();
    match tag {
        // A value that several have does not say which one is meant.
        Some(tag) if mapping.len() == count => json!({
            "oneOf": members, "discriminator": { "propertyName": tag, "mapping": mapping },
        }),
        _ => json!({ "oneOf": members }),
    }
}

/// The property that each has, with one value only.
fn tag(members: &[Value]) -> Option<String> {
    let properties = members.first()?.get("properties")?.as_object()?;
    let is_tag = |name: &&String| members.iter().all(|member| word(member, name).is_some());
    properties.keys().find(is_tag).cloned()
}

/// The only value that a property may have.
fn word<'a>(member: &'a Value, property: &str) -> Option<&'a str> {
    let property = member.get("properties")?.get(property)?;
    if let Some(value) = property.get("const") {
        return value.as_str();
    }
    match property.get("enum")?.as_array()?.as_slice() {
        [value] => value.as_str(),
        _ => None,
    }
}

/// Says of a property with one value that it has this one, rather than one of a list.
fn constant(member: &mut Value) {
    let properties = member.get_mut("properties").and_then(Value::as_object_mut);
    for property in properties.into_iter().flat_map(Object::values_mut) {
        let Some(property) = property.as_object_mut() else { continue };
        if let Some([value]) = property.get("enum").and_then(Value::as_array).map(Vec::as_slice) {
            let value = value.clone();
            property.remove("enum");
            property.insert("const".to_owned(), value);
        }
    }
}

/// What tells an object from the other members: the values of its tags, the
/// shared one first, or else the name of its only property.
fn own_name(member: &Value, tag: Option<&str>) -> Option<String> {
    let properties = member.get("properties")?.as_object()?;
    let others = properties.keys().map(String::as_str).filter(|name| Some(*name) != tag);
    let parts = tag.into_iter().chain(others).filter_map(|name| word(member, name));
    let name: String = parts.map(pascal).collect();
    match properties.keys().next() {
        Some(only) if name.is_empty() && properties.len() == 1 => Some(pascal(only)),
        _ => Some(name).filter(|name| !name.is_empty()),
    }
}

fn pascal(word: &str) -> String {
    let parts = word.split(|c: char| !c.is_alphanumeric());
    let upper = parts.map(|part| {
        let mut letters = part.chars();
        letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect::<String>()
    });
    upper.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(properties: Value) -> Value {
        let required: Vec<&String> = properties.as_object().unwrap().keys().collect();
        json!({ "type": "object", "required": required, "properties": properties })
    }

    fn schemas(plain: Value) -> Object {
        named(plain.as_object().unwrap())
    }

    #[test]
    fn members_of_a_tagged_union_get_names_and_a_discriminator() {
        let member =
            |value: &str| object(json!({ "state": { "type": "string", "enum": [value] } }));
        let union =
            json!({ "description": "Words.", "oneOf": [member("by-hand"), member("over")] });
        let all = schemas(json!({ "State": union }));
        assert_eq!(all["State"]["description"], "Words.");
        let place = "#/components/schemas/StateByHand";
        assert_eq!(all["State"]["oneOf"][0], json!({ "$ref": place }));
        assert_eq!(all["State"]["discriminator"]["mapping"]["by-hand"], place);
        assert_eq!(all["StateOver"]["properties"]["state"]["const"], "over");
    }

    #[test]
    fn a_flattened_union_becomes_whole_objects() {
        let how = |value: &str| object(json!({ "how": { "enum": [value] } }));
        let promoted = json!({ "allOf": [
            { "$ref": "#/components/schemas/How" },
            object(json!({ "state": { "enum": ["promoted"] } })),
        ]});
        let running = object(json!({ "state": { "enum": ["running"] }, "step": {} }));
        let all = schemas(json!({
            "How": { "oneOf": [how("passed"), how("unsure")] },
            "State": { "oneOf": [running, promoted] },
            "View": { "allOf": [{ "$ref": "#/components/schemas/State" }, object(json!({ "share": {} }))] },
        }));
        for name in ["ViewRunning", "ViewPromotedPassed", "ViewPromotedUnsure"] {
            assert!(all[name]["properties"].get("share").is_some(), "{name}: {all:?}");
            assert!(all[name].get("allOf").is_none());
        }
        assert_eq!(all["View"]["oneOf"].as_array().unwrap().len(), 3);
        assert_eq!(all["View"].get("discriminator"), None, "two of them are promoted");
        assert_eq!(all["ViewRunning"]["required"], json!(["share", "state", "step"]));
    }

    #[test]
    fn a_flattened_object_is_one_object_and_an_optional_reference_stays() {
        let optional =
            json!({ "oneOf": [{ "type": "null" }, { "$ref": "#/components/schemas/A" }] });
        let all = schemas(json!({
            "A": object(json!({ "a": optional })),
            "B": { "allOf": [{ "$ref": "#/components/schemas/A" }, object(json!({ "b": {} }))] },
        }));
        assert_eq!(all["B"]["required"], json!(["a", "b"]));
        assert_eq!(all["A"]["properties"]["a"], optional);
    }
}
