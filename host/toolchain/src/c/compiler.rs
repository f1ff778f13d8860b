//! Finds a C compiler that can link for WebAssembly.

use std::ffi::OsString;

use chimera_layer4_build::{BuildError, tool};

use crate::project::Project;

const TARGET: &str = "--target=wasm32-wasi";

/// Linking nothing shows at once that compiler, linker and libraries are there.
const PROBE: [&str; 6] = ["-mexec-model=reactor", "-o", "/dev/null", "-x", "c", "/dev/null"];

/// clang with its sysroot first, since it starts faster; then zig, which brings
/// everything along.
pub(super) fn find(project: &Project) -> Result<Vec<OsString>, BuildError> {
    let clangs = ["clang", "clang-22", "clang-21", "clang-20", "clang-19"];
    // Debian keeps the libraries for wasm beside the others, an SDK finds its own.
    let sysroots = [&["--sysroot=/usr"][..], &[]];
    for clang in clangs {
        for sysroot in sysroots {
            let mut command = vec![OsString::from(clang), TARGET.into()];
            command.extend(sysroot.iter().map(OsString::from));
            if tool::works(&command, &PROBE, &project.stop) {
                return Ok(command);
            }
        }
    }
    // The package of PyPI has no program of its own; it may be in the project's environment.
    let python = project.folder.join(".venv/bin/python").into_os_string();
    let zigs = [
        vec!["zig".into()],
        vec![python, "-m".into(), "ziglang".into()],
        vec!["python3".into(), "-m".into(), "ziglang".into()],
    ];
    // Its first link compiles a C library, so it is only asked for its version.
    let zig = zigs.into_iter().find(|zig| tool::works(zig, &["version"], &project.stop));
    let mut zig = zig.ok_or_else(missing)?;
    zig.extend(["cc", "-target", "wasm32-wasi"].map(OsString::from));
    Ok(zig)
}

pub(super) fn missing() -> BuildError {
    BuildError::MissingTool {
        tool: "a C compiler for WebAssembly (clang with lld and wasi-libc, or zig)".into(),
        language: "C",
        install: "`apt-get install clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32`, or \
                  `pip install ziglang==0.15.2`"
            .into(),
    }
}
