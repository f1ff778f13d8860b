//! System tests: everything here sees what a user sees, with real components
//! on a real host.

mod harness;

mod agents;
mod cli;
mod cpu;
mod fabric;
mod hostile;
mod hostile_binaries;
mod tidy;
