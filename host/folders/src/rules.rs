//! Who could change what, by owner and mode.
//!
//! An access control list needs no rule of its own: the group's bits of the mode
//! are then the most that any of its entries allows.

use std::path::Path;

use rustix::fs::Stat;
use rustix::process::geteuid;

use super::{Access, Accounts, FolderError};

const ROOT: u32 = 0;
/// In a folder with this bit only the owner of an entry and of the folder may
/// rename or remove the entry.
const STICKY: u32 = 0o1000;
const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;

/// Whether a folder on the way is safe: only root and this user can
/// replace `below`. `None`: `below` is yet to be made.
pub(super) fn check_above(
    above: &Stat,
    path: &Path,
    next: Option<&Stat>,
    below: &Path,
    access: Access,
) -> Result<(), FolderError> {
    let (us, setting) = (geteuid().as_raw(), access.setting());
    let (path, below) = (path.display(), below.display());
    if ![ROOT, us].contains(&above.st_uid) {
        let accounts = Accounts::read();
        let (owner, us) = (accounts.user(above.st_uid), accounts.user(us));
        return Err(FolderError::Unsafe(format!(
            "{path} belongs to {owner}, who could take {below} away and put another in its place, \
             and the host would run the code in it as {us}; set `{setting}` to a folder below those \
             of root and of {us} alone"
        )));
    }
    let Some(writers) = writers(above, us) else { return Ok(()) };
    if above.st_mode & STICKY == 0 {
        let us = Accounts::read().user(us);
        return Err(FolderError::Unsafe(format!(
            "{path} can be written to by {writers} (mode {:o}), who could take {below} away and put \
             another in its place, and the host would run the code in it as {us}; `chmod go-w` \
             {path} after a look at what is there, or set `{setting}` to another folder",
            above.st_mode & 0o7777
        )));
    }
    match next {
        Some(next) if ![ROOT, us].contains(&next.st_uid) => {
            let accounts = Accounts::read();
            let (owner, us) = (accounts.user(next.st_uid), accounts.user(us));
            Err(FolderError::Unsafe(format!(
                "{below} belongs to {owner}: {path} can be written to by {writers}, and {owner} \
                 could put anything in its place, which the host would run as {us}; set \
                 `{setting}` to a folder that belongs to {us}"
            )))
        }
        _ => Ok(()),
    }
}

/// Whether the folder itself is what `access` asks for.
pub(super) fn check_itself(found: &Stat, path: &Path, access: Access) -> Result<(), FolderError> {
    let us = geteuid().as_raw();
    let path = path.display();
    let setting = access.setting();
    let is_allowed = match access {
        Access::Private | Access::Readable => false,
        Access::Supplied => found.st_uid == ROOT,
        Access::Visited => us == ROOT,
    };
    if found.st_uid != us && !is_allowed {
        let accounts = Accounts::read();
        let (owner, us) = (accounts.user(found.st_uid), accounts.user(us));
        return Err(FolderError::Unsafe(format!(
            "{path} belongs to {owner}, and this is {us}: {owner} could change what is in it, and \
             the host would run the code in it as {us}; set `{setting}` to a folder of your own, or \
             run the command as {owner}"
        )));
    }
    let mode = found.st_mode & 0o777;
    if mode & (GROUP_WRITES | OTHERS_WRITE) != 0 {
        let us = Accounts::read().user(us);
        let remedy = match access {
            Access::Supplied => "`chmod go-w`",
            Access::Readable => {
                "remove the folder `compiled`, which is made anew, and `chmod go-w`"
            }
            Access::Private | Access::Visited => {
                "remove the folder `compiled`, which is made anew, and `chmod 700`"
            }
        };
        return Err(FolderError::Unsafe(format!(
            "{path} has mode {mode:o}: others can write to it, and may have put code there, which \
             the host would run as {us}; look at what is there, and {remedy} {path}"
        )));
    }
    let may_be_read = matches!(access, Access::Readable | Access::Supplied);
    if !may_be_read && mode & 0o077 != 0 {
        return Err(FolderError::Unsafe(format!(
            "{path} has mode {mode:o}: others can enter it and read tasks and results; \
             `chmod 700` {path}"
        )));
    }
    Ok(())
}

/// Whether what lies in a folder belongs to the folder's owner or to root. Its
/// mode does not matter here: no other user can enter the folder, and [`check_writers`]
/// asks more of code. Its owner does, since it may have been put there while others
/// could.
pub(super) fn check_inside(found: &Stat, path: &Path, owner: u32) -> Result<(), FolderError> {
    if [ROOT, owner].contains(&found.st_uid) {
        return Ok(());
    }
    let accounts = Accounts::read();
    let (path, other, owner) = (path.display(), accounts.user(found.st_uid), accounts.user(owner));
    Err(FolderError::Unsafe(format!(
        "{path} belongs to {other}, who may have put it there and can change it, and the folder \
         belongs to {owner}; remove it, or `chown` it after a look at what it is"
    )))
}

/// Whether what lies in a folder with code can be written to by its owner and root
/// alone. No other user can enter the folder now; another user may have before, and
/// may still have it open.
pub(super) fn check_writers(found: &Stat, path: &Path) -> Result<(), FolderError> {
    let us = geteuid().as_raw();
    let Some(writers) = writers(found, us) else { return Ok(()) };
    let us = Accounts::read().user(us);
    let (path, mode) = (path.display(), found.st_mode & 0o777);
    Err(FolderError::Unsafe(format!(
        "{path} has mode {mode:o}: {writers} can write to it, and may have put code there, which \
         the host would run as {us}; remove it, and start the host with a umask of 022 or stricter, \
         which makes it anew"
    )))
}

/// Whether a file that a user put there can be written to by its owner and root alone. What
/// follows from what is in it: `consequence`, in words.
pub(super) fn check_writers_of_file(
    found: &Stat,
    path: &Path,
    consequence: &str,
) -> Result<(), FolderError> {
    let us = geteuid().as_raw();
    let Some(writers) = writers(found, us) else { return Ok(()) };
    let (path, mode) = (path.display(), found.st_mode & 0o777);
    Err(FolderError::Unsafe(format!(
        "{path} has mode {mode:o}: {writers} can write to it, and {consequence}; `chmod go-w` {path} \
         after a look at what is in it"
    )))
}

/// Who can write to a folder besides root and `us`, in words.
fn writers(folder: &Stat, us: u32) -> Option<String> {
    if folder.st_mode & OTHERS_WRITE != 0 {
        return Some("every user".into());
    }
    if folder.st_mode & GROUP_WRITES == 0 {
        return None;
    }
    let accounts = Accounts::read();
    // Many systems give each user a group, and let that group write.
    let harmless = accounts.is_private_to(folder.st_gid, &[ROOT, us]);
    (!harmless).then(|| format!("the group {}", accounts.group(folder.st_gid)))
}

/// The name of a file system that is reached over a network, or may be.
pub(super) fn network_file_system(magic: u64) -> Option<&'static str> {
    Some(match magic {
        0x6969 => "NFS",
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => "SMB",
        0x0102_1997 => "9p",
        0x00c3_6400 => "Ceph",
        0x0bd0_0bd0 => "Lustre",
        0x0116_1970 => "GFS2",
        0x7461_636f => "OCFS2",
        0x5346_414f | 0x6b41_4653 => "AFS",
        0x7375_7245 => "Coda",
        0x564c => "NCP",
        0x6573_5546 => "FUSE",
        _ => return None,
    })
}
