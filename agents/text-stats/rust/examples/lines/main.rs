//! Runs tasks outside a host: JSON lines `{"parameters": {…}, "payload": "…",
//! "attempt": 1}` in, a line each out. `../compare.py` holds the
//! implementations against each other with it.

mod written;

use std::io::{self, BufRead, Write};

use chimera_agent_sdk::serde_json;
use written::written;

fn main() -> io::Result<()> {
    for line in io::stdin().lock().lines() {
        let line = serde_json::from_str(&line?)?;
        writeln!(io::stdout(), "{}", written(&line))?;
    }
    Ok(())
}
