//! What a build says of itself while it goes on.

/// What the build is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many of about so many crates are done; the last one's name.
    Compiled {
        /// Crates done.
        done: usize,
        /// Crates in the dependency graph.
        of: usize,
        /// The one just done.
        name: String,
    },
    /// Something else, in words.
    Doing(&'static str),
}
