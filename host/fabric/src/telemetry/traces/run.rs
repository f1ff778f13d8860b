//! One run as a span, and the guest's own spans inside it.

use std::collections::BTreeMap;
use std::time::SystemTime;

use chimera_layer4_core::telemetry::Span as GuestSpan;
use chimera_layer4_core::{Digest, Task};
use chimera_layer4_runtime::RunReport;
use chimera_layer4_runtime::sandbox::AgentSetup;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{SpanBuilder, SpanKind, Status, TraceContextExt, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::SdkTracer;

use super::{Collected, Identified, Reader, Traces, Writer, extract};

/// A run that is traced. Dropped before it ended, the span says so by
/// having no status.
pub(crate) struct RunTrace {
    at: Context,
    began: SystemTime,
    guest: SdkTracer,
}

impl Traces {
    /// Begins the span of a run, inside the one that the task came with.
    pub(crate) fn run(
        &self,
        task: &Task,
        attempt: u32,
        agent: &AgentSetup,
        genome: Digest,
    ) -> Option<RunTrace> {
        let Collected { host, guest, .. } = self.collected.as_ref()?;
        let parent = extract(&Reader(&task.metadata));
        let began = SystemTime::now();
        let span = SpanBuilder::from_name(format!("run {}", agent.agent_type))
            .with_kind(SpanKind::Consumer)
            .with_start_time(began)
            .with_attributes([
                KeyValue::new("chimera.task.id", task.id.to_string()),
                KeyValue::new("chimera.task.attempt", i64::from(attempt)),
                KeyValue::new("chimera.task.priority", task.priority.to_string()),
                KeyValue::new("chimera.agent.type", agent.agent_type.clone()),
                KeyValue::new("chimera.agent.id", agent.agent_id.to_string()),
                KeyValue::new("chimera.genome", genome.to_string()),
            ]);
        let span = host.build_with_context(span, &parent);
        Some(RunTrace { at: parent.with_span(span), began, guest: guest.clone() })
    }
}

impl RunTrace {
    /// What the guest is handed in place of the submitter's own.
    pub(crate) fn metadata(&self) -> BTreeMap<String, String> {
        let mut carried = BTreeMap::new();
        super::propagator().inject_context(&self.at, &mut Writer(&mut carried));
        carried
    }

    pub(crate) fn id(&self) -> Option<String> {
        self.at.id()
    }

    /// Ends the span with what the run came to, and tells the guest's own.
    pub(crate) fn ended(self, report: &RunReport) {
        let span = self.at.span();
        if !span.is_recording() {
            return;
        }
        self.tell_guests(report);
        let usage = &report.usage;
        span.set_attribute(KeyValue::new("chimera.cpu_seconds", usage.cpu_seconds));
        span.set_attribute(KeyValue::new("chimera.memory_peak_mb", usage.memory_peak_mb));
        match &report.result {
            Ok(_) => span.set_status(Status::Ok),
            Err(fault) => {
                span.set_attribute(KeyValue::new("error.type", fault.code()));
                span.set_status(Status::error(fault.to_string()));
            }
        }
        span.end();
    }

    /// The guest had the task when an instance was free and, where it needed a
    /// new one, that was made. Its spans are bounded in number and in words.
    fn tell_guests(&self, report: &RunReport) {
        let lead = report.waited + report.new_instance.unwrap_or_default();
        let from = self.began + lead;
        let mut told: Vec<Context> = Vec::with_capacity(report.telemetry.spans.len());
        for GuestSpan { name, parent, start, duration, attributes } in &report.telemetry.spans {
            // A parent is always opened before what is inside it.
            let inside = parent.and_then(|index| told.get(index)).unwrap_or(&self.at);
            let (began, ended) = (from + *start, from + *start + *duration);
            let pairs = attributes.iter();
            let pairs = pairs.map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
            let span =
                SpanBuilder::from_name(name.clone()).with_start_time(began).with_attributes(pairs);
            let span = self.guest.build_with_context(span, inside);
            let inside = inside.with_span(span);
            inside.span().end_with_timestamp(ended);
            told.push(inside);
        }
    }
}
