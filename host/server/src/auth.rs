//! Authorization: the token, or on loopback without one the names of this machine.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chimera_layer4_api::paths;
use chimera_layer4_api::problem::code;
use chimera_layer4_core::config::Secret;
use subtle::ConstantTimeEq;

use super::App;
use super::error::Problem;

/// Asked by load balancers and supervisors, which have no credentials.
const OPEN: [&str; 2] = [paths::LIVEZ, paths::READYZ];
/// The names of this machine for itself.
const OURSELVES: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// What a request must show.
#[derive(Clone, Debug)]
pub(super) struct Guard(Arc<Rule>);

#[derive(Debug)]
enum Rule {
    /// This word.
    Token(Secret),
    /// That it means this machine. A page in a browser can be made to send
    /// requests here under a name of its own.
    Local(SocketAddr),
}

impl Guard {
    pub(super) fn new(token: Option<&Secret>, address: SocketAddr) -> Self {
        let local = || Rule::Local(address);
        Self(Arc::new(token.cloned().map_or_else(local, Rule::Token)))
    }

    /// Whether each request shows the token.
    pub(super) fn wants_token(&self) -> bool {
        matches!(*self.0, Rule::Token(_))
    }

    fn check(&self, request: &Request) -> Result<(), Problem> {
        match &*self.0 {
            Rule::Token(token) if !shows(request, token.reveal()) => {
                let message = "this host wants `Authorization: Bearer` with its `api_token`";
                Err(Problem::new(StatusCode::UNAUTHORIZED, code::UNAUTHORIZED, message))
            }
            Rule::Local(address) if !means(request, *address) => {
                let message = format!(
                    "the request is for another host than {address}; ask for that, or set \
                     `api_token` to be reachable under other names"
                );
                Err(Problem::new(StatusCode::FORBIDDEN, code::FOREIGN_HOST, message))
            }
            Rule::Local(address) if is_foreign(request, *address) => {
                let message = "a page of another site may not send requests here; set `api_token`";
                Err(Problem::new(StatusCode::FORBIDDEN, code::FOREIGN_ORIGIN, message))
            }
            Rule::Token(_) | Rule::Local(_) => Ok(()),
        }
    }
}

fn shows(request: &Request, token: &str) -> bool {
    let shown = request.headers().get(header::AUTHORIZATION).map(|value| value.as_bytes());
    let shown = shown.and_then(|value| value.split_at_checked(7));
    shown.is_some_and(|(scheme, shown)| {
        scheme.eq_ignore_ascii_case(b"Bearer ") && bool::from(shown.ct_eq(token.as_bytes()))
    })
}

fn means(request: &Request, address: SocketAddr) -> bool {
    let mut hosts = request.headers().get_all(header::HOST).iter().peekable();
    if hosts.peek().is_none() && request.version() == Version::HTTP_11 {
        return false;
    }
    hosts.all(|host| host.to_str().is_ok_and(|host| is_ours(host, address)))
        && request.uri().authority().is_none_or(|host| is_ours(host.as_str(), address))
}

/// Whether a browser says that a page of another site sends it.
fn is_foreign(request: &Request, address: SocketAddr) -> bool {
    let says = |name| request.headers().get(name).map(|said: &HeaderValue| said.to_str());
    let site =
        says("sec-fetch-site").is_some_and(|site| !matches!(site, Ok("same-origin" | "none")));
    let origin = says("origin").is_some_and(|origin| {
        let host = origin.ok().and_then(|origin| origin.split_once("://"));
        !host.is_some_and(|(_, host)| is_ours(host, address))
    });
    site || origin
}

fn is_ours(host: &str, address: SocketAddr) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let ours = address.ip().to_string();
    name == ours || OURSELVES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Lets through requests that are allowed.
pub(super) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    if OPEN.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    match app.guard.check(&request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}
