//! `keyvalue`: room in the host's key-value store.

use super::GrantKey;
use crate::config::reader::Reader;
use crate::config::setting::{AgentKey, Allowed};
use crate::{Grants, KeyValueGrant};

pub(super) const GRANT_KEY: GrantKey = GrantKey { key: KEY, flag: "--keyvalue", shown, read };

const KEY: AgentKey = AgentKey {
    key: "keyvalue",
    help: "Room in the key-value store, which the agents of the type share.",
    allowed: Allowed::Words("a table, which may be empty"),
    default: || "none".into(),
    example: "{ max_mb = 16 }",
    keys: &[AgentKey {
        key: "max_mb",
        help: "Mebibytes of buckets, keys and values.",
        allowed: Allowed::Whole { least: 1, most: KeyValueGrant::MOST_MB as u64 },
        default: || KeyValueGrant::default().max_mb.to_string(),
        example: "16",
        keys: &[],
    }],
};

fn shown(grants: &Grants) -> Vec<String> {
    grants.keyvalue.iter().map(|KeyValueGrant { max_mb }| format!("max_mb {max_mb}")).collect()
}

fn read(reader: &mut Reader, grants: &mut Grants) {
    let Some(table) = reader.take_table("keyvalue") else { return };
    grants.keyvalue = reader.inside("keyvalue.", table, |keyvalue| {
        let max_mb = keyvalue.take("max_mb").unwrap_or(KeyValueGrant::default().max_mb);
        keyvalue.complain_of_the_rest(KEY.keys, &[]);
        let grant = KeyValueGrant { max_mb };
        if let Err(wrong) = grant.check() {
            keyvalue.complain("max_mb", format!("is {wrong}"));
        }
        Some(grant)
    });
}
