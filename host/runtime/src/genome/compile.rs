//! Has a component compiled by the child and keeps what is known of it.
//!
//! For each component that a child finished there is a record beside the
//! compiled code, named by the component's digest and by what decides the
//! code. Where the record is, the host loads without a child.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use chimera_layer4_core::{Digest, Layer4Error, Layer4Result, Refusal};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;
use wasmtime::Engine;

use super::cache::write_whole;
use super::inspect::Inspection;
use super::worker::{Answer, CompileLimits, Request};

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
    cache: PathBuf,
    permits: Semaphore,
}

/// A component that is in the cache.
pub(crate) struct Compiled {
    pub(crate) inspection: Inspection,
    /// Time in the child; `None`: there was no need for one.
    pub(crate) compile: Option<Duration>,
}

impl Compiler {
    pub(crate) fn new(program: CompileProgram, limits: CompileLimits, cache: PathBuf) -> Self {
        Self { program, limits, cache, permits: Semaphore::new(COMPILERS) }
    }

    /// Makes sure that the code of `bytes`, whose digest is `digest`, is in the
    /// cache of `engine`.
    pub(crate) async fn compile(
        &self,
        engine: &Engine,
        bytes: &[u8],
        digest: Digest,
    ) -> Layer4Result<Compiled> {
        let size = bytes.len() as u64;
        if size > self.limits.component {
            return Err(Refusal::TooLarge { bytes: size, limit: self.limits.component }.into());
        }
        let record = self.record(engine, &digest);
        if let Some(inspection) = read_record(&record, &digest) {
            return Ok(Compiled { inspection, compile: None });
        }
        let Ok(_permit) = self.permits.acquire().await else {
            return Err(Layer4Error::Internal("the compiler was shut down".into()));
        };
        let started = Instant::now();
        match self.ask_child(bytes).await? {
            Answer::Compiled(inspection) => {
                keep_record(&record, &inspection);
                Ok(Compiled { inspection, compile: Some(started.elapsed()) })
            }
            Answer::Refused(refusal) => Err(refusal.into()),
            Answer::Failed(reason) => {
                Err(Layer4Error::WasmRuntime(format!("the compiler process failed: {reason}")))
            }
        }
    }

    /// The record's name holds everything that decides the code.
    fn record(&self, engine: &Engine, digest: &Digest) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        super::contract::VERSION.hash(&mut hasher);
        let name = format!("{}-{:016x}.json", digest.hex(), hasher.finish());
        self.cache.join("known").join(name)
    }

    async fn ask_child(&self, bytes: &[u8]) -> Layer4Result<Answer> {
        let mut child = self.start()?;
        let talk = tokio::time::timeout(self.limits.wall, self.talk(&mut child, bytes)).await;
        let Ok(talked) = talk else {
            // Dropping the child kills it; waiting keeps no zombie.
            let _ = child.kill().await;
            let secs = self.limits.wall.as_secs();
            return Ok(refused(format!(
                "the compiler was still at it after {secs} s, which is the limit"
            )));
        };
        let (said, status) = talked.map_err(|error| {
            Layer4Error::Communication(format!("with the compiler process: {error}"))
        })?;
        match serde_json::from_slice(&said) {
            Ok(answer) if status.success() => Ok(answer),
            _ => Ok(refused(self.died(status))),
        }
    }

    fn start(&self) -> Layer4Result<Child> {
        Command::new(&self.program.program)
            .args(&self.program.arguments)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                Layer4Error::Configuration(vec![format!(
                    "the compiler process {} cannot be started: {error}; \
                     set `compile_program` to the `chimera` program",
                    self.program.program.display()
                )])
            })
    }

    async fn talk(
        &self,
        child: &mut Child,
        bytes: &[u8],
    ) -> std::io::Result<(Vec<u8>, ExitStatus)> {
        let request = Request { cache: self.cache.clone(), limits: self.limits };
        let mut line = serde_json::to_vec(&request)?;
        line.push(b'\n');
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let write = async {
            if let Some(mut stdin) = stdin {
                // A child that refuses early closes its end; its answer tells why.
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
    fn died(&self, status: ExitStatus) -> String {
        use std::os::unix::process::ExitStatusExt;
        let (cpu, memory) = (self.limits.cpu.as_secs(), self.limits.address_space >> 20);
        match status.signal().and_then(rustix::process::Signal::from_named_raw) {
            Some(rustix::process::Signal::XCPU | rustix::process::Signal::KILL) => {
                format!("the compiler used {cpu} s of processor time, which is the limit")
            }
            Some(rustix::process::Signal::ABORT) => {
                format!("the compiler needed more than {memory} MiB, which is the limit, or failed")
            }
            _ => format!("the compiler ended without an answer ({status})"),
        }
    }
}

fn refused(reason: String) -> Answer {
    Answer::Refused(Refusal::DoesNotCompile { reason })
}

fn read_record(path: &Path, digest: &Digest) -> Option<Inspection> {
    let text = std::fs::read(path).ok()?;
    let inspection: Inspection = serde_json::from_slice(&text).ok()?;
    (inspection.digest == *digest).then_some(inspection)
}

fn keep_record(path: &Path, inspection: &Inspection) {
    let kept = serde_json::to_vec(inspection).map_err(std::io::Error::from);
    if let Err(error) = kept.and_then(|text| write_whole(path, &text)) {
        // The next load asks a child again, which is slow and not wrong.
        tracing::warn!(path = %path.display(), %error, "the record of a compiled component was not kept");
    }
}
