//! `chimera agent new`: the project of a new agent.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::args::agent::NewArgs;
use crate::exit::{BadInput, Exit};
use crate::output::Output;
use chimera_layer4_toolchain as toolchain;
use chimera_layer4_toolchain::{Form, Language};

/// Makes the project of a new agent.
pub(super) fn new(args: &NewArgs, output: &Output) -> anyhow::Result<Exit> {
    let form = form(args)?;
    let sdk = sdk(args)?;
    let (language, sdk_folder) = (args.lang, sdk.as_deref());
    let new = toolchain::New { language, form, folder: &args.folder, sdk: sdk_folder };
    let written = toolchain::create(new)?;
    let folder = args.folder.display();
    if output.is_json() {
        let language = args.lang.name();
        output.value(
            &json!({ "folder": args.folder, "language": language, "files": written.files }),
        )?;
    } else {
        output.line(&format!("{folder} is there, in {}. Next:", args.lang.title()))?;
        if args.lang == Language::Rust && sdk.is_none() {
            let (package, place) = (form.package(), form.folder());
            output.note(&format!(
                "its SDK is version {} of {package}, which is in no registry: without a checkout \
                 of Chimera Layer 4 it does not build. The first command takes the SDK from one; \
                 CHECKOUT is its folder. `chimera agent new --sdk CHECKOUT/guest-sdk` does so from the start",
                env!("CARGO_PKG_VERSION")
            ));
            // The manifest says already which features it takes, and keeps that.
            let add = format!("cargo add {package} --path CHECKOUT/{place}");
            output.line(&format!("  (cd {folder} && {add})"))?;
        }
        for command in written.prepare.into_iter().chain([written.test]) {
            output.line(&format!("  (cd {folder} && {command})"))?;
        }
        output.line(&format!("  chimera run {folder} --task '{{\"text\": \"one two\"}}'"))?;
    }
    Ok(Exit::Success)
}

/// Only Rust has several forms.
fn form(args: &NewArgs) -> Result<Form, BadInput> {
    match (args.lang, args.form) {
        (Language::Rust, form) => Ok(form.unwrap_or_default()),
        (language, Some(_)) => {
            let title = language.title();
            Err(BadInput(format!(
                "the forms are of agents in Rust, not in {title}; leave --form out"
            )))
        }
        (_, None) => Ok(Form::default()),
    }
}

/// The SDK's folder for a language that has one: as given, or that of the checkout
/// which the new folder, this one or the program lies in. An installed program
/// elsewhere has none, and the project names a version.
fn sdk(args: &NewArgs) -> Result<Option<PathBuf>, BadInput> {
    match (args.lang, &args.sdk) {
        (Language::Rust, Some(sdk)) => Ok(Some(sdk.clone())),
        (Language::Rust, None) => Ok(find_sdk(&args.folder)),
        (language, Some(_)) => {
            let title = language.title();
            Err(BadInput(format!("the SDK is for Rust, not for {title}; leave --sdk out")))
        }
        (_, None) => Ok(None),
    }
}

fn find_sdk(folder: &Path) -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    let program = std::env::current_exe().ok()?;
    let absolute = here.join(folder);
    let starts = [absolute.as_path(), here.as_path(), program.as_path()];
    let above = starts.iter().flat_map(|start| start.ancestors());
    above.map(|folder| folder.join("guest-sdk")).find(|sdk| toolchain::is_sdk(sdk))
}
