//! Has a component compiled and keeps what is known of it.
//!
//! For each component that was compiled there is a record of what it is
//! and where its code lies, named by the component's digest and by what decides
//! the code. Where both are there, the host loads without a compiler; where either
//! is gone or damaged, it is compiled again: by a child process (`child`), or, in a
//! program that has none to start, by this process (`here`).

mod child;
mod here;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chimera_layer4_core::config::OptLevel;
use chimera_layer4_core::{Digest, FabricError, FabricResult, Refusal};
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, SemaphorePermit};
use wasmtime::Engine;

use super::cache::CompiledFolder;
use super::inspect::Inspection;
use super::worker::{Answer, COMPONENT, CompileLimits, Job, Request};

use self::here::Threads;

pub use self::child::CompileProgram;

/// Compilers at once; each uses every core.
const COMPILERS: usize = 2;

/// Components that were compiled in this process, for a folder of each. Hosts of one process
/// may share a data folder until they start.
static HERE: AtomicU64 = AtomicU64::new(0);

/// What compiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompileWith {
    /// A child process with limits on its processor time and memory.
    Program(CompileProgram),
    /// A thread of this process, with none: for components that are trusted.
    ThisProcess,
}

/// Compiles, so many components at once.
#[derive(Debug)]
pub(crate) struct Compiler {
    with: CompileWith,
    limits: CompileLimits,
    level: OptLevel,
    folder: Arc<CompiledFolder>,
    permits: Semaphore,
    threads: Threads,
}

/// What is kept of a component that was compiled.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    inspection: Inspection,
    /// Where its code is, within the folder of code.
    code: PathBuf,
    /// The sha256 of that file. It is loaded as machine code, where a bit that a
    /// disk lost would be anything.
    sum: Digest,
}

/// A component that is in the cache.
pub(crate) struct Compiled {
    pub(crate) inspection: Inspection,
    /// Time that compiling took; `None`: there was no need for it.
    pub(crate) compile: Option<Duration>,
}

impl Compiler {
    pub(crate) fn new(
        with: CompileWith,
        limits: CompileLimits,
        level: OptLevel,
        folder: CompiledFolder,
    ) -> Self {
        let (permits, threads) = (Semaphore::new(COMPILERS), Threads::default());
        Self { with, limits, level, folder: Arc::new(folder), permits, threads }
    }

    /// Makes sure that the code of `bytes`, whose digest is `digest`, is in the
    /// cache of `engine`.
    pub(crate) async fn compile(
        &self,
        engine: &Engine,
        bytes: &[u8],
        digest: Digest,
    ) -> FabricResult<Compiled> {
        self.check_size(bytes)?;
        let record = Self::record(engine, &digest);
        if let Some(inspection) = self.known(&record, digest).await {
            return Ok(Compiled { inspection, compile: None });
        }
        let _permit = self.permit().await?;
        // Another caller may have compiled it while this one waited.
        if let Some(inspection) = self.known(&record, digest).await {
            return Ok(Compiled { inspection, compile: None });
        }
        let started = Instant::now();
        let (inspection, code) = self.compiled(bytes).await?;
        let (folder, seen) = (Arc::clone(&self.folder), inspection.clone());
        away(move || match folder.read_code(&code) {
            Ok(bytes) => {
                let sum = Digest::of(&bytes);
                keep_record(&folder, &record, &Record { inspection: seen, code, sum });
            }
            Err(error) => tracing::warn!(%error, "compiled code is gone"),
        })
        .await?;
        Ok(Compiled { inspection, compile: Some(started.elapsed()) })
    }

    async fn known(&self, record: &str, digest: Digest) -> Option<Inspection> {
        let (record, folder) = (record.to_owned(), Arc::clone(&self.folder));
        let known = move || {
            let text = folder.read_record(&record).ok()?;
            let record: Record = serde_json::from_slice(&text).ok()?;
            let sum = Digest::of(&folder.read_code(&record.code).ok()?);
            if sum != record.sum {
                let path = folder.code().join(&record.code);
                tracing::warn!(path = %path.display(), "damaged code is compiled anew");
                return None;
            }
            (record.inspection.digest == digest).then_some(record.inspection)
        };
        away(known).await.ok().flatten()
    }

    /// The record's name holds everything that decides the code; the engine's hash has the level
    /// at which it compiles.
    fn record(engine: &Engine, digest: &Digest) -> String {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        chimera_layer4_contract::world::VERSION.hash(&mut hasher);
        format!("{}-{:016x}.json", digest.hex(), hasher.finish())
    }

    /// Has a component made of a core module.
    pub(crate) async fn componentize(&self, module: &[u8]) -> FabricResult<Vec<u8>> {
        self.check_size(module)?;
        let _permit = self.permit().await?;
        let (own, answered) = self.ask(Job::Componentize, module).await?;
        away(move || {
            let made = answered.and_then(|_| {
                let file = own.join(COMPONENT);
                std::fs::read(&file)
                    .map_err(|error| FabricError::Internal(format!("{}: {error}", file.display())))
            });
            let _ = std::fs::remove_dir_all(&own); // One that was refused left nothing.
            made
        })
        .await?
    }

    fn check_size(&self, bytes: &[u8]) -> FabricResult<()> {
        let (bytes, limit) = (bytes.len() as u64, self.limits.component);
        if bytes > limit { Err(Refusal::TooLarge { bytes, limit }.into()) } else { Ok(()) }
    }

    async fn permit(&self) -> FabricResult<SemaphorePermit<'_>> {
        let permit = self.permits.acquire().await;
        permit.map_err(|_| FabricError::Internal("the compiler was shut down".into()))
    }

    /// One compilation, from its start to its code in the host's folder.
    async fn compiled(&self, bytes: &[u8]) -> FabricResult<(Inspection, PathBuf)> {
        let (own, answered) = self.ask(Job::Compile, bytes).await?;
        let folder = Arc::clone(&self.folder);
        away(move || {
            let adopted = answered.and_then(|inspection| {
                let inspection = inspection.ok_or_else(|| {
                    FabricError::WasmRuntime("the compiler answered something else".into())
                })?;
                let code = folder.adopt(&own).map_err(|error| {
                    FabricError::Internal(format!("{}: {error}", own.display()))
                })?;
                folder.prune();
                Ok((inspection, code))
            });
            if adopted.is_err() {
                // What the compiler left; one that refused left nothing.
                let _ = std::fs::remove_dir_all(&own);
            }
            adopted
        })
        .await?
    }

    /// The folder of one job, and what came of it.
    async fn ask(
        &self,
        job: Job,
        bytes: &[u8],
    ) -> FabricResult<(PathBuf, FabricResult<Option<Inspection>>)> {
        let (limits, level) = (self.limits, self.level);
        let request = |folder| Request { job, folder, bytes: bytes.len() as u64, limits, level };
        match &self.with {
            CompileWith::Program(program) => {
                let mut child = program.start()?;
                let own = self.folder.compiling(&child.id().unwrap_or_default().to_string());
                let answered = program.answer(&mut child, &request(own.clone()), bytes).await;
                Ok((own, answered))
            }
            CompileWith::ThisProcess => {
                let here = HERE.fetch_add(1, Ordering::Relaxed);
                let own = self.folder.compiling(&format!("{}-{here}", std::process::id()));
                let request = request(own.clone());
                let answered = here::answer(request, bytes.to_vec(), &self.threads).await;
                Ok((own, answered))
            }
        }
    }
}

/// What an answer means: of a component, what it is.
fn said(answer: Answer) -> FabricResult<Option<Inspection>> {
    match answer {
        Answer::Compiled(inspection) => Ok(Some(inspection)),
        Answer::Componentized => Ok(None),
        Answer::Refused(refusal) => Err(refusal.into()),
        Answer::Failed(reason) => {
            Err(FabricError::WasmRuntime(format!("the compiler failed: {reason}")))
        }
    }
}

fn too_late(limits: &CompileLimits, size: u64) -> FabricError {
    let secs = limits.wall_for(size).as_secs();
    refused(format!(
        "the compiler was still at it after {secs} s, which is the limit; it grows with \
         `compile_cpu_secs`, and a machine with less to do needs less time"
    ))
}

/// Has something done with the disk, away from the threads that run guests.
async fn away<T: Send + 'static>(what: impl FnOnce() -> T + Send + 'static) -> FabricResult<T> {
    let done = tokio::task::spawn_blocking(what).await;
    done.map_err(|error| FabricError::Internal(format!("compiled code: {error}")))
}

fn refused(reason: String) -> FabricError {
    Refusal::DoesNotCompile { reason }.into()
}

fn keep_record(folder: &CompiledFolder, name: &str, record: &Record) {
    let kept = serde_json::to_vec(record).map_err(std::io::Error::from);
    if let Err(error) = kept.and_then(|text| folder.keep_record(name, &text)) {
        // The next load compiles again, which is slow and not wrong.
        tracing::warn!(name, %error, "the record of a compiled component was not kept");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::cache;

    /// Why a component is refused where the compiling child is this program.
    async fn refusal_of(program: &str, arguments: &[&str]) -> String {
        let base = tempfile::tempdir().unwrap();
        let folder = cache::open(&base.path().join("compiled")).unwrap();
        let arguments = arguments.iter().map(|&argument| argument.into()).collect();
        let program = CompileProgram { program: program.into(), arguments };
        let cpu = Duration::from_secs(30);
        let limits = CompileLimits { address_space: 1 << 30, cpu, component: 1 << 20 };
        let compiler =
            Compiler::new(CompileWith::Program(program), limits, OptLevel::Speed, folder);
        compiler.componentize(b"anything").await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn a_compiler_that_panics_is_refused_like_one_that_is_ended() {
        // It reads all that it is sent first, so that the pipe is not broken.
        let error = refusal_of("/bin/sh", &["-c", "cat >/dev/null; exit 101"]).await;
        for message in ["want of more than 1024 MiB", "`compile_memory_mb`"] {
            assert!(error.contains(message), "{error}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_compiler_that_does_not_end_is_ended_and_the_setting_named() {
        let error = refusal_of("/bin/sleep", &["100000"]).await;
        for message in ["still at it after 66 s, which is the limit", "`compile_cpu_secs`"] {
            assert!(error.contains(message), "{error}");
        }
    }
}
