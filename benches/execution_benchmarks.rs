//! What does the host cost on top of wasmtime?
//!
//! Five questions, each asked of [`Fabric`] and of bare wasmtime with the
//! same component, the same engine configuration and in the same run:
//!
//! 1. spawning an agent of a genome that is loaded, and restarting one;
//! 2. one task on a resident agent, with and without the JSON that any
//!    embedder has to write and read;
//! 3. one task in an instance of its own;
//! 4. loading a component, with and without its compiled code at hand;
//! 5. the memory of an idle agent.
//!
//! A time by itself says little on a shared machine. The two sides therefore
//! take turns of a few milliseconds, and a table at the end gives the ratio of
//! their medians beside its goal. `-- --agents 10000` asks the fifth question
//! alone, of that many agents; `-- --languages FOLDER` asks what one agent costs
//! in each of several languages.
//!
//! [`Fabric`]: chimera_layer4::fabric::Fabric

mod baseline;
mod compare;
mod fabric;
mod idle;
mod languages;
mod questions;
mod report;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use chimera_layer4_toolchain::{self as toolchain, Stop};
use criterion::Criterion;

use self::report::Report;

/// Agents for the fifth question, unless `--agents` says otherwise.
const IDLE_AGENTS: u32 = 1000;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(side) = idle::Side::asked(&arguments)? {
        return side.measure();
    }
    if let Some(folder) = languages::folder_asked(&arguments)? {
        return languages::compare(&folder);
    }
    let component = echo()?;
    let mut report = Report::default();
    if let Some(agents) = idle::agents_asked(&arguments)? {
        idle::compare(&component, agents, &mut report)?;
    } else {
        let mut criterion = Criterion::default()
            .warm_up_time(Duration::from_secs(1))
            .measurement_time(Duration::from_secs(4))
            .sample_size(40)
            .configure_from_args();
        questions::ask_all(&mut criterion, &component, &mut report)?;
        criterion.final_summary();
        // A run of single questions, or one that only tries them out, ends here.
        if report.is_complete() {
            idle::compare(&component, IDLE_AGENTS, &mut report)?;
        }
    }
    report.print()
}

/// The sample agent `echo`, built as its author would.
fn echo() -> Result<PathBuf> {
    let workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("guests");
    let folder = workspace.join("agents/echo");
    Ok(toolchain::build(&folder, Some(&target), &Stop::default(), &mut |_| {})?)
}
