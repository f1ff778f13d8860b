//! `wasi:otel/tracing`: spans by their ids.

use super::bindings::wasi::otel::tracing::{Host, SpanContext, SpanData, Status, TraceFlags};
use super::{Otel, View, pairs};
use crate::sandbox::context::HostContext;
use crate::sandbox::context::recorder::SpanHandle;

/// The spans that this run began, by id; no more than the recorder keeps.
#[derive(Debug, Default)]
pub(crate) struct Spans(Vec<(u64, SpanHandle)>);

impl Spans {
    fn find(&self, id: &str) -> Option<&SpanHandle> {
        let id = u64::from_str_radix(id, 16).ok()?;
        self.0.iter().find(|(known, _)| *known == id).map(|(_, span)| span)
    }
}

impl Host for View<'_, Otel> {
    fn on_start(&mut self, context: SpanContext) -> wasmtime::Result<()> {
        let HostContext { recorder, .. } = &mut *self.context;
        let Ok(id) = u64::from_str_radix(&context.span_id, 16) else { return Ok(()) };
        // What an earlier run began is none of this one's.
        self.state.0.retain(|(_, span)| recorder.has(span));
        // Its name comes with its end.
        let span = recorder.open(&format!("unfinished {id:016x}"));
        if recorder.has(&span) {
            self.state.0.push((id, span));
        }
        Ok(())
    }

    fn on_end(&mut self, data: SpanData) -> wasmtime::Result<()> {
        let HostContext { recorder, .. } = &mut *self.context;
        let Some(span) = self.state.find(&data.span_context.span_id) else { return Ok(()) };
        recorder.rename(span, &data.name, self.state.find(&data.parent_span_id));
        if let Status::Error(why) = &data.status {
            recorder.describe(span, "error", why);
        }
        for (name, value) in pairs(&data.attributes) {
            recorder.describe(span, name, &value);
        }
        recorder.end(span);
        Ok(())
    }

    /// The host's own span is in the task's metadata, for guests that go on from it.
    /// Here none is named: a guest's first span has no parent in its library, and is
    /// put into the host's span of the run when it arrives.
    fn outer_span_context(&mut self) -> wasmtime::Result<SpanContext> {
        Ok(SpanContext {
            trace_id: "0".repeat(32),
            span_id: "0".repeat(16),
            trace_flags: TraceFlags::empty(),
            is_remote: false,
            trace_state: Vec::new(),
        })
    }
}
