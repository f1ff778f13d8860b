//! How the folder of an agent type is named, and which types can have one.

use std::path::{Path, PathBuf};

/// The most bytes of a folder's name.
const LONGEST_NAME: usize = 200;

/// The folder of an agent type.
pub(super) fn folder_of(root: &Path, agent_type: &str) -> PathBuf {
    root.join(name(agent_type))
}

/// Why an agent type cannot have a folder; `None` if it can.
pub(super) fn complaint(agent_type: &str) -> Option<String> {
    let length = name(agent_type).len();
    (!(1..=LONGEST_NAME).contains(&length)).then(|| {
        format!(
            "the agent type {agent_type:?} takes {length} bytes; allowed is 1 to {LONGEST_NAME}"
        )
    })
}

/// A name for the file system. Each byte that is not plain is written as `%XX`.
fn name(agent_type: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let one =
        |byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    agent_type.bytes().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_agent_type_has_a_folder_of_its_own_below_the_root() {
        let root = Path::new("/evolution");
        for (agent_type, folder) in
            [("packer", "packer"), ("a/b", "a%2Fb"), ("..", "%2E%2E"), ("ü", "%C3%BC")]
        {
            assert_eq!(folder_of(root, agent_type), root.join(folder));
        }
        assert!(complaint("").is_some() && complaint(&"ü".repeat(40)).is_some());
        assert_eq!(complaint("packer"), None);
    }
}
