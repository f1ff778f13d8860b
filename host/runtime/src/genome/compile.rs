//! Has a component compiled by the child and keeps what is known of it.
//!
//! For each component that a child finished there is a record of what it is
//! and where its code lies, named by the component's digest and by what decides
//! the code. Where both are there, the host loads without a child; where either
//! is gone or damaged, a child compiles again. The host never does.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chimera_layer4_core::{Digest, FabricError, FabricResult, Refusal};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;
use wasmtime::Engine;

use super::cache::CompiledFolder;
use super::inspect::Inspection;
use super::worker::{Answer, COMPONENT, CPU_SECS_PER_MIB, CompileLimits, Job, Request};

/// An answer is an inspection or a refusal, a few kilobytes.
const ANSWER_BYTES: u64 = 1 << 20;
/// Compilers at once; each uses every core.
const COMPILERS: usize = 2;

/// The program that compiles, and its argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileProgram {
    /// The program.
    pub program: PathBuf,
    /// The arguments that make it call [`serve`](super::worker::serve).
    pub arguments: Vec<String>,
}

/// Runs compiling children.
#[derive(Debug)]
pub(crate) struct Compiler {
    program: CompileProgram,
    limits: CompileLimits,
    folder: Arc<CompiledFolder>,
    permits: Semaphore,
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
    /// Time in the child; `None`: there was no need for one.
    pub(crate) compile: Option<Duration>,
}

/// How a Rust program ends that panicked.
const PANICKED: i32 = 101;

impl Compiler {
    pub(crate) fn new(
        program: CompileProgram,
        limits: CompileLimits,
        folder: CompiledFolder,
    ) -> Self {
        Self { program, limits, folder: Arc::new(folder), permits: Semaphore::new(COMPILERS) }
    }

    /// Makes sure that the code of `bytes`, whose digest is `digest`, is in the
    /// cache of `engine`.
    pub(crate) async fn compile(
        &self,
        engine: &Engine,
        bytes: &[u8],
        digest: Digest,
    ) -> FabricResult<Compiled> {
        let size = bytes.len() as u64;
        if size > self.limits.component {
            return Err(Refusal::TooLarge { bytes: size, limit: self.limits.component }.into());
        }
        let record = Self::record(engine, &digest);
        if let Some(inspection) = self.known(&record, digest).await {
            return Ok(Compiled { inspection, compile: None });
        }
        let Ok(_permit) = self.permits.acquire().await else {
            return Err(FabricError::Internal("the compiler was shut down".into()));
        };
        // Another caller may have compiled it while this one waited.
        if let Some(inspection) = self.known(&record, digest).await {
            return Ok(Compiled { inspection, compile: None });
        }
        let started = Instant::now();
        let (inspection, code) = self.ask_child(bytes).await?;
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

    /// The record's name holds everything that decides the code.
    fn record(engine: &Engine, digest: &Digest) -> String {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        chimera_layer4_contract::world::VERSION.hash(&mut hasher);
        format!("{}-{:016x}.json", digest.hex(), hasher.finish())
    }

    /// Has a child make a component of a core module.
    pub(crate) async fn componentize(&self, module: &[u8]) -> FabricResult<Vec<u8>> {
        let size = module.len() as u64;
        if size > self.limits.component {
            return Err(Refusal::TooLarge { bytes: size, limit: self.limits.component }.into());
        }
        let Ok(_permit) = self.permits.acquire().await else {
            return Err(FabricError::Internal("the compiler was shut down".into()));
        };
        let mut child = self.start()?;
        let own = self.folder.compiling(child.id().unwrap_or_default());
        let answered = self.answer(&mut child, Job::Componentize, &own, module).await;
        let made = answered.and_then(|_| {
            let file = own.join(COMPONENT);
            std::fs::read(&file)
                .map_err(|error| FabricError::Internal(format!("{}: {error}", file.display())))
        });
        let _ = std::fs::remove_dir_all(&own); // A child that was refused left nothing.
        made
    }

    /// One child, from its start to its code in the host's folder.
    async fn ask_child(&self, bytes: &[u8]) -> FabricResult<(Inspection, PathBuf)> {
        let mut child = self.start()?;
        let own = self.folder.compiling(child.id().unwrap_or_default());
        let answered = self.answer(&mut child, Job::Compile, &own, bytes).await;
        let adopted = answered.and_then(|inspection| {
            let inspection = inspection.ok_or_else(|| {
                FabricError::WasmRuntime("the compiler process answered something else".into())
            })?;
            let code = self
                .folder
                .adopt(&own)
                .map_err(|error| FabricError::Internal(format!("{}: {error}", own.display())))?;
            self.folder.prune();
            Ok((inspection, code))
        });
        if adopted.is_err() {
            // What the child left; one that refused left nothing.
            let _ = std::fs::remove_dir_all(&own);
        }
        adopted
    }

    /// What the child says: of a component, what it is.
    async fn answer(
        &self,
        child: &mut Child,
        job: Job,
        own: &Path,
        bytes: &[u8],
    ) -> FabricResult<Option<Inspection>> {
        let size = bytes.len() as u64;
        let talk = self.talk(child, job, own, bytes);
        let talk = tokio::time::timeout(self.limits.wall_for(size), talk).await;
        let Ok(talked) = talk else {
            let _ = child.kill().await; // It ended by itself, if this fails.
            let secs = self.limits.wall_for(size).as_secs();
            return Err(refused(format!(
                "the compiler was still at it after {secs} s, which is the limit; it grows with \
                 `compile_cpu_secs`, and a machine with less to do needs less time"
            )));
        };
        let (said, status) = talked.map_err(|error| {
            FabricError::Communication(format!("with the compiler process: {error}"))
        })?;
        match serde_json::from_slice(&said) {
            Ok(Answer::Compiled(inspection)) if status.success() => Ok(Some(inspection)),
            Ok(Answer::Componentized) if status.success() => Ok(None),
            Ok(Answer::Refused(refusal)) if status.success() => Err(refusal.into()),
            Ok(Answer::Failed(reason)) if status.success() => {
                Err(FabricError::WasmRuntime(format!("the compiler process failed: {reason}")))
            }
            _ => Err(self.died(status, size)),
        }
    }

    fn start(&self) -> FabricResult<Child> {
        Command::new(&self.program.program)
            .args(&self.program.arguments)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                FabricError::Configuration(vec![format!(
                    "the compiler process {} cannot be started: {error}; \
                     set `compile_program` to the `chimera` program",
                    self.program.program.display()
                )])
            })
    }

    async fn talk(
        &self,
        child: &mut Child,
        job: Job,
        own: &Path,
        bytes: &[u8],
    ) -> std::io::Result<(Vec<u8>, ExitStatus)> {
        let size = bytes.len() as u64;
        let request = Request { job, folder: own.to_path_buf(), bytes: size, limits: self.limits };
        let mut line = serde_json::to_vec(&request)?;
        line.push(b'\n');
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let write = async {
            if let Some(mut stdin) = stdin {
                // A child that refuses early closes its end; its answer has the reason.
                let _ = stdin.write_all(&line).await;
                let _ = stdin.write_all(bytes).await;
            }
        };
        let read = async {
            let mut said = Vec::new();
            if let Some(stdout) = stdout {
                stdout.take(ANSWER_BYTES).read_to_end(&mut said).await?;
            }
            Ok::<_, std::io::Error>(said)
        };
        let ((), said) = tokio::join!(write, read);
        Ok((said?, child.wait().await?))
    }

    /// What a child's end without an answer means.
    fn died(&self, status: ExitStatus, size: u64) -> FabricError {
        use rustix::process::Signal;
        use std::os::unix::process::ExitStatusExt;
        let (cpu, memory) = (self.limits.cpu.as_secs(), self.limits.address_space >> 20);
        let failed = || {
            refused(format!(
                "the compiler failed ({status}), most likely for want of more than {memory} MiB, \
                 which is the limit; raise the setting `compile_memory_mb`"
            ))
        };
        match status.signal().and_then(Signal::from_named_raw) {
            Some(Signal::XCPU) => refused(format!(
                "the compiler used {} s of processor time, which is the limit: `compile_cpu_secs` \
                 ({cpu}), and {CPU_SECS_PER_MIB} for each MiB of the component; raise that setting, \
                 or make the component smaller",
                self.limits.cpu_for(size).as_secs()
            )),
            Some(Signal::ABORT | Signal::SEGV | Signal::BUS) => failed(),
            // A thread or a mapping that cannot be had is a panic in the compiler.
            None if status.code() == Some(PANICKED) => failed(),
            Some(_) => FabricError::WasmRuntime(format!(
                "the compiler process was ended from outside ({status}); the system may be short of memory"
            )),
            None => FabricError::Configuration(vec![format!(
                "{} ended without an answer ({status}); set `compile_program` to the `chimera` program",
                self.program.program.display()
            )]),
        }
    }
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
        // The next load asks a child again, which is slow and not wrong.
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
        let compiler = Compiler::new(program, limits, folder);
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
