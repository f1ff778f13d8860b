//! The languages that agents are written in here, and how a project tells its own.

use std::path::Path;
use std::str::FromStr;

use super::project::files_in;

/// A language for agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// With the SDK, by cargo.
    Rust,
    /// By componentize-py.
    Python,
    /// Or TypeScript, with the engine StarlingMonkey or QuickJS.
    JavaScript,
    /// By clang or zig.
    C,
    /// By Go itself.
    Go,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Rust, Self::Python, Self::JavaScript, Self::C, Self::Go];

    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::JavaScript => "js",
            Self::C => "c",
            Self::Go => "go",
        }
    }

    /// As an author calls it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::Python => "Python",
            Self::JavaScript => "JavaScript",
            Self::C => "C",
            Self::Go => "Go",
        }
    }

    /// The language of the project in `folder`, by the file that its own tools
    /// look for; of several the first counts.
    pub fn of(folder: &Path) -> Option<Self> {
        let has = |name: &str| folder.join(name).is_file();
        let marks = [
            (Self::Rust, has("Cargo.toml")),
            (Self::Go, has("go.mod")),
            (Self::Python, has("pyproject.toml")),
            (Self::JavaScript, has("package.json")),
        ];
        let marked = marks.into_iter().find(|(_, there)| *there).map(|(language, _)| language);
        marked.or_else(|| has_c(&folder.join("src")).then_some(Self::C))
    }
}

fn has_c(folder: &Path) -> bool {
    files_in(folder).iter().any(|path| path.extension().is_some_and(|ending| ending == "c"))
}

impl FromStr for Language {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|language| language.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("{text:?} is no language for agents here; there are {names}")
        })
    }
}
