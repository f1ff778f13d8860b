//! The generator as a program: a request on standard input, the path of a new
//! component on standard output.
//!
//! An example and not a binary, so that building the agent builds one
//! component and nothing else.

use std::io::{self, Write};
use std::process::ExitCode;

use packer::variant::{self, request::Request};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The error is lost if standard error is closed too.
            let _ = writeln!(io::stderr(), "packer variant: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let request = Request::read(io::stdin().lock())?;
    let path = variant::make(&request)?;
    writeln!(io::stdout(), "{}", path.display())?;
    Ok(())
}
