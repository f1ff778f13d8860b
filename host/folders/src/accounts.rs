//! The users and groups that this machine's own files name.
//!
//! Directories such as LDAP are not asked: a group that only they know may have
//! any members.

use std::fs::File;
use std::io::Read;

/// Of each file; a line has some fifty bytes.
const MOST_BYTES: u64 = 4 << 20;
/// User ids of people begin here, by the convention of `login.defs`.
const FIRST_PERSON: u32 = 1000;
/// And end here.
const LAST_PERSON: u32 = 60_000;

/// Users and groups.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    users: Vec<User>,
    groups: Vec<Group>,
}

#[derive(Clone, Debug)]
struct User {
    name: String,
    uid: u32,
    gid: u32,
    shell: String,
}

#[derive(Clone, Debug)]
struct Group {
    name: String,
    gid: u32,
    members: Vec<String>,
}

impl Accounts {
    /// Those of this machine; none where its files cannot be read.
    #[must_use]
    pub fn read() -> Self {
        Self::parse(&text("/etc/passwd"), &text("/etc/group"))
    }

    /// Lines that are none are left out.
    pub(super) fn parse(passwd: &str, group: &str) -> Self {
        let user = |line: &str| {
            let fields: Vec<&str> = line.split(':').collect();
            let &[name, _, uid, gid, _, _, shell] = &fields[..] else { return None };
            let (uid, gid) = (uid.parse().ok()?, gid.parse().ok()?);
            Some(User { name: name.to_owned(), uid, gid, shell: shell.to_owned() })
        };
        let group_of = |line: &str| {
            let fields: Vec<&str> = line.split(':').collect();
            let &[name, _, gid, members] = &fields[..] else { return None };
            let members = members.split(',').filter(|name| !name.is_empty());
            let members = members.map(str::to_owned).collect();
            Some(Group { name: name.to_owned(), gid: gid.parse().ok()?, members })
        };
        Self {
            users: passwd.lines().filter_map(user).collect(),
            groups: group.lines().filter_map(group_of).collect(),
        }
    }

    /// A user, for a message: name and number.
    #[must_use]
    pub fn user(&self, uid: u32) -> String {
        let known = self.users.iter().find(|user| user.uid == uid);
        known.map_or_else(|| format!("user {uid}"), |user| format!("user {} ({uid})", user.name))
    }

    /// A group, for a message: name, number and the members that are listed.
    #[must_use]
    pub fn group(&self, gid: u32) -> String {
        let Some(group) = self.groups.iter().find(|group| group.gid == gid) else {
            return gid.to_string();
        };
        let members = group.members.join(", ");
        let members = if members.is_empty() { String::new() } else { format!(": {members}") };
        format!("{} ({gid}{members})", group.name)
    }

    /// Whether a group is the private one of one of these users: it has the
    /// user's name, is the user's first group, and has no other member. Of any
    /// other group a directory may know members that this machine's files do not.
    #[must_use]
    pub fn is_private_to(&self, gid: u32, allowed: &[u32]) -> bool {
        let mut first = self.users.iter().filter(|user| user.gid == gid).peekable();
        let mut groups = self.groups.iter().filter(|group| group.gid == gid);
        let (Some(&owner), Some(group), None) = (first.peek(), groups.next(), groups.next()) else {
            return false;
        };
        let is_allowed = |user: &User| allowed.contains(&user.uid);
        let named = |name: &String| self.users.iter().find(|user| user.name == *name);
        group.name == owner.name
            && first.all(is_allowed)
            && group.members.iter().all(|name| named(name).is_some_and(is_allowed))
    }

    /// The names of people who can log in, but for one user.
    #[must_use]
    pub fn people_but(&self, uid: u32) -> Vec<&str> {
        let logs_in = |user: &&User| {
            let shell = user.shell.rsplit('/').next().unwrap_or_default();
            !["nologin", "false", "sync", "halt", "shutdown"].contains(&shell)
        };
        let people = self
            .users
            .iter()
            .filter(|user| (FIRST_PERSON..=LAST_PERSON).contains(&user.uid) && user.uid != uid);
        people.filter(logs_in).map(|user| user.name.as_str()).collect()
    }
}

fn text(path: &str) -> String {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MOST_BYTES).read_to_end(&mut bytes));
    read.map_or_else(|_| String::new(), |_| String::from_utf8_lossy(&bytes).into_owned())
}
