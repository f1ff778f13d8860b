//! `chimera agent new`: the project of a new agent.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::args::NewArgs;
use crate::cli::exit::{BadInput, Exit};
use crate::cli::output::Output;
use crate::toolchain;

/// Makes the crate of a new agent.
pub(super) fn new(args: &NewArgs, output: &Output) -> anyhow::Result<Exit> {
    let sdk = match &args.sdk {
        Some(sdk) => sdk.clone(),
        None => find_sdk(&args.folder).ok_or_else(|| {
            BadInput("the SDK was not found; give the path of `guest-sdk` with --sdk".into())
        })?,
    };
    let files = toolchain::create(&args.folder, &sdk)?;
    let folder = args.folder.display();
    if output.is_json() {
        output.value(&json!({ "folder": args.folder, "files": files }))?;
    } else {
        output.line(&format!("{folder} is there. Next:"))?;
        output.line(&format!("  cd {folder} && cargo test"))?;
        output.line(&format!("  chimera run {folder} --task '{{\"text\": \"one two\"}}'"))?;
    }
    Ok(Exit::Success)
}

fn find_sdk(folder: &Path) -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    let program = std::env::current_exe().ok()?;
    let absolute = here.join(folder);
    let starts = [absolute.as_path(), here.as_path(), program.as_path()];
    let above = starts.iter().flat_map(|start| start.ancestors());
    above.map(|folder| folder.join("guest-sdk")).find(|sdk| sdk.join("Cargo.toml").is_file())
}
