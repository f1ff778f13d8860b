//! What the heads that a guest keeps take of the host's memory, charged to it.
//!
//! Each set of fields is bounded by itself, and a guest may have thousands. They
//! are wasmtime-wasi-http's, so a charge cannot lie in each. Instead each call
//! that may add to them says by how much at the most; when that comes to a step,
//! what there is is looked through and charged as it is.

use http::HeaderMap;
use wasmtime::StoreContextMut;
use wasmtime::component::{LinkerInstance, Resource, ResourceTable};
use wasmtime_wasi_http::FieldMap;
use wasmtime_wasi_http::p2::HeaderError;
use wasmtime_wasi_http::p2::bindings::http::types::{
    self, HostFields as _, HostOutgoingRequest as _, Method, Scheme,
};
use wasmtime_wasi_http::p2::types::{
    HostFutureIncomingResponse, HostIncomingResponse, HostOutgoingRequest,
};

use super::{CHUNK_BYTES, Client, FIELD_BYTES, Http, REQUESTS, engines_view};
use crate::sandbox::capability::{Provides, View};
use crate::sandbox::limits::memory::{Charge, OverMemory};

/// What may be added before it is looked through and charged.
const STEP_BYTES: usize = 128 * 1024;
/// What a name and a value take besides their bytes.
const FIELD_OVERHEAD: usize = 128;
/// What a body that is being sent may keep.
const BODY_BYTES: usize = 2 * CHUNK_BYTES;

type Store<'a, T> = StoreContextMut<'a, T>;
type Fields = Resource<FieldMap>;

/// What an instance keeps of heads.
#[derive(Debug)]
pub(crate) struct Heads {
    /// What was added since the last look, at the most.
    added: usize,
    charge: Charge,
}

impl Heads {
    pub(crate) fn new(charge: Charge) -> Self {
        Self { added: 0, charge }
    }

    fn add(&mut self, bytes: usize, table: &mut ResourceTable) -> Result<(), OverMemory> {
        self.added = self.added.saturating_add(bytes);
        if self.added < STEP_BYTES {
            return Ok(());
        }
        self.added = 0;
        let mut pending = 0;
        let mut kept = 0;
        for entry in table.iter_mut() {
            let response = entry.downcast_ref();
            if let Some(HostFutureIncomingResponse::Pending(_)) = response {
                pending += 1;
            }
            kept += bytes_of(entry);
        }
        // The others were denied, or are from an earlier call and cut.
        kept += pending.min(REQUESTS) * (FIELD_BYTES + BODY_BYTES);
        self.charge.change(kept)
    }
}

/// Counts the bytes that a call may add to the heads that are kept.
pub(super) fn adds_to_heads<T: Provides<Http>>(
    inside: &mut T,
    bytes: usize,
) -> wasmtime::Result<()> {
    let View { context, state: Client { heads, .. } } = inside.view();
    Ok(heads.add(bytes, &mut context.table)?)
}

/// What an entry of the table keeps of heads, and of bodies that are being sent.
fn bytes_of(entry: &mut (dyn std::any::Any + Send)) -> usize {
    if let Some(fields) = entry.downcast_ref::<FieldMap>() {
        return of_fields(fields);
    }
    if let Some(response) = entry.downcast_ref::<HostIncomingResponse>() {
        return of_fields(&response.headers);
    }
    if let Some(request) = entry.downcast_ref::<HostOutgoingRequest>() {
        let HostOutgoingRequest { method, scheme, authority, path_with_query, headers, body } =
            request;
        let long = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let method = if let Method::Other(method) = method { method.len() } else { 0 };
        let scheme = if let Some(Scheme::Other(scheme)) = scheme { scheme.len() } else { 0 };
        let body = if body.is_some() { BODY_BYTES } else { 0 };
        let names = method + scheme + long(authority) + long(path_with_query);
        return names + body + of_fields(headers);
    }
    match entry.downcast_ref::<HostFutureIncomingResponse>() {
        Some(HostFutureIncomingResponse::Ready(Ok((response, _)))) => of_fields(response.headers()),
        Some(_) | None => 0,
    }
}

fn of_fields(fields: &HeaderMap) -> usize {
    let fields = fields.iter();
    fields.map(|(name, value)| name.as_str().len() + value.len() + FIELD_OVERHEAD).sum()
}

/// Puts functions that count in the place of those that add to heads.
pub(super) fn bound<T: Provides<Http>>(types: &mut LinkerInstance<'_, T>) -> wasmtime::Result<()> {
    types.func_wrap(
        "[static]fields.from-list",
        |mut store: Store<'_, T>, (entries,): (Vec<(String, Vec<u8>)>,)| {
            let bytes = entries.iter().map(|(name, value)| name.len() + value.len());
            adds_to_heads(store.data_mut(), bytes.map(|bytes| bytes + FIELD_OVERHEAD).sum())?;
            answer(engines_view(store.data_mut()).from_list(entries))
        },
    )?;
    types.func_wrap(
        "[method]fields.append",
        |mut store: Store<'_, T>, (fields, name, value): (Fields, String, Vec<u8>)| {
            adds_to_heads(store.data_mut(), name.len() + value.len() + FIELD_OVERHEAD)?;
            answer(engines_view(store.data_mut()).append(fields, name, value))
        },
    )?;
    types.func_wrap(
        "[method]fields.set",
        |mut store: Store<'_, T>, (fields, name, values): (Fields, String, Vec<Vec<u8>>)| {
            let bytes = values.iter().map(|value| name.len() + value.len() + FIELD_OVERHEAD);
            adds_to_heads(store.data_mut(), bytes.sum())?;
            answer(engines_view(store.data_mut()).set(fields, name, values))
        },
    )?;
    types.func_wrap("[method]fields.clone", |mut store: Store<'_, T>, (fields,): (Fields,)| {
        // It shares what it is a copy of until either is changed.
        adds_to_heads(store.data_mut(), FIELD_BYTES)?;
        Ok((types::HostFields::clone(&mut engines_view(store.data_mut()), fields)?,))
    })?;
    types.func_wrap(
        "[method]outgoing-request.body",
        |mut store: Store<'_, T>, (request,): (Resource<HostOutgoingRequest>,)| {
            adds_to_heads(store.data_mut(), BODY_BYTES)?;
            Ok((engines_view(store.data_mut()).body(request)?,))
        },
    )?;
    types.func_wrap(
        "[method]future-incoming-response.get",
        |mut store: Store<'_, T>, (response,): (Resource<HostFutureIncomingResponse>,)| {
            let got = types::HostFutureIncomingResponse::get(
                &mut engines_view(store.data_mut()),
                response,
            )?;
            if let Some(Ok(Ok(_))) = &got {
                adds_to_heads(store.data_mut(), FIELD_BYTES)?;
            }
            Ok((got,))
        },
    )
}

type Answer<T> = wasmtime::Result<(Result<T, types::HeaderError>,)>;

fn answer<T>(done: Result<T, HeaderError>) -> Answer<T> {
    Ok((match done {
        Ok(done) => Ok(done),
        Err(error) => Err(error.downcast()?),
    },))
}
