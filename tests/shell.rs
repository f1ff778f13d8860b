//! Starts programs as a shell would, rather than as cargo starts these tests.

use std::process::Command;

/// A command as a shell would start it, without what cargo and a coverage tool
/// set for these tests.
pub(crate) fn outside_of_cargo(program: &str) -> Command {
    let mut command = Command::new(program);
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER", "LLVM_PROFILE_FILE"] {
        command.env_remove(name);
    }
    command
}
