//! What a guest writes into a request before it is sent, within bounds.
//!
//! wasmtime-wasi-http keeps a method, scheme, path and authority of any length,
//! whether or not the request is ever sent; with thousands of requests in its
//! hands a guest would fill the host's memory. Here what is longer than any
//! server takes is refused, as what is malformed is.
//!
//! Ten of the sixty functions of `wasi:http/types` are bounded. They are put in the
//! engine's place by name: its implementation of the generated traits cannot be
//! changed in part, and one of our own would repeat the other fifty.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::p2::bindings::http::types::{HostOutgoingRequest as _, Method, Scheme};
use wasmtime_wasi_http::p2::types::HostOutgoingRequest;

use super::heads::adds_to_heads;
use super::{Http, engines_view};
use crate::sandbox::capability::Provides;

/// Of the interface that the engine's own linking has made.
const TYPES: &str = "wasi:http/types@0.2.12";
/// Bytes of each; RFC 9110 recommends that all implementations take URIs of 8,000.
const WORD_BYTES: usize = 8 * 1024;

type Request = Resource<HostOutgoingRequest>;
type Store<'a, T> = StoreContextMut<'a, T>;
type Taken = Result<(), ()>;

/// Puts bounds in the place of what has none.
pub(super) fn bound<T: Provides<Http>>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut types = linker.instance(TYPES)?;
    super::heads::bound(&mut types)?;
    types.func_wrap(
        "[method]outgoing-request.set-method",
        |mut store: Store<'_, T>, (request, method): (Request, Method)| {
            if matches!(&method, Method::Other(method) if is_long(method)) {
                return Ok((Taken::Err(()),));
            }
            adds_to_heads(store.data_mut(), WORD_BYTES)?;
            Ok((engines_view(store.data_mut()).set_method(request, method)?,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-scheme",
        |mut store: Store<'_, T>, (request, scheme): (Request, Option<Scheme>)| {
            if matches!(&scheme, Some(Scheme::Other(scheme)) if is_long(scheme)) {
                return Ok((Taken::Err(()),));
            }
            adds_to_heads(store.data_mut(), WORD_BYTES)?;
            Ok((engines_view(store.data_mut()).set_scheme(request, scheme)?,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-authority",
        |mut store: Store<'_, T>, (request, authority): (Request, Option<String>)| {
            if authority.as_deref().is_some_and(is_long) {
                return Ok((Taken::Err(()),));
            }
            adds_to_heads(store.data_mut(), WORD_BYTES)?;
            Ok((engines_view(store.data_mut()).set_authority(request, authority)?,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-path-with-query",
        |mut store: Store<'_, T>, (request, path): (Request, Option<String>)| {
            if path.as_deref().is_some_and(is_long) {
                return Ok((Taken::Err(()),));
            }
            adds_to_heads(store.data_mut(), WORD_BYTES)?;
            Ok((engines_view(store.data_mut()).set_path_with_query(request, path)?,))
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

fn is_long(word: &str) -> bool {
    word.len() > WORD_BYTES
}
