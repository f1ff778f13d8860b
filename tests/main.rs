//! System tests: everything here sees what a user sees, with real components
//! on a real host.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a helper that fails, fails its test; figures are printed"
)]

mod handmade;
mod harness;

mod agents;
mod agents_dir;
mod allocation;
mod blame;
mod cli;
mod closed_pipes;
mod compiled;
mod conformance;
mod contract;
mod crash;
mod dev;
mod document;
mod embedder;
mod embedding;
mod evolution;
mod examples;
mod fabric;
mod face;
mod folders;
mod genomes;
mod grants;
mod hostile;
mod hostile_binaries;
mod http;
mod json;
mod languages;
mod memory;
mod named_files;
mod network;
mod older_folder;
mod port_9090;
mod queue;
mod readme;
mod resources;
mod scheduler;
mod settings_page;
mod shell;
mod start;
mod state;
mod stores;
mod task_types;
mod tasks;
mod tidy;
mod work;
