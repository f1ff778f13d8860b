//! The templates, as they are carried in the program.

use crate::form::Form;
use crate::language::Language;

/// One language's project; `{name}`, `{lower_name}` and `{sdk}` are filled in.
pub(super) struct Template {
    /// Paths and texts.
    pub(super) files: &'static [(&'static str, &'static str)],
    pub(super) prepare: Option<&'static str>,
    pub(super) test: &'static str,
}

pub(super) fn of(language: Language, form: Form) -> &'static Template {
    match (language, form) {
        (Language::Rust, Form::Typed) => &RUST,
        (Language::Rust, Form::Plain) => &RUST_PLAIN,
        (Language::Python, _) => &PYTHON,
        (Language::JavaScript, _) => &JAVASCRIPT,
        (Language::C, _) => &C,
        (Language::Go, _) => &GO,
    }
}

static RUST: Template = Template {
    files: &[
        (".gitignore", "/target\n"),
        ("Cargo.toml", include_str!("rust/Cargo.toml.txt")),
        ("README.md", include_str!("rust/README.md")),
        // Not compiled, checked or formatted here.
        ("src/lib.rs", include_str!("rust/lib.rs.txt")),
    ],
    prepare: None,
    test: "cargo test",
};

static RUST_PLAIN: Template = Template {
    files: &[
        (".gitignore", "/target\n"),
        ("Cargo.toml", include_str!("rust/Cargo.plain.toml.txt")),
        ("README.md", include_str!("rust/README.md")),
        ("src/lib.rs", include_str!("rust/plain.rs.txt")),
    ],
    prepare: None,
    test: "cargo test",
};

static PYTHON: Template = Template {
    files: &[
        (".gitignore", "/build/\n/.venv/\n__pycache__/\n"),
        ("README.md", include_str!("python/README.md")),
        ("pyproject.toml", include_str!("python/pyproject.toml")),
        ("src/app.py", include_str!("python/src/app.py")),
        ("src/test_words.py", include_str!("python/src/test_words.py")),
        ("src/words.py", include_str!("python/src/words.py")),
    ],
    prepare: Some("python3 -m venv .venv && .venv/bin/pip install componentize-py==0.25.1"),
    test: "python3 -m unittest discover src",
};

static JAVASCRIPT: Template = Template {
    files: &[
        (".gitignore", "/build/\n/node_modules/\n"),
        ("README.md", include_str!("js/README.md")),
        ("jsconfig.json", include_str!("js/jsconfig.json")),
        ("package.json", include_str!("js/package.json")),
        ("src/agent.js", include_str!("js/src/agent.js")),
        ("src/words.js", include_str!("js/src/words.js")),
        ("src/words.test.js", include_str!("js/src/words.test.js")),
    ],
    prepare: None,
    test: "node --test",
};

static C: Template = Template {
    files: &[
        (".gitignore", "/build/\n"),
        ("Makefile", include_str!("c/Makefile")),
        ("README.md", include_str!("c/README.md")),
        ("compile_flags.txt", include_str!("c/compile_flags.txt")),
        ("src/agent.c", include_str!("c/src/agent.c")),
        ("src/json.c", include_str!("c/src/json.c")),
        ("src/json.h", include_str!("c/src/json.h")),
        ("src/words.c", include_str!("c/src/words.c")),
        ("src/words.h", include_str!("c/src/words.h")),
        ("test/words_test.c", include_str!("c/test/words_test.c")),
    ],
    prepare: None,
    test: "make test",
};

static GO: Template = Template {
    files: &[
        (".gitignore", "/build/\n"),
        ("README.md", include_str!("go/README.md")),
        (
            "export_chimera_agent_lifecycle/agent.go",
            include_str!("go/export_chimera_agent_lifecycle/agent.go"),
        ),
        ("go.mod", include_str!("go/go.mod")),
        ("main.go", include_str!("go/main.go")),
        ("words/words.go", include_str!("go/words/words.go")),
        ("words/words_test.go", include_str!("go/words/words_test.go")),
    ],
    prepare: None,
    test: "go test ./words",
};
