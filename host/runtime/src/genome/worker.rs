//! The compiling child: one component in, one answer out.
//!
//! Compiling untrusted code is attack surface: a small file can make a
//! compiler use minutes and gigabytes. So a process of its own does it, with
//! limits that the system enforces, set before the first byte is read. The
//! host only ever loads what such a child finished, or what its own process
//! compiled where it has no program to start as the child.

use std::io::{self, BufRead, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chimera_layer4_core::config::OptLevel;
use chimera_layer4_core::quota::MEBIBYTE;
use chimera_layer4_core::{FabricError, FabricResult, Refusal};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};
use wasmtime::component::Component;

use super::inspect::{Inspection, inspect};
use crate::sandbox::{engine, store};
use chimera_layer4_contract::componentize::componentize;

/// What one compilation may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompileLimits {
    /// Bytes of address space.
    pub address_space: u64,
    /// Processor time, over all its threads, before [`CPU_SECS_PER_MIB`] is added.
    pub cpu: Duration,
    /// Bytes of the component.
    pub component: u64,
}

/// Seconds of processor time that each mebibyte of a component adds, the last one
/// counted whole. An interpreter of 12 MiB took 2 s a mebibyte on the slowest
/// machine seen; the rest is room for one that is slower.
pub const CPU_SECS_PER_MIB: u64 = 3;

/// Wall time that a compilation has at the least, however little processor time
/// it may take: the machine may be busy with other things.
const LEAST_WALL: Duration = Duration::from_secs(30);

impl CompileLimits {
    /// Processor time for a component of so many bytes.
    pub(super) fn cpu_for(&self, bytes: u64) -> Duration {
        let grown = CPU_SECS_PER_MIB.saturating_mul(bytes.div_ceil(MEBIBYTE));
        self.cpu.saturating_add(Duration::from_secs(grown))
    }

    /// Wall time for a component of so many bytes.
    pub(super) fn wall_for(&self, bytes: u64) -> Duration {
        self.cpu_for(bytes).saturating_mul(2).max(LEAST_WALL)
    }
}

/// What the child is to do with the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Job {
    /// Look at a component and compile it.
    Compile,
    /// Make a component of a core module.
    Componentize,
}

/// What the host asks of the child, on one line before the bytes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) job: Job,
    /// A folder for this child alone, where it leaves what it made.
    pub(super) folder: PathBuf,
    /// Bytes that follow.
    pub(super) bytes: u64,
    pub(super) limits: CompileLimits,
    /// How far to optimise. The host loads code of its own level alone.
    pub(super) level: OptLevel,
}

/// A request is a path and a few numbers.
const REQUEST_BYTES: u64 = 64 * 1024;

/// What the child says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// The compiled code is in the child's folder.
    Compiled(Inspection),
    /// The component is in the child's folder, under [`COMPONENT`].
    Componentized,
    /// The component is not fit to be an agent.
    Refused(Refusal),
    /// The child could not do its work.
    Failed(String),
}

/// What a component that was made of a module is called.
pub(super) const COMPONENT: &str = "component.wasm";

/// Does the child's work on its standard input and output.
///
/// The program that embeds the host calls this, and nothing else, when it is
/// started as the compiling child.
///
/// # Errors
/// When the answer cannot be written, which the parent sees as a dead child.
pub fn serve() -> io::Result<()> {
    let answer = match read_request(&mut io::stdin().lock()) {
        Ok((request, bytes)) => answer(&request, &bytes),
        Err(error) => Answer::Failed(format!("the request could not be read: {error}")),
    };
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, &answer)?;
    out.flush()
}

fn read_request(input: &mut impl BufRead) -> io::Result<(Request, Vec<u8>)> {
    let mut line = Vec::new();
    input.by_ref().take(REQUEST_BYTES).read_until(b'\n', &mut line)?;
    let request: Request = serde_json::from_slice(&line)?;
    confine(&request)?;
    let mut bytes = Vec::new();
    input.take(request.bytes.min(request.limits.component)).read_to_end(&mut bytes)?;
    Ok((request, bytes))
}

/// Sets the limits on this process. They bind its threads too, and no later
/// call can lift them.
fn confine(Request { bytes, limits, .. }: &Request) -> io::Result<()> {
    // What is made here is this user's alone, also where the process is killed.
    rustix::process::umask(rustix::fs::Mode::from_bits_truncate(0o077));
    let set = |resource, soft: u64, hard: u64| {
        // A limit that is tighter already stays.
        let hard = getrlimit(resource).maximum.map_or(hard, |now| now.min(hard));
        setrlimit(resource, Rlimit { current: Some(soft.min(hard)), maximum: Some(hard) })
    };
    set(Resource::As, limits.address_space, limits.address_space)?;
    // The soft limit ends the process by a signal that says why, the hard one
    // by one that others send too.
    let cpu = limits.cpu_for(*bytes).as_secs().max(1);
    set(Resource::Cpu, cpu, cpu + 2)?;
    set(Resource::Core, 0, 0)?;
    Ok(())
}

/// Does one job.
pub(super) fn answer(request: &Request, bytes: &[u8]) -> Answer {
    match request.job {
        Job::Compile => compiled(request, bytes),
        Job::Componentize => componentized(request, bytes),
    }
}

fn componentized(request: &Request, bytes: &[u8]) -> Answer {
    let component = match componentize(bytes) {
        Ok(component) => component,
        Err(unfit) => return Answer::Refused(unfit.into()),
    };
    let folder = &request.folder;
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(folder.join(COMPONENT), component));
    match written {
        Ok(()) => Answer::Componentized,
        Err(error) => Answer::Failed(format!("{}: {error}", folder.display())),
    }
}

fn compiled(request: &Request, bytes: &[u8]) -> Answer {
    let inspection = match inspect(bytes) {
        Ok(inspection) => inspection,
        Err(refusal) => return Answer::Refused(refusal),
    };
    match compile(&request.folder, request.level, bytes) {
        Ok(None) => Answer::Compiled(inspection),
        Ok(Some(refusal)) => Answer::Refused(refusal),
        Err(error) => Answer::Failed(error.to_string()),
    }
}

/// Compiles into `folder` and links once, so that what the host loads works.
fn compile(folder: &Path, level: OptLevel, bytes: &[u8]) -> FabricResult<Option<Refusal>> {
    let engine = engine::compiler(folder, level)?;
    let failed = |error: wasmtime::Error| FabricError::WasmRuntime(format!("{error:#}"));
    let component = match Component::new(&engine, bytes) {
        Ok(component) => component,
        Err(error) => return Ok(Some(Refusal::DoesNotCompile { reason: format!("{error:#}") })),
    };
    let linker = store::linker(&engine).map_err(failed)?;
    if let Err(error) = linker.instantiate_pre(&component) {
        let reasons = vec![format!("an import does not fit: {error:#}")];
        let contract = chimera_layer4_contract::world::VERSION.into();
        return Ok(Some(Refusal::WrongContract { contract, reasons }));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: CompileLimits =
        CompileLimits { address_space: 1 << 30, cpu: Duration::from_secs(10), component: 1 << 20 };

    fn request(folder: &Path) -> Request {
        let folder = folder.to_path_buf();
        Request { job: Job::Compile, folder, bytes: 4, limits: LIMITS, level: OptLevel::Speed }
    }

    #[test]
    fn time_grows_with_each_mebibyte_that_is_begun() {
        let secs =
            |bytes| [LIMITS.cpu_for(bytes), LIMITS.wall_for(bytes)].map(|limit| limit.as_secs());
        assert_eq!(secs(0), [10, 30]);
        assert_eq!(secs(1), [13, 30]);
        assert_eq!(secs(MEBIBYTE), [13, 30]);
        assert_eq!(secs(MEBIBYTE + 1), [16, 32]);
        assert_eq!(secs(12 * MEBIBYTE), [46, 92]);
        let most = CompileLimits { cpu: Duration::MAX, ..LIMITS };
        assert_eq!(most.cpu_for(u64::MAX), Duration::MAX);
    }

    #[test]
    fn what_is_no_agent_is_refused_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let empty = wat::parse_str("(component)").unwrap();
        for bytes in [&b"text"[..], &empty] {
            assert!(matches!(answer(&request(folder.path()), bytes), Answer::Refused(_)));
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_compiles_leaves_its_code_and_what_does_not_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let component = wat::parse_str("(component (core module (func)))").unwrap();
        assert_eq!(compile(folder.path(), OptLevel::None, &component).unwrap(), None);
        assert!(folder.path().join("modules").is_dir());

        let import = r#"(component (import "wasi:random/random@0.2.0" (instance
            (export "get-random-u64" (func (result string))))))"#;
        let import = wat::parse_str(import).unwrap();
        let refusal = compile(folder.path(), OptLevel::None, &import).unwrap().unwrap();
        assert!(refusal.to_string().contains("an import does not fit"), "{refusal}");
    }
}
