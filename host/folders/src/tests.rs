//! Folders as an attacker of the same machine would leave them.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::process::geteuid;
use tempfile::TempDir;

use super::{Access, Accounts, FolderError, OwnFolder};

/// A user that no machine has.
const OTHER: u32 = 54_321;

/// A folder to build in, and `a/b` in it.
fn scene() -> (TempDir, PathBuf) {
    let base = tempfile::tempdir().unwrap();
    let inner = base.path().join("a/b");
    fs::create_dir_all(&inner).unwrap();
    (base, inner)
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// `false`: only root can give a folder away, so there is nothing to test.
fn give_away(path: &Path, uid: Option<u32>, gid: Option<u32>) -> bool {
    if !geteuid().is_root() {
        eprintln!("skipped: to give a folder to another user takes root");
        return false;
    }
    chown(path, uid, gid).unwrap();
    true
}

#[track_caller]
fn refused(path: &Path, access: Access, phrases: &[&str]) {
    let error = OwnFolder::make(path, access).unwrap_err();
    assert!(matches!(error, FolderError::Unsafe(_)), "{error}");
    for word in phrases {
        assert!(error.to_string().contains(word), "lacks {word:?}: {error}");
    }
}

#[test]
fn a_folder_is_made_closed_to_others_and_with_those_above_it() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("x/y/../z");
    let made = OwnFolder::make(&path, Access::Private).unwrap();
    assert_eq!(made.path(), base.path().canonicalize().unwrap().join("x/z"));
    for folder in ["x", "x/y", "x/z"] {
        let mode = fs::metadata(base.path().join(folder)).unwrap().mode();
        assert_eq!(mode & 0o777, 0o700, "{folder}");
    }
}

#[test]
fn a_folder_that_is_only_opened_is_not_made() {
    let (_base, inner) = scene();
    let error = OwnFolder::open(&inner.join("none/below"), Access::Private).unwrap_err();
    assert!(matches!(&error, FolderError::Missing(path) if path.ends_with("b/none")), "{error}");
    assert!(!inner.join("none").exists());
}

#[test]
fn a_folder_that_others_may_enter_is_refused_and_one_to_be_read_is_not() {
    let (_base, inner) = scene();
    for mode in [0o755, 0o750, 0o711] {
        chmod(&inner, mode);
        let shown = format!("mode {mode:o}");
        refused(&inner, Access::Private, &[&shown, "others can enter", "`chmod 700`"]);
        OwnFolder::open(&inner, Access::Readable).unwrap();
    }
    for access in [Access::Private, Access::Readable, Access::Visited] {
        chmod(&inner, 0o722);
        refused(&inner, access, &["mode 722", "may have put code there", "`chmod "]);
    }
}

#[test]
fn a_folder_that_is_supplied_may_be_roots_and_its_setting_is_named() {
    let (base, inner) = scene();
    let refused = |phrases: &[&str]| {
        let error = OwnFolder::open(&inner, Access::Supplied).unwrap_err().to_string();
        assert!(phrases.iter().all(|phrase| error.contains(phrase)), "{error}");
        assert!(!error.contains("data_dir") && !error.contains("compiled"), "{error}");
    };
    chmod(&inner, 0o757);
    refused(&["mode 757", "`chmod go-w`"]);
    chmod(&inner, 0o755);
    let folder = OwnFolder::open(&inner, Access::Supplied).unwrap();
    fs::write(inner.join("code"), "code").unwrap();
    chmod(&inner.join("code"), 0o644);
    folder.check_code("code").unwrap();
    chmod(&inner.join("code"), 0o646);
    let error = folder.check_code("code").unwrap_err().to_string();
    assert!(error.contains("every user can write to it, and the host would run"), "{error}");
    symlink("code", inner.join("link")).unwrap();
    let error = folder.check_code("link").unwrap_err().to_string();
    assert!(error.contains("it is a link; put the file itself there"), "{error}");
    chmod(&base.path().join("a"), 0o777);
    refused(&["/a can be written to by every user", "set `agents_dir` to another folder"]);
    chmod(&base.path().join("a"), 0o755);
    // Each folder of a system's own is root's.
    OwnFolder::open(Path::new("/usr"), Access::Supplied).unwrap();
    if give_away(&inner, Some(OTHER), None) {
        refused(&["b belongs to user 54321", "set `agents_dir` to a folder of your own"]);
    }
}

#[test]
fn an_ancestor_that_all_users_can_write_to_is_refused_without_the_sticky_bit() {
    let (base, inner) = scene();
    chmod(&inner, 0o700);
    chmod(&base.path().join("a"), 0o777);
    let phrases =
        ["/a can be written to by every user", "put another in its place", "`chmod go-w`"];
    refused(&inner, Access::Private, &phrases);
    refused(&inner.join("deeper"), Access::Private, &phrases);
    refused(&base.path().join("a/new"), Access::Private, &phrases);
    assert!(!base.path().join("a/new").exists(), "nothing is made there");
    chmod(&base.path().join("a"), 0o1777);
    OwnFolder::open(&inner, Access::Private).unwrap();
    OwnFolder::make(&base.path().join("a/new"), Access::Private).unwrap();
}

#[test]
fn the_sticky_bit_does_not_help_where_the_next_part_is_anothers() {
    let (base, inner) = scene();
    chmod(&base.path().join("a"), 0o1777);
    if give_away(&inner, Some(OTHER), None) {
        let phrases = ["b belongs to user 54321", "could put anything in its place"];
        refused(&inner.join("data"), Access::Private, &phrases);
    }
}

#[test]
fn an_ancestor_of_another_user_is_refused_however_far_up() {
    let (base, inner) = scene();
    if give_away(&base.path().join("a"), Some(OTHER), None) {
        for path in [inner.clone(), inner.join("x/y/z")] {
            let phrases = ["/a belongs to user 54321", "the host would run the code in it as user"];
            refused(&path, Access::Private, &phrases);
        }
    }
}

#[test]
fn a_folder_of_another_user_is_refused_and_root_may_visit_it() {
    let (_base, inner) = scene();
    chmod(&inner, 0o700);
    fs::write(inner.join("address"), "here").unwrap();
    if give_away(&inner, Some(OTHER), None) {
        refused(&inner, Access::Private, &["b belongs to user 54321", "and this is user root (0)"]);
        let visited = OwnFolder::open(&inner, Access::Visited).unwrap();
        chown(inner.join("address"), Some(OTHER), None).unwrap();
        visited.open_file("address").unwrap();
        chown(inner.join("address"), Some(OTHER + 1), None).unwrap();
        visited.open_file("address").unwrap_err();
    }
}

#[test]
fn a_group_may_write_to_an_ancestor_if_no_other_user_is_in_it() {
    let (base, inner) = scene();
    chmod(&inner, 0o700);
    chmod(&base.path().join("a"), 0o775);
    if give_away(&base.path().join("a"), None, Some(OTHER)) {
        refused(&inner, Access::Private, &["can be written to by the group 54321 (mode 775)"]);
    }
    let passwd =
        "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/a:/bin/sh\nbob:x:1001:50::/b:/bin/sh";
    let group = "root:x:0:\nann:x:1000:\nstaff:x:50:ann\nmixed:x:60:ann,root\nghosts:x:70:gone";
    let accounts = Accounts::parse(passwd, group);
    for (gid, harmless) in
        [(0, true), (1000, true), (50, false), (60, false), (70, false), (9, false)]
    {
        assert_eq!(accounts.is_private_to(gid, &[0, 1000]), harmless, "group {gid}");
    }
    assert_eq!(accounts.group(60), "mixed (60: ann, root)");
    assert_eq!(accounts.user(1001), "user bob (1001)");
    assert_eq!(accounts.people_but(1001), ["ann"]);
}

#[test]
fn links_are_resolved_by_the_same_rules() {
    let (base, inner) = scene();
    chmod(&inner, 0o700);
    let link = base.path().join("link");
    symlink("a/../a/b", &link).unwrap();
    let opened = OwnFolder::open(&link, Access::Private).unwrap();
    assert_eq!(opened.path(), inner.canonicalize().unwrap());
    assert_eq!(opened.path(), OwnFolder::make(&inner, Access::Private).unwrap().path());

    let open = base.path().join("open");
    fs::create_dir(&open).unwrap();
    chmod(&open, 0o777);
    fs::create_dir(open.join("b")).unwrap();
    let bad = base.path().join("bad");
    symlink(open.join("b"), &bad).unwrap();
    refused(&bad, Access::Private, &["/open can be written to by every user"]);

    symlink("round", base.path().join("round")).unwrap();
    let error = OwnFolder::open(&base.path().join("round"), Access::Private).unwrap_err();
    assert!(error.to_string().contains("Too many levels"), "{error}");
}

#[test]
fn a_link_that_another_user_put_into_a_sticky_folder_is_refused() {
    let (base, inner) = scene();
    chmod(&inner, 0o700);
    chmod(&base.path().join("a"), 0o1777);
    let link = base.path().join("a/link");
    symlink(&inner, &link).unwrap();
    OwnFolder::open(&link, Access::Private).unwrap();
    if geteuid().is_root() {
        std::os::unix::fs::lchown(&link, Some(OTHER), None).unwrap();
        refused(&link, Access::Private, &["link belongs to user 54321"]);
    }
}

#[test]
fn what_is_inside_is_neither_followed_nor_waited_for() {
    let (_base, inner) = scene();
    chmod(&inner, 0o700);
    let folder = OwnFolder::open(&inner, Access::Private).unwrap();
    symlink("/etc/passwd", inner.join("link")).unwrap();
    mkfifoat(CWD, inner.join("pipe"), Mode::RUSR | Mode::WUSR).unwrap();
    fs::create_dir(inner.join("c")).unwrap();
    for name in ["link", "pipe", "c"] {
        folder.open_file(name).unwrap_err();
        folder.open_or_make(name).unwrap_err();
    }
    folder.make_in("link").unwrap_err();
    symlink("/etc", inner.join("c/etc")).unwrap();
    for path in ["c/etc/passwd", "../b/link", "/etc/passwd", "", "c"] {
        folder.read_below(Path::new(path)).unwrap_err();
    }
    folder.make_in("d").unwrap().write_whole("file", b"whole").unwrap();
    assert_eq!(folder.read_below(Path::new("d/file")).unwrap(), b"whole");
}

#[test]
fn what_another_user_left_inside_is_found() {
    let (_base, inner) = scene();
    chmod(&inner, 0o700);
    let folder = OwnFolder::open(&inner, Access::Private).unwrap();
    fs::create_dir_all(inner.join("c/d")).unwrap();
    let planted = inner.join("c/d/planted");
    fs::write(&planted, "code").unwrap();
    folder.check_below(|_| false).unwrap();
    if give_away(&planted, Some(OTHER), None) {
        let error = folder.check_below(|_| false).unwrap_err().to_string();
        assert!(error.contains("c/d/planted belongs to user 54321"), "{error}");
        folder.read_below(Path::new("c/d/planted")).unwrap_err();
        chown(&planted, Some(0), None).unwrap();
        chown(inner.join("c"), Some(OTHER), None).unwrap();
        folder.read_below(Path::new("c/d/planted")).unwrap_err();
        folder.make_in("c").unwrap_err();
    }
}

#[test]
fn what_others_can_change_inside_is_found() {
    let (_base, inner) = scene();
    chmod(&inner, 0o700);
    let folder = OwnFolder::open(&inner, Access::Private).unwrap();
    fs::create_dir_all(inner.join("c/d")).unwrap();
    let file = inner.join("c/d/code");
    fs::write(&file, "code").unwrap();
    for path in [&file, &inner.join("c/d")] {
        chmod(path, 0o755);
        folder.check_below(|_| false).unwrap();
        chmod(path, 0o757);
        let error = folder.check_below(|_| false).unwrap_err().to_string();
        let shown = format!("{} has mode 757: every user can write to it", path.display());
        assert!(error.contains(&shown), "{error}");
        chmod(path, 0o700);
    }
    chmod(&file, 0o666);
    folder.check_below(|path| path.ends_with("code")).unwrap();
    chmod(&file, 0o600);
    let outside = tempfile::tempdir_in(inner.parent().unwrap()).unwrap();
    fs::hard_link(&file, outside.path().join("other")).unwrap();
    let error = folder.check_below(|_| false).unwrap_err().to_string();
    assert!(error.contains("c/d/code has 2 names (hard links)"), "{error}");
}

#[test]
fn file_systems_of_a_network_are_known_by_their_numbers() {
    use rustix::fs::NFS_SUPER_MAGIC;

    let nfs = u64::try_from(NFS_SUPER_MAGIC).unwrap();
    assert_eq!(super::rules::network_file_system(nfs), Some("NFS"));
    // ext4, tmpfs, btrfs, XFS, overlayfs.
    for local in [0xef53, 0x0102_1994, 0x9123_683e, 0x5846_5342, 0x794c_7630] {
        assert_eq!(super::rules::network_file_system(local), None);
    }
}
