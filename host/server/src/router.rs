//! Which request goes where, and what surrounds each.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use chimera_layer4_api::problem::code;
use chimera_layer4_api::{self as wire, paths};
use chimera_layer4_core::FabricResult;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use utoipa::OpenApi;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::{PathItem, RefOr};
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use super::error::{Code, Problem};
use super::extract::must_be_known;
use super::limits::Refusal;
use super::{
    App, agents, auth, dead_letters, document, events, genomes, health, integrations, keyvalue,
    listening, refinements, reload, rollouts, tasks,
};

const REQUEST_ID: &str = "x-request-id";
/// A client's own id, as long as any sensible one.
const REQUEST_ID_BYTES: usize = 128;
/// What is shown of a path that is none of ours, in characters.
const LONGEST_PATH: usize = 200;
/// The statuses for clients that are broken or hostile, or that ask for more than
/// there is room for; the log has a line of each.
const REFUSED: [u16; 7] = [400, 401, 403, 408, 413, 415, 429];
/// Compressing less saves no packet.
const LEAST_COMPRESSED: u64 = 1024;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Chimera Layer 4",
        description = "A host that runs untrusted WebAssembly agents inside enforced quotas.",
        license(
            name = "Apache-2.0 WITH LLVM-exception",
            identifier = "Apache-2.0 WITH LLVM-exception"
        )
    ),
    components(schemas(wire::Problem))
)]
struct Document;

/// Which routes there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Every one.
    All,
    /// Those that say how the host is.
    State,
}

/// The routes, and what surrounds each.
pub(super) fn router(app: App, address: SocketAddr, scope: Scope) -> FabricResult<Router> {
    let all = OpenApiRouter::with_openapi(Document::openapi());
    let all = match scope {
        Scope::All => every_route(all, &app),
        Scope::State => all.merge(agents::state_routes()).merge(health::routes()),
    };
    let (routes, document) = all.split_for_parts();
    let queries = Arc::new(queries(&document));
    let document = Bytes::from(document::write(document, address, app.guard.wants_token())?);
    let compressed = SizeAbove::new(LEAST_COMPRESSED)
        // An event is to arrive when it happens.
        .and(NotForContentType::new("text/event-stream"));
    let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    Ok(routes
        .route(paths::OPENAPI, get(async move || (json, document)))
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_method)
        .layer(middleware::from_fn_with_state(queries, knows_its_query))
        .layer(CompressionLayer::new().compress_when(compressed))
        .layer(middleware::from_fn_with_state(app.clone(), auth::guard))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(app.clone(), counted))
        .with_state(app))
}

fn every_route(none: OpenApiRouter<App>, app: &App) -> OpenApiRouter<App> {
    let listeners = middleware::from_fn_with_state(app.clone(), listening::takes_a_turn);
    #[cfg(feature = "evolution")]
    let none = none.merge(super::evolution::routes());
    none.merge(tasks::routes())
        .merge(dead_letters::routes())
        .merge(agents::routes())
        .merge(refinements::routes())
        .merge(integrations::routes())
        .merge(events::routes().layer(listeners))
        .merge(health::routes())
        .merge(genomes::routes())
        .merge(rollouts::routes())
        .merge(keyvalue::routes())
        .merge(reload::routes())
}

/// What each route takes in its query: by its path and then by its method.
type Queries = BTreeMap<String, Vec<(Method, Vec<String>)>>;

/// As the document says it, so that no route is left out and none says otherwise.
fn queries(document: &utoipa::openapi::OpenApi) -> Queries {
    let in_query = |operation: &Operation| {
        let parameters = operation.parameters.iter().flatten();
        let in_query = parameters.filter_map(|one| match one {
            RefOr::T(one) if one.parameter_in == ParameterIn::Query => Some(one.name.clone()),
            _ => None,
        });
        in_query.collect::<Vec<_>>()
    };
    let of_path = |item: &PathItem| {
        let operations = [
            (Method::GET, &item.get),
            (Method::POST, &item.post),
            (Method::PUT, &item.put),
            (Method::DELETE, &item.delete),
        ];
        let known = operations
            .into_iter()
            .filter_map(|(method, operation)| Some((method, in_query(operation.as_ref()?))));
        known.collect()
    };
    document.paths.paths.iter().map(|(path, item)| (path.clone(), of_path(item))).collect()
}

/// Probes and scrapers are given parameters of their own, which change nothing here.
const FOR_PROBES: [&str; 4] = [paths::LIVEZ, paths::READYZ, paths::HEALTH, paths::METRICS];

/// Refuses what a route does not know.
async fn knows_its_query(
    State(queries): State<Arc<Queries>>,
    request: Request,
    next: Next,
) -> Response {
    let Some(route) = request.extensions().get::<MatchedPath>() else {
        return next.run(request).await;
    };
    if FOR_PROBES.contains(&route.as_str()) {
        return next.run(request).await;
    }
    let method = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
    let mut of_route = queries.get(route.as_str()).into_iter().flatten();
    let known = of_route.find(|(known, _)| known == method);
    let known = known.map_or(&[][..], |(_, known)| known);
    match must_be_known(request.uri(), known) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

async fn no_such_route(request: Request) -> Problem {
    let message = format!(
        "there is no {}; {} lists what there is",
        request.uri().path().escape_default().take(LONGEST_PATH).collect::<String>(),
        paths::OPENAPI
    );
    Problem::new(StatusCode::NOT_FOUND, code::NO_SUCH_ROUTE, message)
}

async fn no_such_method(method: Method) -> Problem {
    let message = format!("{method} is not for this path; {} lists what is", paths::OPENAPI);
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, code::NO_SUCH_METHOD, message)
}

fn panicked(_panic: Box<dyn std::any::Any + Send>) -> Response {
    // The panic itself is in the log already.
    let message = "something failed in the host; its log says what";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, code::INTERNAL, message).into_response()
}

/// The headers that name a trace; none where two do, since which of them counts would be
/// a guess.
fn trace_headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    if headers.get_all("traceparent").iter().count() != 1 {
        return BTreeMap::new();
    }
    let text = |name: &str| Some((name.to_owned(), headers.get(name)?.to_str().ok()?.to_owned()));
    ["traceparent", "tracestate"].into_iter().filter_map(text).collect()
}

/// Counts a request, and gives its answer an id to be found by in the log.
async fn counted(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(&request);
    let method = known(request.method());
    // One of ours; the path as typed could be anything.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("(none)", |route| route.as_str());
    let trace =
        app.fabric.telemetry().request_trace(&trace_headers(request.headers()), method, route);
    request.extensions_mut().insert(trace.clone());
    let mut response = next.run(request).await;
    let status = response.status().as_u16();
    trace.answered(status);
    app.fabric.telemetry().http_answered(route, method, status, started.elapsed());
    let request = id.to_str().unwrap_or_default();
    tracing::debug!(method, route, status, request, "answered");
    if REFUSED.contains(&status) {
        let code = response.extensions().get::<Code>().map_or("-", |Code(code)| &**code);
        app.refusals.note(&Refusal { method, route, status, code, request });
    }
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// The client's own where it sent one that can be shown.
fn request_id(request: &Request) -> HeaderValue {
    let theirs = request.headers().get(REQUEST_ID);
    let fits = |id: &&HeaderValue| {
        (1..=REQUEST_ID_BYTES).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
    };
    theirs.filter(fits).cloned().unwrap_or_else(|| {
        let id = Uuid::now_v7().to_string();
        HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("-"))
    })
}

/// A method may be any word; a label may not.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::OPTIONS => "OPTIONS",
        _ => "(other)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_traces_none_counts() {
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", HeaderValue::from_static("00-1-2-01"));
        headers.insert("tracestate", HeaderValue::from_static("vendor=1"));
        assert_eq!(trace_headers(&headers)["traceparent"], "00-1-2-01");
        assert_eq!(trace_headers(&headers)["tracestate"], "vendor=1");
        headers.append("traceparent", HeaderValue::from_static("00-3-4-01"));
        assert!(trace_headers(&headers).is_empty());
    }
}
