//! Origins: where a request goes, and where an agent's requests may go.
//!
//! Both are read by one parser, so what a grant means and what a guest asks
//! for cannot be read in two ways.

use core::net::{IpAddr, Ipv6Addr};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::address::is_public;

/// The longest name that DNS knows.
const NAME_BYTES: usize = 253;
const LABEL_BYTES: usize = 63;
const LOCALHOST: &str = "localhost";

/// How a server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HttpScheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

/// Who is spoken to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A machine by its address.
    Address(IpAddr),
    /// A machine by its name, in lower case.
    Name(String),
}

/// Scheme, host and port: where a request goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The scheme.
    pub scheme: HttpScheme,
    /// The host that requests go to.
    pub host: Host,
    /// On which port, the scheme's own where none was named.
    pub port: u16,
}

/// One origin that an agent may send requests to, or all names below one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HttpGrant {
    origin: Origin,
    /// For `*.`: every name below the host's, at any depth, and not that name itself.
    below: bool,
}

/// A text that is no origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{typed:?} is no origin: {reason}; give one like https://api.example.com, \
     http://127.0.0.1:8080 or https://*.example.com"
)]
pub struct BadOrigin {
    typed: String,
    reason: String,
}

impl HttpGrant {
    /// Whether a request to `origin` is granted.
    #[must_use]
    pub fn allows(&self, origin: &Origin) -> bool {
        let own = &self.origin;
        own.scheme == origin.scheme && own.port == origin.port && self.names(&origin.host)
    }

    fn names(&self, host: &Host) -> bool {
        match (&self.origin.host, host) {
            (Host::Name(own), Host::Name(asked)) if self.below => {
                asked.strip_suffix(own.as_str()).is_some_and(|labels| labels.ends_with('.'))
            }
            (own, asked) => own == asked,
        }
    }

    /// Whether the host that it names may be found at `address`.
    ///
    /// A name's owner can point it anywhere, so it may lead to public addresses
    /// only. Any other address is granted by being named itself, and
    /// `localhost` names this machine.
    #[must_use]
    pub fn admits(&self, address: IpAddr) -> bool {
        match &self.origin.host {
            Host::Address(own) => *own == address,
            Host::Name(name) if name == LOCALHOST => address.is_loopback(),
            Host::Name(_) => is_public(address),
        }
    }
}

impl Host {
    /// Whether it is this machine by name, which needs no look-up.
    #[must_use]
    pub fn is_localhost(&self) -> bool {
        matches!(self, Host::Name(name) if name == LOCALHOST)
    }
}

impl HttpScheme {
    fn default_port(self) -> u16 {
        match self {
            HttpScheme::Http => 80,
            HttpScheme::Https => 443,
        }
    }
}

impl FromStr for HttpGrant {
    type Err = BadOrigin;

    fn from_str(typed: &str) -> Result<Self, BadOrigin> {
        let (plain, below) = match typed.split_once("://*.") {
            Some((scheme, name)) => (format!("{scheme}://{name}"), true),
            None => (typed.to_owned(), false),
        };
        let bad = |reason: String| BadOrigin { typed: typed.to_owned(), reason };
        let origin = parse(&plain).map_err(bad)?;
        let names_enough = matches!(&origin.host, Host::Name(name) if name.contains('.'));
        if below && !names_enough {
            return Err(bad("`*.` stands before a name of two labels or more".into()));
        }
        Ok(Self { origin, below })
    }
}

impl FromStr for Origin {
    type Err = BadOrigin;

    fn from_str(typed: &str) -> Result<Self, BadOrigin> {
        parse(typed).map_err(|reason| BadOrigin { typed: typed.to_owned(), reason })
    }
}

fn parse(typed: &str) -> Result<Origin, String> {
    let (scheme, authority) = typed.split_once("://").ok_or("it has no scheme")?;
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "http" => HttpScheme::Http,
        "https" => HttpScheme::Https,
        _ => return Err(format!("the scheme is {scheme:?}; allowed is http or https")),
    };
    if let Some(at) = authority.find(['/', '?', '#']) {
        return Err(format!("{:?} is too much; it ends with the port", &authority[at..]));
    }
    if authority.contains('@') {
        return Err("it has a user name or a password; leave them out".into());
    }
    let (host, port) = split_port(authority)?;
    let port = match port {
        None => scheme.default_port(),
        Some(port) => match port.parse() {
            Ok(port) if port > 0 => port,
            _ => return Err(format!("the port is {port:?}; allowed is 1 to 65535")),
        },
    };
    Ok(Origin { scheme, host: host?, port })
}

type SplitPort<'a> = (Result<Host, String>, Option<&'a str>);

fn split_port(authority: &str) -> Result<SplitPort<'_>, String> {
    if let Some(bracketed) = authority.strip_prefix('[') {
        let (address, rest) = bracketed.split_once(']').ok_or("a `]` is missing")?;
        let host = address.parse::<Ipv6Addr>().map(|address| Host::Address(address.into()));
        let host = host.map_err(|_| format!("{address:?} is no IPv6 address"));
        return match (rest.strip_prefix(':'), rest) {
            (port @ Some(_), _) => Ok((host, port)),
            (None, "") => Ok((host, None)),
            (None, rest) => Err(format!("{rest:?} follows the address")),
        };
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    Ok((named(host), port))
}

/// A name or an IPv4 address.
fn named(host: &str) -> Result<Host, String> {
    if let Ok(address) = host.parse::<core::net::Ipv4Addr>() {
        return Ok(Host::Address(address.into()));
    }
    let name = host.to_ascii_lowercase();
    let well_formed = |label: &str| {
        let sign = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        (1..=LABEL_BYTES).contains(&label.len()) && label.chars().all(sign)
    };
    if name.len() > NAME_BYTES || !name.split('.').all(well_formed) {
        return Err(format!(
            "{host:?} is no host; a name has labels of letters, digits, `-` and `_`, and other \
             alphabets are written in punycode"
        ));
    }
    // `127.1` and `0x7f000001` are addresses to some resolvers and names to others.
    let last = name.rsplit('.').next().unwrap_or_default();
    if last.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(format!("{host:?} looks like an address; write it as four numbers"));
    }
    Ok(Host::Name(name))
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Host::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Host::Name(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for HttpScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HttpScheme::Http => "http",
            HttpScheme::Https => "https",
        })
    }
}

fn write(origin: &Origin, before_host: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Origin { scheme, host, port } = origin;
    write!(f, "{scheme}://{before_host}{host}")?;
    if *port == scheme.default_port() { Ok(()) } else { write!(f, ":{port}") }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(self, "", f)
    }
}

impl fmt::Display for HttpGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(&self.origin, if self.below { "*." } else { "" }, f)
    }
}

impl TryFrom<String> for HttpGrant {
    type Error = BadOrigin;

    fn try_from(typed: String) -> Result<Self, BadOrigin> {
        typed.parse()
    }
}

impl From<HttpGrant> for String {
    fn from(grant: HttpGrant) -> Self {
        grant.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grant(typed: &str) -> HttpGrant {
        typed.parse().unwrap()
    }

    #[test]
    fn a_grant_is_shown_as_it_is_meant() {
        for (typed, shown) in [
            ("https://api.example.com", "https://api.example.com"),
            ("HTTPS://API.example.com:443", "https://api.example.com"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://[::1]", "http://[::1]"),
            ("http://[0:0::1]:81", "http://[::1]:81"),
            ("https://*.example.com:8443", "https://*.example.com:8443"),
            ("http://localhost:3000", "http://localhost:3000"),
        ] {
            assert_eq!(grant(typed).to_string(), shown);
            assert_eq!(grant(shown), grant(typed));
        }
    }

    #[test]
    fn what_is_no_origin_is_refused_with_the_reason() {
        for (typed, reason) in [
            ("api.example.com", "it has no scheme"),
            ("ftp://example.com", "the scheme is \"ftp\""),
            ("https://example.com/v1", "\"/v1\" is too much"),
            ("https://example.com?", "\"?\" is too much"),
            ("https://me:secret@example.com", "it has a user name"),
            ("https://", "\"\" is no host"),
            ("https://exämple.com", "punycode"),
            ("https://a..b", "\"a..b\" is no host"),
            ("https://example.com.", "is no host"),
            ("https://example.com:0", "the port is \"0\""),
            ("https://example.com:65536", "the port is \"65536\""),
            ("https://example.com:", "the port is \"\""),
            ("http://127.1", "looks like an address"),
            ("http://2130706433", "looks like an address"),
            ("http://0x7f.0x1", "looks like an address"),
            ("http://[::1", "a `]` is missing"),
            ("http://[::1]x", "\"x\" follows"),
            ("http://[fe80::1%eth0]", "no IPv6 address"),
            ("https://*", "\"*\" is no host"),
            ("https://*.com", "two labels or more"),
            ("https://*.10.0.0.1", "two labels or more"),
            ("https://a.*.com", "is no host"),
        ] {
            let error = typed.parse::<HttpGrant>().unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains("; give one like"), "{error}");
        }
    }

    #[test]
    fn scheme_host_and_port_must_all_be_the_granted_ones() {
        let allows = |granted: &str, asked: &str| grant(granted).allows(&asked.parse().unwrap());
        assert!(allows("https://example.com", "https://EXAMPLE.com:443"));
        for asked in ["http://example.com:443", "https://example.com:444", "https://a.example.com"]
        {
            assert!(!allows("https://example.com", asked), "{asked}");
        }
        assert!(allows("https://*.example.com", "https://a.example.com"));
        assert!(allows("https://*.example.com", "https://a.b.example.com"));
        for asked in
            ["https://example.com", "https://notexample.com", "https://example.com.evil.org"]
        {
            assert!(!allows("https://*.example.com", asked), "{asked}");
        }
        assert!(!allows("http://127.0.0.1", "http://localhost"));
        assert!(!allows("http://127.0.0.1", "http://[::ffff:127.0.0.1]"));
    }

    #[test]
    fn a_name_leads_to_public_addresses_and_an_address_to_itself() {
        let admits = |granted: &str, at: &str| grant(granted).admits(at.parse().unwrap());
        assert!(admits("https://example.com", "93.184.216.34"));
        assert!(!admits("https://example.com", "127.0.0.1"));
        assert!(!admits("https://*.example.com", "10.0.0.1"));
        assert!(admits("http://localhost", "127.0.0.1") && admits("http://localhost", "::1"));
        assert!(!admits("http://localhost", "93.184.216.34"));
        assert!(admits("http://169.254.169.254", "169.254.169.254"));
        assert!(!admits("http://127.0.0.1", "127.0.0.2"));
    }

    #[test]
    fn a_name_is_as_long_as_dns_allows() {
        let label = "a".repeat(63);
        assert!(format!("https://{label}.com").parse::<Origin>().is_ok());
        assert!(format!("https://{label}a.com").parse::<Origin>().is_err());
        // Three labels of 63, one of 61 and three dots.
        let longest = [&label[..], &label, &label, &label[..61]].join(".");
        assert_eq!(longest.len(), 253);
        assert!(format!("https://{longest}").parse::<Origin>().is_ok());
        assert!(format!("https://{longest}a").parse::<Origin>().is_err());
    }

    #[test]
    fn a_port_is_taken_to_its_last() {
        let port = |typed: &str| typed.parse::<Origin>().unwrap().port;
        assert_eq!(port("http://a:1"), 1);
        assert_eq!(port("http://a:65535"), 65_535);
        assert_eq!((port("http://a"), port("https://a")), (80, 443));
        assert_eq!(port("http://[::1]"), 80);
    }

    #[test]
    fn this_machine_is_known_by_its_name_alone() {
        let is_localhost = |typed: &str| typed.parse::<Origin>().unwrap().host.is_localhost();
        assert!(is_localhost("http://localhost") && is_localhost("http://LOCALHOST:1"));
        for other in ["http://127.0.0.1", "http://a.localhost", "http://localhost.a"] {
            assert!(!is_localhost(other), "{other}");
        }
    }

    #[test]
    fn names_that_only_look_alike_are_not_below() {
        let below = grant("http://*.b.c");
        let allows = |asked: &str| below.allows(&asked.parse().unwrap());
        assert!(allows("http://a.b.c") && allows("http://a.a.b.c"));
        for asked in
            ["http://b.c", "http://ab.c", "http://a.b.c:81", "https://a.b.c", "http://1.2.3.4"]
        {
            assert!(!allows(asked), "{asked}");
        }
        // Exactly that name, and none below it.
        assert!(!grant("http://b.c").allows(&"http://a.b.c".parse().unwrap()));
    }

    #[test]
    fn a_grant_is_a_string_in_files_and_answers() {
        let typed = "https://*.example.com";
        assert_eq!(serde_json::to_value(grant(typed)).unwrap(), typed);
        assert_eq!(serde_json::from_value::<HttpGrant>(typed.into()).unwrap(), grant(typed));
        let error = serde_json::from_value::<HttpGrant>("example.com".into()).unwrap_err();
        assert!(error.to_string().contains("it has no scheme"), "{error}");
    }

    #[test]
    fn an_origin_is_shown_as_it_is_read() {
        for shown in ["http://a", "https://a:80", "http://[::1]:81", "https://10.0.0.1"] {
            assert_eq!(shown.parse::<Origin>().unwrap().to_string(), shown);
        }
        let error = "x".parse::<Origin>().unwrap_err().to_string();
        assert!(error.starts_with("\"x\" is no origin: it has no scheme"), "{error}");
    }

    proptest! {
        /// What a guest asks for is in its hands: it is read or refused, and what is read is
        /// shown in a form that is read as the same.
        #[test]
        fn what_is_read_is_shown_as_the_same(
            typed in "(http|https|HTTP)://[a-z0-9._\\[\\]:*@/-]{0,24}|.{0,30}",
        ) {
            if let Ok(grant) = typed.parse::<HttpGrant>() {
                prop_assert_eq!(grant.to_string().parse(), Ok(grant));
            }
            if let Ok(origin) = typed.parse::<Origin>() {
                prop_assert_eq!(origin.to_string().parse(), Ok(origin));
            }
        }
    }
}
