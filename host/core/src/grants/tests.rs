//! What a grant may be, and how it is written.

use serde_json::json;

use super::*;

#[test]
fn nothing_is_granted_unless_it_is_named() {
    let none: Grants = serde_json::from_str("{}").unwrap();
    assert_eq!(none, Grants::default());
    assert!(none.folders.is_empty() && none.http.is_empty() && none.keyvalue.is_none());
    for wrong in [json!({ "folder": [] }), json!({ "keyvalue": { "max_gb": 1 } })] {
        assert!(serde_json::from_value::<Grants>(wrong.clone()).is_err(), "{wrong}");
    }
}

#[test]
fn a_folder_is_read_only_by_default() {
    let folder = json!({ "host": "/srv/a", "guest": "/a" });
    let read: FolderGrant = serde_json::from_value(folder).unwrap();
    assert_eq!(read.access, FolderAccess::ReadOnly);
    for access in [FolderAccess::ReadOnly, FolderAccess::ReadWrite] {
        assert_eq!(serde_json::to_value(access).unwrap(), access.to_string());
    }
}

#[test]
fn room_by_key_is_a_mebibyte_to_64_gibibytes() {
    let of = |max_mb| KeyValueGrant { max_mb };
    for max_mb in [1, 16, 65_536] {
        assert_eq!(of(max_mb).check(), Ok(of(max_mb)));
    }
    for max_mb in [0, 65_537, u32::MAX] {
        let message = format!("{max_mb} MiB; allowed is 1 to 65536");
        assert_eq!(of(max_mb).check(), Err(message));
    }
    assert_eq!(KeyValueGrant::default().max_bytes(), 16 * 1024 * 1024);
    assert_eq!(of(u32::MAX).max_bytes(), u64::from(u32::MAX) * 1024 * 1024);
}
