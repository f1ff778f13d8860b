//! The only reader of traps: from the engine's errors to whose fault it is.

use chimera_layer4_core::{
    Breach, Call, Fault, GuestFault, HostFault, LimitSource, QuotaKind, TrapCode,
};
use wasmtime::component::ResourceTableError;
use wasmtime::{Error, PoolConcurrencyLimitError, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi_http::FieldMapError;

use super::bindings::words;
use super::engine::{CORE_INSTANCES_PER_COMPONENT, MEMORIES_PER_COMPONENT, TABLES_PER_COMPONENT};
use super::grants::http::FIELD_BYTES;
use super::limits::cpu::HostPanic;
use super::limits::memory::OverMemory;
use super::sandbox::{BYTES_PER_HOST_CALL, HANDLES};

/// Frames of the guest shown with a trap.
const FRAMES: usize = 5;

/// Who is to blame for `error`, which ended `during`.
pub(crate) fn of_call(error: &Error, during: Call) -> Fault {
    if let Some(over) = error.downcast_ref::<OverMemory>() {
        let (quota, set_by, detail) = (QuotaKind::Memory, over.set_by, over.to_string());
        return Breach { quota, during, set_by, detail }.into();
    }
    if let Some(I32Exit(status)) = error.downcast_ref::<I32Exit>() {
        return GuestFault::Exited { during, status: *status }.into();
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
            words(&error.root_cause().to_string())
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
        parts.push(words(&error.root_cause().to_string()));
    }
    if let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() {
        let names: Vec<String> = backtrace
            .frames()
            .iter()
            .filter_map(|f| f.func_name())
            .take(FRAMES)
            .map(words)
            .collect();
        if !names.is_empty() {
            parts.push(format!("in {}", names.join(" < ")));
        }
    }
    parts.join(", ")
}
