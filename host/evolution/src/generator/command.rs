//! One call of a generator's program.
//!
//! The program is the operator's own and runs with the operator's rights. The host
//! bounds what a mistake in it could do: the time that it takes, what it prints, and
//! what it leaves running. It leads a process group of its own, and the host kills
//! the whole group when the call ends, also after a failure.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use chimera_layer4_core::telemetry::is_deceptive;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

/// The most bytes of a path with the end of its line.
const MOST_PRINTED: u64 = 64 << 10;
/// The most bytes of its standard error that are kept for the message.
const MOST_WORDS: u64 = 2 << 10;

/// Runs the program on a document and returns the path that it prints.
///
/// # Errors
/// What it did instead, in words for the operator.
pub(super) async fn run(
    command: &[String],
    document: Vec<u8>,
    patience: Duration,
) -> Result<PathBuf, String> {
    let mut running = Running::start(command)?;
    let talked = tokio::time::timeout(patience, running.talk(&document)).await;
    let (printed, complaint, status) = talked.map_err(|_| {
        let secs = patience.as_secs_f64();
        format!("it was still at it after {secs} s and was killed (`--generator-timeout`)")
    })??;
    if !status.success() {
        return Err(format!("it ended with {status}{complaint}"));
    }
    path(printed).map_err(|why| format!("{why}{complaint}"))
}

/// A program that runs. When this is dropped, its whole group is killed.
struct Running {
    child: Child,
    group: Option<Pid>,
}

impl Running {
    fn start(command: &[String]) -> Result<Self, String> {
        let Some((program, arguments)) = command.split_first() else {
            return Err("no program is named".to_owned());
        };
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("`{program}` cannot be started: {error}"))?;
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Ok(Self { child, group: id.and_then(Pid::from_raw) })
    }

    /// What it printed, what it wrote on standard error, and its exit status.
    async fn talk(&mut self, document: &[u8]) -> Result<(Vec<u8>, String, ExitStatus), String> {
        let (stdin, stdout, stderr) =
            (self.child.stdin.take(), self.child.stdout.take(), self.child.stderr.take());
        let write = async {
            if let Some(mut stdin) = stdin {
                // A program that needs no document may close its end of the pipe.
                let _ = stdin.write_all(document).await;
            }
            Ok(())
        };
        let ((), printed, message) = tokio::try_join!(write, printed(stdout), words_of(stderr))
            .map_err(|why: String| why)?;
        self.ended().await;
        self.kill_group();
        let status = self.child.wait().await.map_err(|error| error.to_string())?;
        Ok((printed, message, status))
    }

    /// Waits for the program's end and leaves it a zombie, so that the system gives
    /// its process id, which is also the group's, to no other process before the
    /// group is killed.
    async fn ended(&self) {
        let Some(pid) = self.group else { return };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let wait = move || {
            // An error means that the process has ended already.
            let _ = waitid(WaitId::Pid(pid), options);
        };
        let _ = tokio::task::spawn_blocking(wait).await;
    }

    fn kill_group(&mut self) {
        if let Some(group) = self.group.take() {
            // This fails where every process of the group has ended.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill_group();
    }
}

async fn printed(stdout: Option<impl AsyncRead + Unpin>) -> Result<Vec<u8>, String> {
    let mut printed = Vec::new();
    if let Some(stdout) = stdout {
        let read = stdout.take(MOST_PRINTED + 1).read_to_end(&mut printed).await;
        read.map_err(|error| error.to_string())?;
    }
    if printed.len() as u64 > MOST_PRINTED {
        let most = MOST_PRINTED >> 10;
        return Err(format!("it printed more than {most} KiB, where a path was expected"));
    }
    Ok(printed)
}

/// The first bytes of standard error, as text. The rest is read and dropped, so
/// that the program can go on.
async fn words_of(stderr: Option<impl AsyncRead + Unpin>) -> Result<String, String> {
    let Some(mut stderr) = stderr else { return Ok(String::new()) };
    let mut message = Vec::new();
    let read = (&mut stderr).take(MOST_WORDS).read_to_end(&mut message).await;
    read.map_err(|error| error.to_string())?;
    let rest = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
    rest.map_err(|error| error.to_string())?;
    let message = String::from_utf8_lossy(&message);
    let plain = |c: char| if is_deceptive(c) { ' ' } else { c };
    let message: String = message.trim().chars().map(plain).collect();
    Ok(if message.is_empty() { message } else { format!(": {message}") })
}

/// The path, which must be the only line.
fn path(mut printed: Vec<u8>) -> Result<PathBuf, String> {
    let length = printed.trim_ascii_end().len();
    printed.truncate(length);
    if printed.is_empty() {
        return Err("it printed nothing, where a component's path was expected".to_owned());
    }
    let lines = printed.iter().filter(|byte| **byte == b'\n').count() + 1;
    if lines > 1 || printed.contains(&0) {
        return Err(format!("it printed {lines} lines, where one with a path was expected"));
    }
    Ok(OsString::from_vec(printed).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn of_shell(script: &str, patience: Duration) -> Result<PathBuf, String> {
        let command = ["sh", "-c", script].map(str::to_owned);
        run(&command, b"{}".to_vec(), patience).await
    }

    #[tokio::test]
    async fn what_it_does_instead_is_the_reason() {
        let long = Duration::from_secs(60);
        for (script, expected) in [
            ("cat > /dev/null", "it printed nothing"),
            ("echo a; echo b", "it printed 2 lines"),
            ("echo why >&2; exit 1", "ended with exit status: 1: why"),
            ("kill -9 $$", "signal: 9"),
            ("while :; do echo flood; done", "more than 64 KiB"),
            ("while :; do echo flood >&2; done", "still at it after 0.2 s"),
            ("exec >&- 2>&-; while :; do :; done", "still at it after 0.2 s"),
            ("sleep 3600 & wait", "still at it after 0.2 s"),
        ] {
            let short = expected.starts_with("still");
            let patience = if short { Duration::from_millis(200) } else { long };
            let why = of_shell(script, patience).await.unwrap_err();
            assert!(why.contains(expected), "{script}: {why}");
        }
        let none = run(&["/no/such/program".to_owned()], Vec::new(), long).await.unwrap_err();
        assert!(none.contains("cannot be started"), "{none}");
    }

    #[tokio::test]
    async fn what_it_leaves_running_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        // The process that is left holds the pipe open for an hour, unless it is killed.
        let script = format!("exec 3>{}; sleep 3600 >&- 2>&- & echo /path", pipe.display());
        let reader = std::thread::spawn(move || std::fs::read(pipe));
        let said = of_shell(&script, Duration::from_secs(60)).await;
        assert_eq!(said, Ok("/path".into()));
        assert_eq!(reader.join().unwrap().unwrap(), b"");
    }

    #[test]
    fn a_path_is_one_line() {
        assert_eq!(path(b"/a b\n".to_vec()), Ok("/a b".into()));
        assert_eq!(path(b"/a\r\n".to_vec()), Ok("/a".into()));
        assert!(path(b" \n".to_vec()).is_err() && path(b"/a\0".to_vec()).is_err());
    }
}
