//! The program `chimera`.

use std::process::ExitCode;

fn main() -> ExitCode {
    chimera_layer4::cli::main()
}
