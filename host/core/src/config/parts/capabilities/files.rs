//! `folders`: folders of the host that agents see.

use std::path::PathBuf;

use super::GrantKey;
use crate::config::reader::Reader;
use crate::config::setting::{AgentKey, Allowed};
use crate::{FolderAccess, FolderGrant, Grants};

pub(super) const GRANT_KEY: GrantKey = GrantKey { key: KEY, flag: "--dir", shown, read };

const KEY: AgentKey = AgentKey {
    key: "folders",
    help: "Folders of the host that the agent sees under paths of their own.",
    allowed: Allowed::Words("an array of tables"),
    default: || "none".into(),
    example: r#"[{ host = "/srv/data", guest = "/data" }]"#,
    keys: &[
        AgentKey {
            key: "host",
            help: "The folder on the host.",
            allowed: Allowed::Words("an absolute path"),
            default: || "it must be there".into(),
            example: r#""/srv/data""#,
            keys: &[],
        },
        AgentKey {
            key: "guest",
            help: "The path that the agent sees.",
            allowed: Allowed::Words("an absolute path without `..`"),
            default: || "it must be there".into(),
            example: r#""/data""#,
            keys: &[],
        },
        AgentKey {
            key: "access",
            help: "What the agent may do in the folder.",
            allowed: Allowed::Words("`read-only` or `read-write`"),
            default: || format!("`{}`", FolderAccess::default()),
            example: r#""read-write""#,
            keys: &[],
        },
    ],
};

fn shown(grants: &Grants) -> Vec<String> {
    let folder = |FolderGrant { host, guest, access }: &FolderGrant| {
        format!("{} as {guest} ({access})", host.display())
    };
    grants.folders.iter().map(folder).collect()
}

fn read(reader: &mut Reader, grants: &mut Grants) {
    let tables = reader.take_tables("folders").unwrap_or_default();
    let each = tables.into_iter().enumerate();
    let read = each.filter_map(|(index, table)| {
        Some((index, reader.inside(&format!("folders[{index}]."), table, folder)?))
    });
    let (places, folders): (Vec<usize>, Vec<FolderGrant>) = read.unzip();
    for (index, message) in FolderGrant::given_twice(&folders) {
        let place = places.get(index).unwrap_or(&index);
        reader.complain(&format!("folders[{place}].guest:"), message);
    }
    grants.folders = folders;
}

fn folder(reader: &mut Reader) -> Option<FolderGrant> {
    let host: Option<PathBuf> = reader.required("host");
    let guest: Option<String> = reader.required("guest");
    let access = reader.take("access").unwrap_or_default();
    reader.complain_of_the_rest(KEY.keys, &[]);
    // A relative path could start at the file's folder or at the host's working
    // directory. So the grant has to give an absolute path.
    if let Some(host) = host.as_ref().filter(|host| !host.is_absolute()) {
        let message = format!("is {host:?}; allowed is an absolute path, as /srv/data");
        reader.complain("host", message);
    }
    if let Some(guest) = guest.as_ref().filter(|guest| !is_plain(guest)) {
        let message = format!("is {guest:?}; allowed is a plain absolute path, as /data");
        reader.complain("guest", message);
    }
    Some(FolderGrant { host: host?, guest: guest?, access })
}

fn is_plain(guest: &str) -> bool {
    guest.starts_with('/') && guest.split('/').all(|part| part != "..")
}
