//! The only reader of traps: from the engine's errors to whose fault it is.

use std::fmt::{self, Write};

use chimera_layer4_core::telemetry::LogLine;
use chimera_layer4_core::{
    Breach, Call, Fault, GuestFault, HostFault, LimitSource, QuotaKind, TrapCode,
};
use wasmtime::component::ResourceTableError;
use wasmtime::{Error, PoolConcurrencyLimitError, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi_http::FieldMapError;

use super::engine::{CORE_INSTANCES_PER_COMPONENT, MEMORIES_PER_COMPONENT, TABLES_PER_COMPONENT};
use super::guest_text::{TEXT_BYTES, sanitize};
use super::limits::ceilings::{BYTES_PER_HOST_CALL, FIELD_BYTES, HANDLES};
use super::limits::cpu::HostPanic;
use super::limits::memory::OverMemory;
use super::limits::pool::Short;

/// Frames of the guest shown with a trap.
const FRAMES: usize = 5;

/// What is in the line with which the report of a panic begins: Rust's, Go's.
const PANICS: [&str; 2] = [" panicked at ", "panic: "];
/// Lines at the end of a log among which a panic is looked for.
const LOOKED_AT: usize = 32;
/// Lines of a panic's report that its fault carries.
const PANIC_LINES: usize = 4;
/// Bytes of a log's end that a fault carries.
const LAST_WORDS_BYTES: usize = 1024;

/// The fault for `error`, which ended the call `during`.
pub(crate) fn of_call(error: &Error, during: Call) -> Fault {
    if let Some(over) = error.downcast_ref::<OverMemory>() {
        return of_memory(*over, during);
    }
    if let Some(short) = error.downcast_ref::<Short>() {
        let said = short.to_string();
        return match short {
            Short::Agent { .. } => host_limit(QuotaKind::Descriptors, during, said),
            Short::Host { .. } => HostFault::NoDescriptors { message: said }.into(),
        };
    }
    if let Some(I32Exit(status)) = error.downcast_ref::<I32Exit>() {
        return GuestFault::Exited { during, status: *status, message: String::new() }.into();
    }
    if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
        return HostFault::NoRoom { message: error.to_string() }.into();
    }
    if let Some(ResourceTableError::Full) = error.downcast_ref::<ResourceTableError>() {
        return host_limit(QuotaKind::Handles, during, format!("all {HANDLES} are open"));
    }
    if error.downcast_ref::<FieldMapError>().is_some() {
        let detail = format!("header fields may take {} KiB", FIELD_BYTES >> 10);
        return host_limit(QuotaKind::HostMemory, during, detail);
    }
    if let Some(fault) = of_engine_limit(error, during) {
        return fault;
    }
    let code = error.downcast_ref::<Trap>().map_or(TrapCode::Other, |trap| trap_code(*trap));
    GuestFault::Trap { during, code, message: trap_message(error, code) }.into()
}

/// More memory than the quota was asked for.
pub(crate) fn of_memory(over: OverMemory, during: Call) -> Fault {
    let (quota, set_by, detail) = (QuotaKind::Memory, over.set_by, over.to_string());
    Breach { quota, during, set_by, detail }.into()
}

/// The fault with what the guest wrote last, where it ended in the middle of a
/// call: the trap is the same for every panic, and the message and the place of
/// this one are in the log.
pub(crate) fn with_last_words(fault: Fault, log: &[LogLine]) -> Fault {
    let with = |message: String| {
        let parts = [message, last_words(log)].into_iter().filter(|part| !part.is_empty());
        parts.collect::<Vec<_>>().join(", ")
    };
    match fault {
        Fault::Guest(GuestFault::Trap { during, code, message }) => {
            GuestFault::Trap { during, code, message: with(message) }.into()
        }
        Fault::Guest(GuestFault::Exited { during, status, message }) => {
            GuestFault::Exited { during, status, message: with(message) }.into()
        }
        fault => fault,
    }
}

/// The report of a panic, where one is near the end, or the last line.
fn last_words(log: &[LogLine]) -> String {
    // What Rust says last of a panic, also where an engine is written in it.
    let is_note = |line: &&str| line.starts_with("note: run with `RUST_BACKTRACE=");
    let newest_first = log.iter().rev().map(|line| line.message.trim());
    let said = newest_first.filter(|line| !line.is_empty() && !is_note(line));
    let newest: Vec<&str> = said.take(LOOKED_AT).collect();
    let is_panic = |line: &&str| PANICS.iter().any(|panic| line.contains(panic));
    let start = newest.iter().position(is_panic).unwrap_or(0);
    let report = newest.iter().take(start + 1).rev().take(PANIC_LINES);
    let text = report.copied().collect::<Vec<_>>().join(" ");
    if text.is_empty() {
        return text;
    }
    let kept = text.get(..text.floor_char_boundary(LAST_WORDS_BYTES)).unwrap_or_default();
    let more = if kept.len() < text.len() { "…" } else { "" };
    format!("it last wrote: {kept}{more}")
}

/// A host function panicked.
pub(crate) fn of_panic(panic: &HostPanic, during: Call) -> Fault {
    HostFault::Internal { message: format!("a host function panicked in {during}: {}", panic.0) }
        .into()
}

/// The engine's limits on a component that have no error type of their own.
/// Their words are pinned by the tests of hostile guests.
fn of_engine_limit(error: &Error, during: Call) -> Option<Fault> {
    let text = format!("{error:#}");
    let says = |part: &str| text.contains(part);
    if says("fuel allocated for hostcalls has been exhausted") {
        let detail = format!("one call may hand over {} MiB", BYTES_PER_HOST_CALL >> 20);
        return Some(host_limit(QuotaKind::HostMemory, during, detail));
    }
    if says("handle limit exceeded") {
        return Some(host_limit(QuotaKind::Handles, during, format!("{HANDLES} may be open")));
    }
    if says("resource limit exceeded")
        || says("exceeds the configured maximum")
        || says("per-instance limit")
    {
        let detail = format!(
            "{}; one component may have {CORE_INSTANCES_PER_COMPONENT} core instances, \
             {MEMORIES_PER_COMPONENT} memories and {TABLES_PER_COMPONENT} tables",
            sanitize(&error.root_cause().to_string())
        );
        return Some(host_limit(QuotaKind::Instances, during, detail));
    }
    None
}

fn host_limit(quota: QuotaKind, during: Call, detail: String) -> Fault {
    Breach { quota, during, set_by: LimitSource::Host, detail }.into()
}

fn trap_code(trap: Trap) -> TrapCode {
    match trap {
        Trap::UnreachableCodeReached => TrapCode::Unreachable,
        Trap::StackOverflow => TrapCode::StackOverflow,
        Trap::MemoryOutOfBounds | Trap::HeapMisaligned => TrapCode::MemoryOutOfBounds,
        Trap::TableOutOfBounds => TrapCode::TableOutOfBounds,
        Trap::IndirectCallToNull | Trap::BadSignature | Trap::NullReference => {
            TrapCode::BadIndirectCall
        }
        Trap::IntegerOverflow | Trap::IntegerDivisionByZero | Trap::BadConversionToInteger => {
            TrapCode::Arithmetic
        }
        Trap::CannotEnterComponent
        | Trap::CannotLeaveComponent
        | Trap::CannotBlockSyncTask
        | Trap::InvalidChar
        | Trap::StringOutOfBounds
        | Trap::ListOutOfBounds
        | Trap::InvalidDiscriminant
        | Trap::UnalignedPointer => TrapCode::ComponentModel,
        // The engine's list grows; what is new there is still a trap.
        _ => TrapCode::Other,
    }
}

/// The innermost frames, and the engine's own words where the code says little.
fn trap_message(error: &Error, code: TrapCode) -> String {
    let mut parts = Vec::new();
    if code == TrapCode::Other {
        parts.push(sanitize(&error.root_cause().to_string()));
    }
    if let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() {
        let names: Vec<String> = backtrace
            .frames()
            .iter()
            .filter_map(|f| f.func_name())
            .take(FRAMES)
            .map(readable)
            .collect();
        if !names.is_empty() {
            parts.push(format!("in {}", names.join(" < ")));
        }
    }
    parts.join(", ")
}

/// A function's name as its author wrote it, where Rust's compiler wrote another.
fn readable(symbol: &str) -> String {
    let Ok(name) = rustc_demangle::try_demangle(symbol) else { return sanitize(symbol) };
    let mut kept = Start(String::new());
    // An error: there is more of it, and `sanitize` says so.
    let _ = write!(kept, "{name:#}");
    sanitize(&kept.0)
}

/// The start of a text. A few bytes of a symbol may stand for a long name.
struct Start(String);

impl Write for Start {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() > TEXT_BYTES {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use chimera_layer4_core::telemetry::LogLevel;

    use super::*;

    #[track_caller]
    fn check(log: &[&str], expected: &str) {
        let line = |text: &&str| LogLine { level: LogLevel::Warn, message: (*text).to_owned() };
        let log: Vec<_> = log.iter().map(line).collect();
        let during = Call::ExecuteTask;
        let trap = GuestFault::Trap { during, code: TrapCode::Unreachable, message: String::new() };
        let exited = GuestFault::Exited { during, status: 2, message: String::new() };
        for fault in [trap, exited] {
            let text = with_last_words(fault.into(), &log).to_string();
            assert!(text.ends_with(expected), "{text}");
        }
    }

    #[test]
    fn a_panic_is_reported_with_its_message_and_place() {
        let rust = ["", "thread '<unnamed>' (1) panicked at src/lib.rs:7:9:", "no row", ""];
        let note = "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace";
        let expected = "(it last wrote: thread '<unnamed>' (1) panicked at src/lib.rs:7:9: no row)";
        check(&[&["row 1"], &rust[..], &[note]].concat(), expected);
        let go = ["panic: no row", "", "goroutine 1 [running]:", "main.run(0x7)", "\t/a.go:7", "x"];
        check(&go, "(it last wrote: panic: no row goroutine 1 [running]: main.run(0x7) /a.go:7)");
    }

    #[test]
    fn a_symbol_is_shown_as_its_author_wrote_it_and_within_bounds() {
        let rows = [
            ("read_record", "read_record"),
            ("_ZN4core9panicking5panic17h0123456789abcdefE", "core::panicking::panic"),
            ("_RNvNtCs1234_7mycrate3foo3bar", "mycrate::foo::bar"),
            ("_RNvNtNtCs1_3std3sys5abort14abort_internal", "std::sys::abort::abort_internal"),
            ("_R", "_R"),
            ("_ZN", "_ZN"),
        ];
        for (symbol, name) in rows {
            assert_eq!(readable(symbol), name);
        }
        // Each part names the one before it twice, so that the whole is doubled twelve times.
        let mut bomb = "_RIC0".to_owned();
        let mut before = bomb.len() - 2;
        bomb.push('l');
        for _ in 0..12 {
            let place = base_62(before);
            before = bomb.len() - 2;
            bomb.push_str(&format!("TB{place}B{place}E"));
        }
        bomb.push('E');
        let name = readable(&bomb);
        assert!(name.len() < TEXT_BYTES + 128 && name.ends_with('…'), "{}: {name}", name.len());
    }

    /// As Rust writes the place that a backward reference names.
    fn base_62(place: usize) -> String {
        let digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
        match place.checked_sub(1) {
            None => "_".to_owned(),
            Some(number) => {
                let digit = |n: usize| &digits[n..=n];
                let high = if number >= 62 { digit(number / 62) } else { "" };
                format!("{high}{}_", digit(number % 62))
            }
        }
    }

    #[test]
    fn without_a_panic_the_last_line_is_quoted_within_bounds() {
        check(&["one", "Assertion failed: n > 0 (agent.c: run: 7)", " "], "run: 7))");
        let long = "é".repeat(4096);
        check(&[&long], "é…)");
    }
}
