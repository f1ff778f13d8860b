//! Suggests the known name that an unknown one was meant to be.

/// The end of a complaint about an unknown name: the known name that is so near
/// that it was meant, or else `otherwise`, since a far one misleads.
pub(super) fn meant<'a>(
    typed: &str,
    known: impl Iterator<Item = &'a str> + Clone,
    otherwise: &str,
) -> String {
    match nearest(typed, known) {
        Some(name) => format!("did you mean {name}?"),
        None => otherwise.to_owned(),
    }
}

/// The known names, as the end of a complaint.
pub(super) fn allowed<'a>(known: impl Iterator<Item = &'a str>) -> String {
    format!("allowed are {}", known.collect::<Vec<_>>().join(", "))
}

/// No known name is near a longer one, and the comparison would take its time.
const MOST_TYPED_BYTES: usize = 200;

/// The only name that was typed in part, or the one that few keys away.
fn nearest<'a>(typed: &str, known: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    if typed.len() > MOST_TYPED_BYTES {
        return None;
    }
    let typed = plain(typed);
    let mut begun = known.clone().filter(|name| begins(&plain(name), &typed));
    if let (Some(one), None) = (begun.next(), begun.next()) {
        return Some(one);
    }
    let distance = |name: &str| {
        let name = plain(name);
        // A setting of a table is also meant by its own name.
        let last = name.rsplit('.').next().unwrap_or(&name);
        let whole = strsim::osa_distance(&typed, &name);
        whole.min(strsim::osa_distance(&typed, last))
    };
    let near = known.map(|name| (distance(name), name)).min_by_key(|(distance, _)| *distance);
    // A third of what was typed may be wrong, as compilers have it.
    near.filter(|(distance, _)| *distance <= typed.chars().count().max(3) / 3).map(|(_, name)| name)
}

/// Whether the name has more than what was typed: whole words of it, or most.
fn begins(name: &str, typed: &str) -> bool {
    const LEAST: usize = 3;
    typed.len() >= LEAST && name.starts_with(typed)
}

/// As it is compared: what all variables begin with says nothing, and nor does
/// the case.
fn plain(name: &str) -> String {
    let name = name.strip_prefix(super::setting::PREFIX).unwrap_or(name);
    name.to_lowercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::super::SETTINGS;
    use super::*;

    fn keys() -> impl Iterator<Item = &'static str> + Clone {
        SETTINGS.iter().map(|setting| setting.key)
    }

    /// Each name with any one character left out, doubled or changed.
    #[test]
    fn a_slip_of_the_key_is_seen_through() {
        for key in keys() {
            for at in 1..key.len() {
                let (before, after) = key.split_at(at);
                let slips = [
                    format!("{}{after}", &before[..at - 1]),
                    format!("{before}{key}", key = &key[at - 1..]),
                    format!("{}x{after}", &before[..at - 1]),
                ];
                for slip in slips.iter().filter(|slip| keys().all(|known| known != **slip)) {
                    assert_eq!(nearest(slip, keys()), Some(key), "{slip}");
                }
            }
        }
    }

    #[test]
    fn what_is_far_is_not_suggested() {
        let fields = ["component", "instances", "quota", "environment", "parameters", "http"];
        for typed in ["limits", "memory", "name", "image", "path", "x", "", "timeout"] {
            assert_eq!(nearest(typed, fields.into_iter()), None, "{typed}");
            assert_eq!(meant(typed, fields.into_iter(), "no"), "no");
        }
        let near = [("env", "environment"), ("param", "parameters"), ("Quota", "quota")];
        for (typed, name) in near {
            assert_eq!(nearest(typed, fields.into_iter()), Some(name));
        }
        assert_eq!(nearest("LAYER4_TYPO", keys()), None);
    }

    #[test]
    fn a_setting_of_a_table_is_found_by_its_own_name() {
        let found = Some("default_resource_quota.max_memory_mb");
        assert_eq!(nearest("max_memory_mb", keys()), found);
        assert_eq!(nearest("max_memory_mbs", keys()), found);
    }
}
