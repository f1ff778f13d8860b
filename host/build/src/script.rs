//! What cargo and a build script say to each other: cargo by variables, the script by
//! lines on its standard output.

use std::ffi::OsString;
use std::fmt::Display;
use std::path::{Path, PathBuf};

use super::trouble::Trouble;

/// Beginnings of variables that are about the program whose build script this is. Cargo
/// sets them for the script, or the user sets them for the program. A build script of a
/// crate that an agent depends on would take them for the agent's.
const OF_THE_PROGRAM: [&str; 6] = [
    "CARGO_CFG_",
    "CARGO_FEATURE_",
    "CARGO_INCREMENTAL",
    "CARGO_MANIFEST_LINKS",
    "CARGO_PROFILE_",
    "DEP_",
];

/// The build script that runs.
#[derive(Debug)]
pub(crate) struct Script {
    /// The folder of the package whose script it is.
    pub(crate) package: PathBuf,
    /// Where it puts what it makes.
    pub(crate) out: PathBuf,
    /// The names of variables that an agent's build must not get.
    pub(crate) not_for_agents: Vec<OsString>,
}

impl Script {
    #[expect(clippy::disallowed_methods, reason = "cargo names a script's folders nowhere else")]
    pub(crate) fn read() -> Result<Self, Trouble> {
        let folder = |variable| {
            let value = std::env::var_os(variable).filter(|value| !value.is_empty());
            value.map(PathBuf::from).ok_or(Trouble::NoScript { variable })
        };
        let names = std::env::vars_os().map(|(name, _)| name);
        Ok(Self {
            package: folder("CARGO_MANIFEST_DIR")?,
            out: folder("OUT_DIR")?,
            not_for_agents: names
                .filter(|name| is_of_the_program(&name.to_string_lossy()))
                .collect(),
        })
    }
}

fn is_of_the_program(name: &str) -> bool {
    OF_THE_PROGRAM.iter().any(|start| name.starts_with(start))
}

/// Has cargo run the script again when one of these changes.
#[expect(clippy::print_stdout, reason = "cargo reads there what a build script wants")]
pub(crate) fn watch<'a>(paths: impl IntoIterator<Item = &'a Path>) {
    for path in paths {
        println!("{}", line("rerun-if-changed", path.display()));
    }
}

/// Ends the script, and with it the build of the program.
#[expect(clippy::print_stdout, reason = "cargo reads there why a build script failed")]
pub(crate) fn fail(troubles: &[Trouble]) -> ! {
    for trouble in troubles {
        println!("{}", line("error", trouble));
    }
    std::process::exit(1)
}

/// A line that cargo reads. What stands behind a line's end would be another one.
fn line(key: &str, value: impl Display) -> String {
    format!("cargo::{key}={}", value.to_string().replace(['\n', '\r'], " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_gets_no_variable_that_is_about_the_program() {
        for name in ["CARGO_CFG_UNIX", "CARGO_FEATURE_STD", "CARGO_PROFILE_DEV_DEBUG", "DEP_Z_ROOT"]
        {
            assert!(is_of_the_program(name), "{name}");
        }
        for name in ["PATH", "CARGO_HOME", "CARGO_NET_OFFLINE", "CARGO_MANIFEST_DIR"] {
            assert!(!is_of_the_program(name), "{name}");
        }
    }

    #[test]
    fn a_value_is_one_line() {
        assert_eq!(line("error", "one\ncargo::rustc-cfg=x"), "cargo::error=one cargo::rustc-cfg=x");
    }
}
