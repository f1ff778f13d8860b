//! A host that serves, seen from another process on its machine.

use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use chimera_layer4_api::client::Host;
use chimera_layer4_api::{Client, ClientError};
use chimera_layer4_core::FabricConfig;
use chimera_layer4_folders::OwnFolder;

use super::exit::BadInput;
use chimera_layer4_fabric::visit_data_folder;

/// In the data folder, beside the lock: the process that serves it, and its address.
const FILE: &str = "chimera.address";
const LOCK: &str = "chimera.lock";
/// A number and an address.
const LONGEST_NOTICE: u64 = 1024;
/// For the host to say that it is there.
const GREETING: Duration = Duration::from_secs(10);

/// Says where this process serves the data folder, as long as it lives.
#[derive(Debug)]
pub(super) struct AddressFile(Option<PathBuf>);

impl AddressFile {
    /// `folder`: the data folder; `None`: there is nothing to serve from it.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn put(folder: Option<&OwnFolder>, url: &str) -> std::io::Result<Self> {
        let Some(folder) = folder else { return Ok(Self(None)) };
        // Written whole or not at all, and readable by this user only.
        folder.write_whole(FILE, format!("{} {url}\n", std::process::id()).as_bytes())?;
        Ok(Self(Some(folder.path().join(FILE))))
    }
}

impl Drop for AddressFile {
    fn drop(&mut self) {
        // One that is left behind names a process that is gone.
        self.0.take().map(std::fs::remove_file);
    }
}

/// The API of the host that has the data folder open and serves, if there is one.
///
/// # Errors
/// `NoAnswer`; or another user could change the folder: what it says of a host may be
/// theirs, and their process would be shown the token.
pub(super) async fn of(config: &FabricConfig) -> anyhow::Result<Option<Client>> {
    let Some(folder) = visit_data_folder(config)? else { return Ok(None) };
    let Some((pid, url)) = serving(&folder) else { return Ok(None) };
    match at(&url, &pid, config).await {
        // It may have ended in between, and the folder is free.
        Err(_) if serving(&folder).is_none() => Ok(None),
        client => Ok(client.map(Some)?),
    }
}

/// As [`of`], for what takes a host.
///
/// # Errors
/// There is none, or as [`of`].
pub(super) async fn required(config: &FabricConfig) -> anyhow::Result<Client> {
    of(config).await?.ok_or_else(|| {
        BadInput("no host serves this data folder; start `chimera serve`".into()).into()
    })
}

/// The host at an address.
///
/// # Errors
/// `NoAnswer`.
async fn at(url: &str, pid: &str, config: &FabricConfig) -> Result<Client, ClientError> {
    let client = Client::new(Host {
        url: url.to_owned(),
        name: format!("the host at {url} (process {pid}), which serves the data folder,"),
        advice: format!("look at its log, or end process {pid}"),
    });
    // First without the token: another process may have the port.
    client.greet(GREETING).await?;
    tracing::debug!(url, "a host says that it serves the data folder");
    Ok(client.with_token(config.http.api_token.as_ref().map(|token| token.reveal())))
}

/// The process that has the folder's lock, and where it serves, if it said so.
fn serving(folder: &OwnFolder) -> Option<(String, String)> {
    let notice = folder.open_file(FILE).ok()?;
    let mut text = String::new();
    notice.take(LONGEST_NOTICE).read_to_string(&mut text).ok()?;
    let (pid, url) = text.trim().split_once(' ')?;
    let lock = folder.open_file(LOCK).ok()?;
    // A notice whose lock is free is out of date: its process is gone.
    if lock.try_lock_shared().is_ok() {
        return None;
    }
    let mut holder = String::new();
    lock.take(LONGEST_NOTICE).read_to_string(&mut holder).ok()?;
    (holder.trim() == pid).then(|| (pid.to_owned(), url.to_owned()))
}
