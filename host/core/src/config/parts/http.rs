//! The HTTP API: its address, and its token.

// An address is a value; what connects to it is in `std::net`.
use core::net::{IpAddr, Ipv4Addr};

use super::super::FabricConfig;
use super::super::secret::Secret;
use super::super::setting::{Allowed, Setting, put};

/// The port that the specification names for metrics and the API.
pub const DEFAULT_METRICS_PORT: u16 = 9090;
/// A thousand clients with a few connections each; each costs tens of kilobytes.
pub const DEFAULT_MAX_CONNECTIONS: usize = 4096;

/// The HTTP API: its address, its token, and how many may be connected.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpSettings {
    /// The address that the HTTP API listens on.
    pub bind_address: IpAddr,
    /// The token that a client of the HTTP API must send; none: any client may use it.
    pub api_token: Option<Secret>,
    /// Connections to the HTTP API at once.
    pub max_connections: usize,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            bind_address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            api_token: None,
            max_connections: DEFAULT_MAX_CONNECTIONS,
        }
    }
}

pub(in super::super) const SETTINGS: &[Setting] = &[
    Setting {
        key: "bind_address",
        variable: "LAYER4_BIND_ADDRESS",
        flag: None,
        help: "Address that the HTTP API listens on.",
        allowed: Allowed::Words("an IP address"),
        default_note: "",
        reloads: false,
        show: |c| c.http.bind_address.to_string(),
        set: |c, text| put(&mut c.http.bind_address, text),
    },
    Setting {
        key: "metrics_port",
        variable: "LAYER4_METRICS_PORT",
        flag: Some("--port"),
        help: "Port of the HTTP API and its metrics; 0 is one that is free.",
        allowed: Allowed::Words("a port from 0 to 65535"),
        default_note: "",
        reloads: false,
        show: |c| c.metrics_port.to_string(),
        set: |c, text| put(&mut c.metrics_port, text),
    },
    Setting {
        key: "api_token",
        variable: "LAYER4_API_TOKEN",
        flag: None,
        help: "Bearer token that clients of the HTTP API must show.",
        allowed: Allowed::Token,
        default_note: "",
        reloads: false,
        show: |c| if c.http.api_token.is_some() { "(secret)".into() } else { "none".into() },
        set: |c, text| {
            // Right or wrong, it is there: that it is missing is no complaint. The
            // configuration says what is wrong with it, without showing it.
            c.http.api_token = Some(Secret::new(text.to_owned()));
            Ok(())
        },
    },
    Setting {
        key: "max_connections",
        variable: "LAYER4_MAX_CONNECTIONS",
        flag: None,
        help: "Connections to the HTTP API at once.",
        allowed: Allowed::Whole { least: 1, most: 1_000_000 },
        default_note: ", or what the limit on open files leaves",
        reloads: false,
        show: |c| c.http.max_connections.to_string(),
        set: |c, text| put(&mut c.http.max_connections, text),
    },
];

/// What is wrong with them together.
pub(in super::super) fn complaints(config: &FabricConfig) -> Vec<String> {
    let mut complaints = Vec::new();
    if let Some(token) = &config.http.api_token {
        complaints.extend(token.complaint().map(|message| format!("api_token {message}")));
    }
    if !config.http.bind_address.is_loopback() && config.http.api_token.is_none() {
        complaints.push(format!(
            "bind_address is {}, which others can reach, and there is no `api_token`; set one, \
             or bind to 127.0.0.1",
            config.http.bind_address
        ));
    }
    complaints
}
