//! Starts programs as a shell would, rather than as cargo starts these tests.

use std::process::Command;

/// A command as a shell would start it, without what cargo and a coverage tool
/// set for these tests.
pub(crate) fn outside_of_cargo(program: &str) -> Command {
    let mut command = Command::new(program);
    let of_flags = ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "LLVM_PROFILE_FILE"];
    for name in of_flags.into_iter().chain(["RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"]) {
        command.env_remove(name);
    }
    command
}
