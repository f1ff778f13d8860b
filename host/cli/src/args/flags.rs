//! Flags that several commands take.

use std::path::PathBuf;

use clap::Args;

/// Settings of the host. Each has a variable and a line in `chimera.toml`; a flag wins.
#[derive(Debug, Default, Args)]
pub(crate) struct SettingsArgs {
    /// Settings file; without it `chimera.toml` in this folder, if it is there
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Folder for compiled code and tasks [default: ~/.local/share/chimera]
    #[arg(long, global = true, value_name = "FOLDER")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Port of the HTTP API; 0 for one that is free
    #[arg(long, global = true, value_name = "PORT")]
    pub(crate) port: Option<u16>,
    /// Detailed logging on standard error
    #[arg(long, global = true)]
    pub(crate) debug: bool,
}

#[derive(Debug, Default, Args)]
pub(crate) struct JsonArg {
    /// Print one JSON value instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Default, Args)]
pub(crate) struct GrantArgs {
    /// Grant an environment variable
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,
    /// Set a parameter of the agent; a value that is not JSON is taken as text
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) param: Vec<String>,
    /// Grant a folder, to read; with ::rw at the end also to write
    #[arg(long, value_name = "HOST::GUEST")]
    pub(crate) dir: Vec<String>,
    /// Grant HTTP requests to an origin, as https://api.example.com; may be given several times
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) http: Vec<String>,
    /// Grant room in the host's key-value store
    #[arg(long, value_name = "MIB", num_args = 0..=1, require_equals = true, default_missing_value = "16")]
    pub(crate) keyvalue: Option<u32>,
}
