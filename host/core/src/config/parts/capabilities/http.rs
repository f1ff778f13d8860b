//! `http`: origins that agents may send requests to, and the authorities that HTTPS trusts.

use super::GrantKey;
use crate::config::reader::Reader;
use crate::config::setting::{AgentKey, Allowed, Setting, put_some, shown_path};
use crate::{Grants, HttpGrant, telemetry};

pub(super) const SETTINGS: &[Setting] = &[Setting {
    key: "http_ca_file",
    variable: "LAYER4_HTTP_CA_FILE",
    flag: None,
    help: "PEM file of certificate authorities that agents' HTTPS requests trust besides the public ones.",
    allowed: Allowed::Words("a path"),
    default_note: ": only the public ones",
    reloads: false,
    show: |c| shown_path(&c.capabilities.http_ca_file),
    set: |c, text| put_some(&mut c.capabilities.http_ca_file, text),
}];

pub(super) const GRANT_KEY: GrantKey = GrantKey { key: KEY, flag: "--http", shown, read };

const KEY: AgentKey = AgentKey {
    key: "http",
    help: "Origins that the agent may send HTTP requests to.",
    allowed: Allowed::Words(
        "an array of origins, `https://HOST`, `https://*.DOMAIN` or with a port",
    ),
    default: || "none".into(),
    example: r#"["https://api.example.com", "http://127.0.0.1:8080"]"#,
    keys: &[],
};

fn shown(grants: &Grants) -> Vec<String> {
    grants.http.iter().map(ToString::to_string).collect()
}

fn read(reader: &mut Reader, grants: &mut Grants) {
    let typed: Vec<String> = reader.take("http").unwrap_or_default();
    for (index, typed) in typed.iter().enumerate() {
        match typed.parse::<HttpGrant>() {
            Ok(grant) => grants.http.push(grant),
            Err(error) => {
                let message = telemetry::shown(&error.to_string());
                reader.complain(&format!("http[{index}]"), message);
            }
        }
    }
}
