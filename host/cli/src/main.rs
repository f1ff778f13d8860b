//! The program `chimera`.

use std::process::ExitCode;

/// A host reads texts of many mebibytes on many threads. The system's allocator
/// keeps such blocks for the thread that freed them; this one gives them back.
/// `.cargo/config.toml` says after how long.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    chimera_cli::main()
}
