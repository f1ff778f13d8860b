//! Projects in every language: made, built with the author's own tools, and
//! the errors when something is wrong.

mod mistakes;
mod tools;
mod whole;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::cli::{Chimera, Ended};

const LANGUAGES: [&str; 5] = ["rust", "python", "js", "c", "go"];

/// A folder for projects, and a PATH with nothing but what a test puts there.
struct Bench {
    chimera: Chimera,
    folder: TempDir,
    bin: TempDir,
}

impl Bench {
    fn new() -> Self {
        let temporary = || tempfile::tempdir().unwrap();
        Self { chimera: Chimera::new(), folder: temporary(), bin: temporary() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `chimera agent new --lang … <name>`, which must do it.
    fn project(&self, language: &str, name: &str) -> PathBuf {
        let sdk = crate::harness::root().join("guest-sdk").canonicalize().unwrap();
        let sdk = sdk.display().to_string();
        let mut arguments = vec!["agent", "new", "--lang", language, name];
        if language == "rust" {
            arguments.extend(["--sdk", &sdk]);
        }
        let new = Chimera::end(self.chimera.command(&arguments).current_dir(self.folder.path()));
        assert_eq!(new.code, 0, "{}", new.err);
        self.path(name)
    }

    /// A program of the PATH: a shell script.
    fn program(&self, name: &str, script: &str) {
        write_program(&self.bin.path().join(name), script);
    }

    /// `chimera agent build`, which finds only the programs of this test.
    fn build(&self, project: &Path) -> Ended {
        let project = project.display().to_string();
        let mut command = self.chimera.command(&["agent", "build", &project]);
        Chimera::end(command.env("PATH", self.bin.path()))
    }

    /// A build that fails with this exit code and all these words.
    #[track_caller]
    fn fails(&self, project: &Path, code: i32, words: &[&str]) {
        let ended = self.build(project);
        assert_eq!((ended.code, ended.out.as_str()), (code, ""), "{}", ended.err);
        for word in words {
            assert!(ended.err.contains(word), "{word:?} is not in: {}", ended.err);
        }
    }
}

fn write_program(path: &Path, script: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}
