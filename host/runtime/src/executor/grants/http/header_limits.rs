//! What a guest writes into a request before it is sent, within bounds.
//!
//! wasmtime-wasi-http keeps a method, scheme, path and authority of any length,
//! whether or not the request is ever sent; with thousands of requests in its
//! hands a guest would fill the host's memory. Here what is longer than any
//! server takes is refused, as what is malformed is.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::WasiHttpView as _;
use wasmtime_wasi_http::p2::bindings::http::types::{HostOutgoingRequest as _, Method, Scheme};
use wasmtime_wasi_http::p2::types::HostOutgoingRequest;

use crate::executor::sandbox::Sandbox;

/// Of the interface that the engine's own linking has made.
const TYPES: &str = "wasi:http/types@0.2.12";
/// Bytes of each; RFC 9110 has 8,000 as what everybody should take of a URI.
const WORD_BYTES: usize = 8 * 1024;

type Request = Resource<HostOutgoingRequest>;
type Store<'a> = StoreContextMut<'a, Sandbox>;
type Taken = Result<(), ()>;

/// Puts bounds in the place of what has none.
pub(crate) fn bound(linker: &mut Linker<Sandbox>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut types = linker.instance(TYPES)?;
    super::heads::bound(&mut types)?;
    types.func_wrap(
        "[method]outgoing-request.set-method",
        |mut store: Store<'_>, (request, method): (Request, Method)| {
            if matches!(&method, Method::Other(method) if is_long(method)) {
                return Ok((Taken::Err(()),));
            }
            store.data_mut().adds_to_heads(WORD_BYTES)?;
            Ok((store.data_mut().http().set_method(request, method)?,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-scheme",
        |mut store: Store<'_>, (request, scheme): (Request, Option<Scheme>)| {
            if matches!(&scheme, Some(Scheme::Other(scheme)) if is_long(scheme)) {
                return Ok((Taken::Err(()),));
            }
            store.data_mut().adds_to_heads(WORD_BYTES)?;
            Ok((store.data_mut().http().set_scheme(request, scheme)?,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-authority",
        |mut store: Store<'_>, (request, authority): (Request, Option<String>)| {
            if authority.as_deref().is_some_and(is_long) {
                return Ok((Taken::Err(()),));
            }
            store.data_mut().adds_to_heads(WORD_BYTES)?;
            Ok((store.data_mut().http().set_authority(request, authority)?,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-path-with-query",
        |mut store: Store<'_>, (request, path): (Request, Option<String>)| {
            if path.as_deref().is_some_and(is_long) {
                return Ok((Taken::Err(()),));
            }
            store.data_mut().adds_to_heads(WORD_BYTES)?;
            Ok((store.data_mut().http().set_path_with_query(request, path)?,))
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

fn is_long(word: &str) -> bool {
    word.len() > WORD_BYTES
}
