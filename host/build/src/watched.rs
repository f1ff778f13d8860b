//! What cargo is to look at, to see whether agents must be built again.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::rust::Crate;

/// What cargo and other programs put into a folder of products, at its top.
const MARK_OF_PRODUCTS: &str = "CACHEDIR.TAG";

/// What the crate is built from: what is in its folders and in those that it depends on
/// by a path, and the manifest and the lock of its workspace. Cargo reads folders to the
/// bottom, so products that lie among the sources are left out.
pub(crate) fn of(made_of: &Crate, out: &Path) -> BTreeSet<PathBuf> {
    let out = out.canonicalize().unwrap_or_else(|_| out.to_path_buf());
    let inside = made_of.folders.iter().flat_map(fs::read_dir).flatten().flatten();
    let inside = inside.map(|entry| entry.path()).filter(|path| {
        let is_product = out.starts_with(path) || path.join(MARK_OF_PRODUCTS).is_file();
        !is_product && !path.ends_with(".git")
    });
    let shared = ["Cargo.toml", "Cargo.lock"].map(|name| made_of.workspace.join(name));
    inside.chain(shared.into_iter().filter(|path| path.is_file())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_among_the_sources_are_not_watched() {
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
            "shared/src/lib.rs",
        ] {
            file(path);
        }
        let folders = vec![root.join("agent"), root.join("shared")];
        let made_of = Crate { name: "agent".into(), folders, workspace: root.clone() };
        let watched = of(&made_of, &root.join("agent/out/debug"));
        let expected = ["Cargo.lock", "Cargo.toml", "agent/Cargo.toml", "agent/src", "shared/src"];
        let expected: Vec<_> = expected.iter().map(|path| root.join(path)).collect();
        assert_eq!(watched.into_iter().collect::<Vec<_>>(), expected);
    }
}
