//! What cargo is to look at, to see whether agents must be built again.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::rust::Crate;

/// What cargo and other programs put into a folder of products, at its top.
const MARK_OF_PRODUCTS: &str = "CACHEDIR.TAG";

/// What the component is built from: what is in the crate's folders and in those that it
/// depends on by a path, the manifest and the lock of its workspace, and other files that
/// its code includes. Cargo reads folders to the bottom, so products that lie among the
/// sources are left out.
pub(crate) fn of(made_of: &Crate, component: &Path, out: &Path) -> BTreeSet<PathBuf> {
    let out = out.canonicalize().unwrap_or_else(|_| out.to_path_buf());
    let inside = made_of.folders.iter().flat_map(fs::read_dir).flatten().flatten();
    let inside = inside.map(|entry| entry.path()).filter(|path| {
        let is_product = out.starts_with(path) || path.join(MARK_OF_PRODUCTS).is_file();
        !is_product && !path.ends_with(".git")
    });
    let shared = ["Cargo.toml", "Cargo.lock"].map(|name| made_of.workspace.join(name));
    let shared = shared.into_iter().filter(|path| path.is_file());
    let mut watched: BTreeSet<PathBuf> = inside.chain(shared).collect();
    let read = read_for(component).into_iter().filter(|file| {
        let is_product = file.canonicalize().is_ok_and(|file| file.starts_with(&out));
        !is_product && !file.ancestors().any(|path| watched.contains(path))
    });
    let mut included = read.collect();
    watched.append(&mut included);
    watched
}

/// The files that the compiler read for a component, as cargo lists them beside it: a
/// rule for make, where a space in a name stands behind a backslash.
fn read_for(component: &Path) -> Vec<PathBuf> {
    let rule = fs::read_to_string(component.with_extension("d")).unwrap_or_default();
    let (_, files) = rule.split_once(": ").unwrap_or_default();
    let files = files.trim_end().replace("\\ ", "\0");
    let files = files.split(' ').filter(|file| !file.is_empty());
    files.map(|file| file.replace('\0', " ").into()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_watched_and_products_among_them_are_not() {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path().canonicalize().unwrap();
        let file = |path: &str| {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        };
        for path in [
            "Cargo.toml",
            "Cargo.lock",
            "README.md",
            "agent/Cargo.toml",
            "agent/src/lib.rs",
            "agent/.git/HEAD",
            "agent/products/CACHEDIR.TAG",
            "agent/out/debug/x",
            "agent/out/debug/generated.rs",
            "shared/src/lib.rs",
            "texts/with space.txt",
        ] {
            file(path);
        }
        let component = root.join("agent/out/debug/agent.wasm");
        let read = ["agent/src/lib.rs", "agent/out/debug/generated.rs", "texts/with\\ space.txt"];
        let read: Vec<_> = read.iter().map(|path| root.join(path).display().to_string()).collect();
        let rule = format!("{}: {}\n", component.display(), read.join(" "));
        fs::write(component.with_extension("d"), rule).unwrap();
        let folders = vec![root.join("agent"), root.join("shared")];
        let made_of = Crate { name: "agent".into(), folders, workspace: root.clone() };
        let watched = of(&made_of, &component, &root.join("agent/out/debug"));
        let expected = [
            "Cargo.lock",
            "Cargo.toml",
            "agent/Cargo.toml",
            "agent/src",
            "shared/src",
            "texts/with space.txt",
        ];
        let expected: Vec<_> = expected.iter().map(|path| root.join(path)).collect();
        assert_eq!(watched.into_iter().collect::<Vec<_>>(), expected);
    }
}
