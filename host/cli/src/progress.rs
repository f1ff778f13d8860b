//! A progress bar for work of more than a moment, on a terminal only.

use std::time::Duration;

use chimera_layer4_core::telemetry::{is_deceptive, shown};
use indicatif::{ProgressBar, ProgressStyle};

use super::output::Output;
use chimera_layer4_toolchain::Step;

/// A bar on standard error; it goes when it is dropped.
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new(output: Output, what: &str) -> Self {
        if !output.is_interactive() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::new_spinner();
        let style = ProgressStyle::with_template("{spinner} {prefix} {wide_msg} {elapsed}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.set_prefix(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(bar)
    }

    /// What it is at; it may be the name of a file.
    pub(super) fn say(&self, what: &str) {
        self.0.set_message(shown(what));
    }

    /// Prints something while the bar stands aside.
    pub(super) fn aside(&self, print: impl FnOnce()) {
        self.0.suspend(print);
    }

    /// How far something is, from 0.0 to 1.0.
    pub(super) fn fraction(&self, fraction: f64, message: &str) {
        const WHOLE: u64 = 1000;
        if self.0.length() != Some(WHOLE) {
            self.0.set_length(WHOLE);
            if let Ok(style) = ProgressStyle::with_template("{prefix} [{bar:24}] {percent} % {msg}")
            {
                self.0.set_style(style);
            }
        }
        self.0.set_position((fraction.clamp(0.0, 1.0) * WHOLE as f64) as u64);
        let plain = |c: char| if is_deceptive(c) { '\u{fffd}' } else { c };
        self.0.set_message(message.chars().map(plain).collect::<String>());
    }

    pub(super) fn step(&self, step: &Step) {
        match step {
            Step::Doing(what) => self.0.set_message(*what),
            Step::Compiled { done, of, name } => {
                let style = ProgressStyle::with_template("{prefix} [{bar:24}] {pos}/{len} {msg}");
                if let (0, Ok(style)) = (self.0.length().unwrap_or(0), style) {
                    self.0.set_style(style);
                }
                self.0.set_length(*of as u64);
                self.0.set_position(*done as u64);
                self.0.set_message(name.clone());
            }
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
