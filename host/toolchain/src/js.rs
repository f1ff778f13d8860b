//! Agents in JavaScript or TypeScript: `main` of package.json, bundled and put
//! into an engine by npm packages that the project itself names.

use std::path::Path;
use std::process::Command;

use chimera_layer4_build::{BuildError, Step, tool};
use serde::Deserialize;

use super::project::{Project, files};
use super::world::World;

/// What is done in the author's own Node: see there.
const SCRIPT: &str = include_str!("js/build.mjs");

/// What is read of package.json.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Package {
    main: Option<String>,
    #[serde(default)]
    chimera: Options,
}

/// What its `chimera` holds.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object, such as {\"engine\": \"quickjs\"}")]
struct Options {
    #[serde(default)]
    engine: Engine,
    /// Whether there is `fetch`, for which the component imports `wasi:http`.
    #[serde(default)]
    http: bool,
    #[serde(default)]
    world: World,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Engine {
    #[default]
    StarlingMonkey,
    QuickJs,
}

impl Engine {
    fn name(self) -> &'static str {
        match self {
            Self::StarlingMonkey => "starlingmonkey",
            Self::QuickJs => "quickjs",
        }
    }

    /// The package with it, and the version that was tried.
    fn package(self) -> (&'static str, &'static str) {
        match self {
            Self::StarlingMonkey => ("@bytecodealliance/componentize-js", "0.23.0"),
            Self::QuickJs => ("componentize-qjs", "0.4.5"),
        }
    }
}

/// What bundles, and what writes types, with the versions that were tried.
const PACKAGES: [(&str, &str); 2] =
    [("rolldown", "1.3.2"), ("@bytecodealliance/jco-transpile", "0.15.0")];

pub(super) fn build(
    project: &Project,
    into: &Path,
    progress: &mut dyn FnMut(Step),
) -> Result<(), BuildError> {
    let (main, Options { engine, http, world }) = read(&project.folder)?;
    install(project, engine, progress)?;
    progress(Step::Doing("bundling and making a component"));
    let mut command = Command::new("node");
    command.args(["--input-type=module", "--eval", SCRIPT, "--"]);
    command.args([main.as_str(), engine.name(), world.name()]);
    command.arg(project.write_contract()?).arg(project.out.join("types")).arg(into);
    command.args(http.then_some("http"));
    command.current_dir(&project.folder);
    tool::build(&mut command, &project.folder, &project.stop, || missing("node"))
}

fn read(folder: &Path) -> Result<(String, Options), BuildError> {
    let path = folder.join("package.json");
    let text = std::fs::read_to_string(&path).map_err(|error| files(&path, error))?;
    // Node takes a byte order mark for nothing, too.
    let text = text.trim_start_matches('\u{feff}');
    let package: Package = serde_json::from_str(text).map_err(|error| files(&path, error))?;
    let main = package.main.filter(|main| folder.join(main).is_file());
    let main = main.ok_or_else(|| {
        files(&path, "`main` names no file; it must be the module that exports `lifecycle`")
    })?;
    let options = package.chimera;
    if options.http && matches!(options.engine, Engine::QuickJs) {
        let message = "`http` is true, and QuickJS has no `fetch`; take the engine starlingmonkey";
        return Err(files(&path, message));
    }
    Ok((main, options))
}

/// Has npm install what package.json names, when it has not been done.
fn install(
    project: &Project,
    engine: Engine,
    progress: &mut dyn FnMut(Step),
) -> Result<(), BuildError> {
    let folder = &project.folder;
    let needed = || PACKAGES.into_iter().chain([engine.package()]);
    let lacks = || needed().find(|(name, _)| !folder.join("node_modules").join(name).is_dir());
    if lacks().is_none() {
        return Ok(());
    }
    progress(Step::Doing("installing packages with npm"));
    let mut command = Command::new("npm");
    command.args(["install", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(folder);
    let installed = tool::run(&mut command, &project.stop, || missing("npm"))?.success();
    let npm = format!("npm install --prefix {}", folder.display());
    let (tool, install) = match lacks() {
        None => return Ok(()),
        Some(_) if !installed => (
            "a package that package.json names (above: which, and why)".into(),
            format!("`{npm}`, where npm's registry can be reached"),
        ),
        Some((name, version)) => (
            format!("the package `{name}`"),
            format!("`{npm} --save-dev --save-exact {name}@{version}`"),
        ),
    };
    Err(BuildError::MissingTool { tool, language: "JavaScript", install })
}

fn missing(program: &str) -> BuildError {
    BuildError::MissingTool {
        tool: format!("`{program}`"),
        language: "JavaScript",
        install: "`apt-get install nodejs npm`, or take Node 20 or later from https://nodejs.org"
            .into(),
    }
}
