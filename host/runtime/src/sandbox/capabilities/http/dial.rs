//! From an origin to a connection: look up, check, connect to what was checked.
//!
//! Every address is judged by the grant, after the look-up and before the
//! connection, and the connection goes to that very address: there is no second
//! look-up between the two, so a name whose address changes gains nothing.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chimera_layer4_core::FabricResult;
use chimera_layer4_core::grants::{Host, HttpScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;
use wasmtime_wasi_http::Error;

use super::paced::{Paced, Pulse};
use super::{Admitted, tls};

/// Look-ups at once for all agents. The system's resolver takes a thread for
/// each, and may take its time.
const LOOK_UPS: usize = 32;
/// Addresses of one name that are tried.
const ADDRESSES: usize = 4;
/// For one of them.
const CONNECT: Duration = Duration::from_secs(4);
/// What the system keeps of a connection each way: enough for the default
/// bandwidth across an ocean, and so little that what arrives before its turn
/// does not matter.
const SYSTEM_BYTES: u32 = 256 * 1024;

/// What the host itself keeps of a connection: what was read of it and what is to
/// be written.
const CONNECTION_BYTES: usize = 48 * 1024;
/// What TLS adds.
const TLS_BYTES: usize = 48 * 1024;

/// Looks up the addresses of a name.
type Resolve = fn(&str) -> io::Result<Vec<IpAddr>>;

/// What the requests of all agents are made with. Nothing of one is kept for
/// another.
pub(crate) struct Network {
    tls: TlsConnector,
    look_ups: Arc<Semaphore>,
    resolve: Resolve,
}

pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Network {
    /// Trusts the authorities in `own` besides the public ones.
    ///
    /// # Errors
    /// `Configuration` when they cannot be read.
    pub(crate) fn new(own: Option<&Path>) -> FabricResult<Self> {
        let tls = tls::connector(own)?;
        Ok(Self { tls, look_ups: Arc::new(Semaphore::new(LOOK_UPS)), resolve })
    }

    async fn addresses(&self, host: &Host, own: &Semaphore) -> Result<Vec<IpAddr>, Error> {
        match host {
            Host::Address(address) => Ok(vec![*address]),
            localhost if localhost.is_localhost() => {
                Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()])
            }
            Host::Name(name) => {
                let _turn = own.acquire().await.map_err(|_| no_answer())?;
                self.look_up(name.clone()).await
            }
        }
    }

    async fn look_up(&self, name: String) -> Result<Vec<IpAddr>, Error> {
        let look_ups = Arc::clone(&self.look_ups);
        let permit = look_ups.acquire_owned().await.map_err(|_| no_answer())?;
        let resolve = self.resolve;
        let look_up = move || {
            // Held until the resolver returns, even if its caller stops waiting.
            let _permit = permit;
            resolve(&name)
        };
        match tokio::task::spawn_blocking(look_up).await {
            Ok(Ok(addresses)) if !addresses.is_empty() => Ok(addresses),
            Ok(Ok(_) | Err(_)) | Err(_) => Err(no_answer()),
        }
    }
}

fn no_answer() -> Error {
    Error::DnsError { rcode: None, info_code: None }
}

/// The system's own resolver, with all that is set up for it.
fn resolve(name: &str) -> io::Result<Vec<IpAddr>> {
    Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
}

/// A connection to the origin that was granted, with TLS where it has that.
pub(super) async fn connect(admitted: Admitted, pulse: Pulse) -> Result<Box<dyn Stream>, Error> {
    let descriptor = admitted.line.descriptor().map_err(|short| {
        admitted.notes.denied(&admitted.origin, &format!("no file descriptor for it: {short}"));
        Error::ConnectionLimitReached
    })?;
    let bytes = match admitted.origin.scheme {
        HttpScheme::Http => CONNECTION_BYTES,
        HttpScheme::Https => CONNECTION_BYTES + TLS_BYTES,
    };
    let memory = admitted.line.hosts(bytes).map_err(|over| {
        admitted.notes.denied(&admitted.origin, &format!("no memory for it: {over}"));
        Error::ConnectionLimitReached
    })?;
    let stream = dial(&admitted).await?;
    let Admitted { origin, network, line, permit, .. } = admitted;
    let stream = Paced::new(stream, line, pulse, (permit, descriptor, memory));
    match origin.scheme {
        HttpScheme::Http => Ok(Box::new(stream)),
        HttpScheme::Https => {
            let stream = tls::connect(&network.tls, &origin.host, stream).await?;
            Ok(Box::new(stream))
        }
    }
}

/// Connects to the first address of those allowed that answers.
async fn dial(admitted: &Admitted) -> Result<TcpStream, Error> {
    let mut failed = None;
    for address in allowed(admitted).await?.into_iter().take(ADDRESSES) {
        match open(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = failed.or(Some(unreachable(&error))),
        }
    }
    Err(failed.unwrap_or(Error::DestinationUnavailable))
}

/// Where the origin is, as far as its grant leads there.
async fn allowed(admitted: &Admitted) -> Result<Vec<SocketAddr>, Error> {
    let Admitted { origin, grant, network, look_ups, notes, .. } = admitted;
    let found = network.addresses(&origin.host, look_ups).await?;
    let at = found.first().map_or(String::new(), ToString::to_string);
    let allowed = found.into_iter().filter(|address| grant.admits(*address));
    let allowed: Vec<_> = allowed.map(|address| SocketAddr::new(address, origin.port)).collect();
    if allowed.is_empty() {
        let why = format!("it leads to {at}, which is not public; grant that address itself");
        notes.denied(origin, &why);
        return Err(Error::DestinationIpProhibited);
    }
    Ok(allowed)
}

async fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_recv_buffer_size(SYSTEM_BYTES)?;
    socket.set_send_buffer_size(SYSTEM_BYTES)?;
    socket.set_nodelay(true)?;
    tokio::time::timeout(CONNECT, socket.connect(address)).await?
}

fn unreachable(error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Error::ConnectionRefused,
        io::ErrorKind::TimedOut => Error::ConnectionTimeout,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            Error::DestinationIpUnroutable
        }
        _ => Error::DestinationUnavailable,
    }
}

#[cfg(test)]
mod tests {
    use chimera_layer4_core::ResourceQuota;

    use super::super::notes::Notes;
    use super::*;
    use crate::sandbox::limits::agent::AgentLimits;
    use crate::sandbox::limits::hosted::Hosted;
    use crate::sandbox::limits::network::{Line, NetworkAccess};
    use crate::sandbox::limits::supplies::Supplies;

    /// A request to `origin`, granted by itself, as names are resolved by `resolve`.
    async fn leads_to(origin: &str, resolve: Resolve) -> (Result<Vec<SocketAddr>, Error>, String) {
        let access = NetworkAccess {
            agent: Arc::new(AgentLimits::new(ResourceQuota::default(), &Supplies::new(8).unwrap())),
            task: None,
            traffic: Arc::default(),
            total: Arc::default(),
        };
        let mut held = Hosted::nothing(&access.agent.memory);
        let notes = Notes::new(held.nothing_yet());
        let permit = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
        let admitted = Admitted {
            origin: origin.parse().unwrap(),
            grant: origin.parse().unwrap(),
            network: Arc::new(Network { resolve, ..Network::new(None).unwrap() }),
            line: Arc::new(Line::open(access)),
            look_ups: Arc::new(Semaphore::new(1)),
            permit: Arc::new(permit),
            notes,
        };
        (allowed(&admitted).await, admitted.notes.take(&mut held).join("\n"))
    }

    fn addresses(typed: &[&str]) -> io::Result<Vec<IpAddr>> {
        Ok(typed.iter().map(|address| address.parse().unwrap()).collect())
    }

    #[tokio::test]
    async fn a_name_leads_to_its_public_addresses_and_nowhere_else() {
        let resolve = |_: &str| addresses(&["127.0.0.1", "93.184.216.34", "fd00::1", "10.0.0.1"]);
        let (allowed, notes) = leads_to("https://example.com", resolve).await;
        assert_eq!(allowed.unwrap(), ["93.184.216.34:443".parse().unwrap()]);
        assert_eq!(notes, "");

        for inside in [
            (|_: &str| addresses(&["127.0.0.1"])) as Resolve,
            |_| addresses(&["::1"]),
            |_| addresses(&["::ffff:10.0.0.1"]),
            |_| addresses(&["169.254.169.254"]),
        ] {
            let (allowed, notes) = leads_to("http://rebound.example.com", inside).await;
            assert!(matches!(allowed, Err(Error::DestinationIpProhibited)), "{allowed:?}");
            assert!(notes.contains("rebound.example.com: it leads to"), "{notes}");
        }
        let (allowed, _) = leads_to("http://example.com", |_| addresses(&[])).await;
        assert!(matches!(allowed, Err(Error::DnsError { .. })), "{allowed:?}");
    }

    #[tokio::test]
    async fn an_address_and_this_machine_are_looked_up_nowhere() {
        let never = |name: &str| panic!("{name} is looked up");
        let (allowed, _) = leads_to("http://10.0.0.1:8080", never).await;
        assert_eq!(allowed.unwrap(), ["10.0.0.1:8080".parse().unwrap()]);
        let (allowed, _) = leads_to("http://localhost:81", never).await;
        let both = ["127.0.0.1:81".parse().unwrap(), "[::1]:81".parse().unwrap()];
        assert_eq!(allowed.unwrap(), both);
    }
}
