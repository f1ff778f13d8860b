//! The compiling child, as the host sees it: started, sent one request, listened to.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use chimera_layer4_core::{FabricError, FabricResult};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use super::{refused, said, too_late};
use crate::genome::inspect::Inspection;
use crate::genome::worker::{CPU_SECS_PER_MIB, CompileLimits, Request};

/// An answer is an inspection or a refusal, a few kilobytes.
const ANSWER_BYTES: u64 = 1 << 20;
/// How a Rust program ends that panicked.
const PANICKED: i32 = 101;

/// The program that compiles, and its argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileProgram {
    /// The program.
    pub program: PathBuf,
    /// The arguments that make it call [`serve`](crate::genome::worker::serve).
    pub arguments: Vec<String>,
}

impl CompileProgram {
    pub(super) fn start(&self) -> FabricResult<Child> {
        Command::new(&self.program)
            .args(&self.arguments)
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
                    self.program.display()
                )])
            })
    }

    /// What the child says: of a component, what it is.
    pub(super) async fn answer(
        &self,
        child: &mut Child,
        request: &Request,
        bytes: &[u8],
    ) -> FabricResult<Option<Inspection>> {
        let limits = &request.limits;
        let talk = talk(child, request, bytes);
        let Ok(talked) = tokio::time::timeout(limits.wall_for(request.bytes), talk).await else {
            let _ = child.kill().await; // It ended by itself, if this fails.
            return Err(too_late(limits, request.bytes));
        };
        let (text, status) = talked.map_err(|error| {
            FabricError::Communication(format!("with the compiler process: {error}"))
        })?;
        match serde_json::from_slice(&text) {
            Ok(answer) if status.success() => said(answer),
            _ => Err(self.died(limits, status, request.bytes)),
        }
    }

    /// What a child's end without an answer means.
    fn died(&self, limits: &CompileLimits, status: ExitStatus, size: u64) -> FabricError {
        use rustix::process::Signal;
        use std::os::unix::process::ExitStatusExt;
        let (cpu, memory) = (limits.cpu.as_secs(), limits.address_space >> 20);
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
                limits.cpu_for(size).as_secs()
            )),
            Some(Signal::ABORT | Signal::SEGV | Signal::BUS) => failed(),
            // A thread or a mapping that cannot be had is a panic in the compiler.
            None if status.code() == Some(PANICKED) => failed(),
            Some(_) => FabricError::WasmRuntime(format!(
                "the compiler process was ended from outside ({status}); the system may be short of memory"
            )),
            None => FabricError::Configuration(vec![format!(
                "{} ended without an answer ({status}); set `compile_program` to the `chimera` program",
                self.program.display()
            )]),
        }
    }
}

async fn talk(
    child: &mut Child,
    request: &Request,
    bytes: &[u8],
) -> std::io::Result<(Vec<u8>, ExitStatus)> {
    let mut line = serde_json::to_vec(request)?;
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
        let mut text = Vec::new();
        if let Some(stdout) = stdout {
            stdout.take(ANSWER_BYTES).read_to_end(&mut text).await?;
        }
        Ok::<_, std::io::Error>(text)
    };
    let ((), text) = tokio::join!(write, read);
    Ok((text?, child.wait().await?))
}
