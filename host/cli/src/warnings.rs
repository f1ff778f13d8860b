//! What an operator should know of a host's surroundings, logged once as it starts.
//!
//! Each line is about something that the host works with and that makes a
//! mistake elsewhere worse: none keeps it from starting.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use chimera_layer4_folders::{Accounts, OwnFolder};

use super::settings::Settings;

/// Names of users in one warning.
const MOST_NAMES: usize = 3;
const ROOT: u32 = 0;
/// Where control groups are mounted.
const CGROUPS: &str = "/sys/fs/cgroup";

/// One warning: a code for searches in the log, and the message.
#[derive(Debug, PartialEq, Eq)]
struct Warning {
    code: &'static str,
    message: String,
}

/// Logs what is to be warned of.
pub(super) fn tell(settings: &Settings, data: Option<&OwnFolder>) {
    let (us, accounts) = (rustix::process::geteuid().as_raw(), Accounts::read());
    let cgroup = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let warnings = [
        as_root(us),
        readable_secrets(settings, us, &accounts),
        writable_settings(settings, us, &accounts),
        open_to_users(settings, us, &accounts),
        unbounded_memory(&cgroup, Path::new(CGROUPS)),
        data.and_then(remote_disk),
    ];
    for Warning { code, message } in warnings.into_iter().flatten() {
        tracing::warn!(code, "{message}");
    }
}

fn as_root(us: u32) -> Option<Warning> {
    let message = "the host runs as root: a fault in the sandbox would open the whole machine; run it as \
                 a user of its own, as host/deploy/systemd/chimera.service does";
    (us == ROOT).then(|| Warning { code: "running-as-root", message: message.into() })
}

/// The token, and what agents are given as variables.
fn readable_secrets(settings: &Settings, us: u32, accounts: &Accounts) -> Option<Warning> {
    const READ: u32 = 0o044;
    let Settings { config, agents, layers } = settings;
    let file = layers.file();
    let holds_token = config.http.api_token.is_some()
        && layers.source("api_token") == format!("api_token in {file}");
    let secret = match agents.iter().find(|(_, agent)| !agent.environment.is_empty()) {
        _ if holds_token => "`api_token`".to_owned(),
        Some((name, _)) => format!("`agents.{name}.environment`"),
        None => return None,
    };
    let (who, mode) = who_may(READ, Path::new(file), us, accounts)?;
    let message = format!(
        "{file} holds {secret} and can be read by {who} (mode {mode:o}); `chmod 600` it, or 640 with \
         a group that only the host's user is in"
    );
    Some(Warning { code: "secrets-readable", message })
}

fn writable_settings(settings: &Settings, us: u32, accounts: &Accounts) -> Option<Warning> {
    const WRITE: u32 = 0o022;
    let file = settings.layers.file();
    let (who, mode) = who_may(WRITE, Path::new(file), us, accounts)?;
    let message = format!(
        "{file} can be changed by {who} (mode {mode:o}), who could grant an agent whatever the host \
         may do; `chmod go-w` it"
    );
    Some(Warning { code: "settings-writable", message })
}

/// Who beside root and the host's user may do this with a file; `bits` are
/// those of the group and of others.
fn who_may(bits: u32, file: &Path, us: u32, accounts: &Accounts) -> Option<(String, u32)> {
    const GROUP: u32 = 0o070;
    const OTHERS: u32 = 0o007;
    let found = fs::metadata(file).ok()?;
    let mode = found.mode() & 0o777;
    let who = if mode & bits & OTHERS != 0 {
        "every user".to_owned()
    } else if mode & bits & GROUP != 0 && !accounts.is_private_to(found.gid(), &[ROOT, us]) {
        format!("the group {}", accounts.group(found.gid()))
    } else if ![ROOT, us].contains(&found.uid()) {
        accounts.user(found.uid())
    } else {
        return None;
    };
    Some((who, mode))
}

/// A port on loopback is open to every user of the machine.
fn open_to_users(settings: &Settings, us: u32, accounts: &Accounts) -> Option<Warning> {
    if settings.config.http.api_token.is_some() {
        return None;
    }
    let people = accounts.people_but(us);
    let named: Vec<&str> = people.iter().copied().take(MOST_NAMES).collect();
    let others = if people.len() > MOST_NAMES { " and others" } else { "" };
    let message = format!(
        "no `api_token` is set, and this machine has other users ({}{others}): each can submit tasks \
         and replace agents; set one",
        named.join(", ")
    );
    (!people.is_empty()).then_some(Warning { code: "no-token", message })
}

/// Guests have quotas; the compiler, the store's caches and the host itself have
/// only what the system allows.
fn unbounded_memory(cgroup: &str, mounted: &Path) -> Option<Warning> {
    // Of version 2 alone: a process may be in many groups of version 1.
    if !mounted.join("cgroup.controllers").exists() {
        return None;
    }
    let group = cgroup.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let bounded = Path::new(group).ancestors().any(|above| {
        let file: PathBuf = mounted.join(above).join("memory.max");
        fs::read_to_string(file).is_ok_and(|limit| limit.trim() != "max")
    });
    let message = "nothing bounds the memory of the host and its compilers but the machine's: set \
                 `MemoryMax=` in the unit (`systemctl edit chimera`), or a limit of the container";
    (!bounded).then(|| Warning { code: "memory-unbounded", message: message.into() })
}

fn remote_disk(data: &OwnFolder) -> Option<Warning> {
    let system = data.network_file_system()?;
    let may = if system == "FUSE" { ", which may be a network file system" } else { "" };
    let message = format!(
        "the data folder {} is on {system}{may}: SQLite's locks and log do not hold over a network, \
         so a crash or a second host may damage the queue; set `data_dir` to a local disk",
        data.path().display()
    );
    Some(Warning { code: "data-on-network", message })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// No machine has a user of this number.
    const US: u32 = 54_321;

    fn settings(folder: &Path, text: &str, mode: u32) -> Settings {
        let file = folder.join("chimera.toml");
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let flags =
            super::super::args::flags::SettingsArgs { config: Some(file), ..Default::default() };
        super::super::settings::resolve(&flags).unwrap()
    }

    #[test]
    fn a_file_with_secrets_that_others_read_is_warned_of() {
        let folder = tempfile::tempdir().unwrap();
        let us = rustix::process::geteuid().as_raw();
        let accounts = Accounts::default();
        let token = format!("api_token = \"{}\"\n", "t".repeat(32));
        let variable = "[agents.a]\ncomponent = \"a.wasm\"\nenvironment = { KEY = \"k\" }\n";
        for (text, mode, message) in [
            (&*token, 0o644, Some("holds `api_token` and can be read by every user (mode 644)")),
            (&*token, 0o640, Some("can be read by the group")),
            (&*token, 0o600, None),
            (variable, 0o604, Some("holds `agents.a.environment`")),
            ("max_agents = 3\n", 0o644, None),
        ] {
            let settings = settings(folder.path(), text, mode);
            let warned = readable_secrets(&settings, us, &accounts);
            assert_eq!(warned.is_some(), message.is_some(), "{text} {mode:o} {warned:?}");
            for (warned, message) in warned.iter().zip(message) {
                assert!(warned.message.contains(message), "{warned:?}");
            }
        }
    }

    #[test]
    fn settings_that_others_can_change_are_warned_of() {
        let folder = tempfile::tempdir().unwrap();
        let us = rustix::process::geteuid().as_raw();
        for (mode, warned) in [(0o644, false), (0o646, true), (0o664, true), (0o600, false)] {
            let settings = settings(folder.path(), "max_agents = 3\n", mode);
            let warning = writable_settings(&settings, us, &Accounts::default());
            assert_eq!(warning.is_some(), warned, "{mode:o} {warning:?}");
        }
        let settings = settings(folder.path(), "max_agents = 3\n", 0o600);
        let owner = writable_settings(&settings, US, &Accounts::default());
        // A file of root's is no reason for a warning.
        assert_eq!(owner.is_some(), us != ROOT, "{owner:?}");
    }

    #[test]
    fn memory_is_bounded_by_any_group_above() {
        let mounted = tempfile::tempdir().unwrap();
        let group = mounted.path().join("system.slice/chimera.service");
        fs::create_dir_all(&group).unwrap();
        let warned = || unbounded_memory("0::/system.slice/chimera.service\n", mounted.path());
        assert_eq!(warned(), None, "these are no control groups of version 2");
        fs::write(mounted.path().join("cgroup.controllers"), "memory").unwrap();
        fs::write(group.join("memory.max"), "max\n").unwrap();
        assert_eq!(warned().unwrap().code, "memory-unbounded");
        fs::write(mounted.path().join("system.slice/memory.max"), "8589934592\n").unwrap();
        assert_eq!(warned(), None);
    }

    #[test]
    fn only_root_is_warned_of_being_root() {
        assert_eq!(as_root(ROOT).unwrap().code, "running-as-root");
        assert_eq!(as_root(US), None);
    }
}
