//! From what was typed to a component's bytes.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use super::exit::BadInput;
use super::output::Output;
use super::progress;
use chimera_layer4_fabric::read_component;
use chimera_layer4_toolchain as toolchain;
use chimera_layer4_toolchain::Stop;

/// A component and what to call it.
pub(super) struct Component {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

/// Reads a component, or builds a project and reads what came of it.
///
/// A file of more than `most` bytes is read only far enough to be refused.
pub(super) async fn read(path: &Path, most: u64, output: Output) -> anyhow::Result<Component> {
    if path.is_dir() {
        let built = build(path, output).await?;
        return read_file(&built, most).await;
    }
    read_file(path, most).await
}

/// Builds a project with a progress bar, on a thread of its own, so that the
/// program can handle signals meanwhile.
pub(super) async fn build(folder: &Path, output: Output) -> anyhow::Result<PathBuf> {
    let folder = folder.to_path_buf();
    let (under_way, done) = mpsc::sync_channel::<()>(1);
    let building = Building { stop: Stop::default(), done };
    let stop = building.stop.clone();
    let build = move || {
        let _under_way = under_way;
        let bar = progress::Bar::new(output, &format!("building {}", folder.display()));
        toolchain::build(&folder, None, &stop, &mut |step| bar.step(&step))
    };
    Ok(tokio::task::spawn_blocking(build).await??)
}

/// A build that is ended when its caller stops waiting.
struct Building {
    stop: Stop,
    /// Its other end is dropped when the build has tidied up.
    done: mpsc::Receiver<()>,
}

/// The time for the tools to end after they are asked to.
const PATIENCE: Duration = Duration::from_secs(3);

impl Drop for Building {
    fn drop(&mut self) {
        self.stop.now();
        // The program may be about to end, which would leave a folder behind.
        let _ = self.done.recv_timeout(PATIENCE);
    }
}

async fn read_file(path: &Path, most: u64) -> anyhow::Result<Component> {
    let bytes = read_component(path, most).await.map_err(|error| {
        BadInput(format!("{error}; give a component, or the folder of an agent's project"))
    })?;
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    Ok(Component { name: name.unwrap_or_else(|| "agent".into()), bytes })
}
