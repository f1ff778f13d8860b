//! How the file descriptors that the system allows the process are shared out.
//!
//! Every connection of a client, every file that a guest opens and every socket
//! of its requests is one. Without shares of their own either kind could take
//! all that there are, and the host could neither take a connection nor open its
//! store. A part is kept for those first, the rest is shared.

use chimera_layer4_core::{FabricError, FabricResult};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Fewer are no host.
const LEAST: usize = 128;
/// More are of no use, and programs that the host starts may close each one.
const MOST: u64 = 1 << 20;
/// Kept for the listener, the stores, the compiling child and the log: a quarter,
/// within these.
const KEPT: (usize, usize) = (64, 512);

/// The shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptors {
    /// What the process may have open.
    pub limit: usize,
    /// Connections of clients.
    pub clients: usize,
    /// Files and sockets of all agents.
    pub agents: usize,
}

impl Descriptors {
    /// Shares out what the process may have open now.
    ///
    /// # Errors
    /// `Configuration` when that is too little for a host.
    pub fn of_process(max_connections: usize) -> FabricResult<Self> {
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(MOST).min(MOST);
        Self::of(usize::try_from(limit).unwrap_or(usize::MAX), max_connections)
    }

    fn of(limit: usize, max_connections: usize) -> FabricResult<Self> {
        if limit < LEAST {
            return Err(FabricError::Configuration(vec![format!(
                "the process may have {limit} files and connections open, and a host needs \
                 {LEAST}; raise the limit (`ulimit -n`, `LimitNOFILE` of its unit)"
            )]));
        }
        let (least, most) = KEPT;
        let shared = limit - (limit / 4).clamp(least, most);
        let clients = max_connections.min(shared / 2);
        Ok(Self { limit, clients, agents: shared - clients })
    }
}

/// Raises what the process may have open as far as the system lets it do so by
/// itself. It may be refused: then what is allowed already is shared out.
pub fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.unwrap_or(MOST).min(MOST);
    if current.is_some_and(|current| current < wanted)
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })
    {
        tracing::warn!(%error, wanted, "the limit on open files could not be raised");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_kept_and_the_rest_is_shared() {
        for (limit, wanted, clients, agents) in [
            (1024, 4096, 384, 384),
            (1024, 10, 10, 758),
            (128, 4096, 32, 32),
            (65_536, 4096, 4096, 60_928),
            (1 << 20, 4096, 4096, (1 << 20) - 512 - 4096),
        ] {
            let shares = Descriptors::of(limit, wanted).unwrap();
            assert_eq!(shares, Descriptors { limit, clients, agents }, "of {limit}");
        }
        let error = Descriptors::of(100, 4096).unwrap_err().to_string();
        assert!(error.contains("may have 100") && error.contains("LimitNOFILE"), "{error}");
    }
}
