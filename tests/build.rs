//! Writes the document's blocks for the host as one file of modules, which
//! `document/host.rs` includes. `include!` takes no file of several statements, so each
//! block is composed first. And writes what `include_agents!` has in the programs of
//! `examples/`.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

#[allow(dead_code, reason = "the tests use the rest of it")]
#[path = "document/compose.rs"]
mod compose;

const BLOCKS: &str = "document/blocks";
const LEFT_OUT: &str = "document/left_out.toml";
/// The agents of the examples: each its type, and its package.
const AGENTS: [(&str, &str); 4] = [
    ("Words", "words"),
    ("WordsBySpace", "words-by-space"),
    ("Dictionary", "dictionary"),
    ("Primes", "primes"),
];

fn main() -> Result<(), Box<dyn Error>> {
    for path in [BLOCKS, LEFT_OUT] {
        println!("cargo::rerun-if-changed={path}");
    }
    let left_out = compose::left_out(&fs::read_to_string(LEFT_OUT)?)?;
    let modules = compose::host_modules(&blocks()?, &left_out)?;
    fs::write(out_dir()?.join("document.rs"), modules)?;
    let types = AGENTS.map(|(name, package)| agent(name, package));
    fs::write(out_dir()?.join("chimera_agents.rs"), types.concat())?;
    Ok(())
}

/// An agent's type as `chimera-layer4-build` makes it, but for the component: it is built
/// when a test asks for it.
fn agent(name: &str, package: &str) -> String {
    format!(
        r#"
pub(crate) struct {name};

impl ::chimera_layer4::AgentComponent for {name} {{
    const NAME: &'static str = {package:?};

    fn component() -> ::std::borrow::Cow<'static, [u8]> {{
        ::std::borrow::Cow::Owned(crate::harness::guest({package:?}))
    }}
}}
"#
    )
}

/// The `rust` blocks by their lines.
fn blocks() -> Result<BTreeMap<String, String>, Box<dyn Error>> {
    let mut blocks = BTreeMap::new();
    for entry in fs::read_dir(Path::new(BLOCKS))? {
        let entry = entry?;
        if let Some(line) = entry.file_name().to_string_lossy().strip_suffix(".rs.txt") {
            blocks.insert(line.to_owned(), fs::read_to_string(entry.path())?);
        }
    }
    Ok(blocks)
}

#[expect(clippy::disallowed_methods, reason = "cargo says it so")]
fn out_dir() -> Result<PathBuf, Box<dyn Error>> {
    Ok(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?.into())
}
