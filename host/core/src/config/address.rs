//! Addresses of other programs that a setting names.

use core::net::Ipv6Addr;

/// Whether a text is a web address: a scheme, a host, a port that there is. Who
/// connects to it says the rest.
#[must_use]
pub fn is_web_address(text: &str) -> bool {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let Some(rest) = rest.filter(|rest| rest.chars().all(|c| c.is_ascii_graphic())) else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host_and_port = authority.rsplit_once('@').map_or(authority, |(_, rest)| rest);
    let (host, port) = match host_and_port.rsplit_once(':') {
        // The last colon may be one inside of an IPv6 address.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (host_and_port, None),
    };
    let in_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(in_name),
    };
    is_host && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_scheme_a_host_and_a_port_that_there_is() {
        for good in [
            "http://127.0.0.1:4318",
            "https://collector.example/v1/traces?a=b",
            "http://a:b@c:1/",
            "http://[::1]:4318/v1/traces",
            "http://[::1]",
            "http://otel_collector",
        ] {
            assert!(is_web_address(good), "{good}");
        }
        for bad in [
            "",
            "notaurl",
            "localhost:4318",
            "ftp://somewhere",
            "http://",
            "http:///v1/traces",
            "http://:4318",
            "http://host:",
            "http://host:0",
            "http://host:99999",
            "http://host:port",
            "http://th{re/",
            "http://[::1",
            "http://[1]:4318",
            "http://::1:4318",
            "http://ho st",
            "http://hôte",
        ] {
            assert!(!is_web_address(bad), "{bad}");
        }
    }
}
