//! A setting that is not to be seen.

use std::fmt;
use std::str::FromStr;

use super::setting::{Allowed, LEAST_TOKEN};

/// A token that gives access. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A secret made by hand; the configuration's complaints cover it.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    pub(super) fn complaint(&self) -> Option<String> {
        let fits =
            self.0.len() >= LEAST_TOKEN && self.0.bytes().all(|byte| byte.is_ascii_graphic());
        let message =
            format!("does not fit in a header or is too short; allowed are {}", Allowed::Token);
        (!fits).then_some(message)
    }
}

impl FromStr for Secret {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let secret = Self(text.to_owned());
        if secret.complaint().is_none() { Ok(secret) } else { Err(()) }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// An address as it may be printed: what gives access in it is not shown. It
/// need not be well formed, so all before the last `@` counts as that.
#[must_use]
pub fn without_userinfo(address: &str) -> String {
    let Some((before, rest)) = address.rsplit_once('@') else { return address.to_owned() };
    let scheme = before.split_once("://").map(|(scheme, _)| format!("{scheme}://"));
    format!("{}(secret)@{rest}", scheme.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_address_all_but_the_userinfo_is_shown() {
        for (address, shown) in [
            ("http://there:4318/v1", "http://there:4318/v1"),
            ("https://me:hush@there:4318", "https://(secret)@there:4318"),
            ("http://me:h@u/sh@there", "http://(secret)@there"),
            ("me@there", "(secret)@there"),
        ] {
            assert_eq!(without_userinfo(address), shown);
        }
    }

    #[test]
    fn a_secret_is_not_printed_and_not_short() {
        let secret: Secret = "0123456789abcdef".parse().unwrap();
        assert_eq!(format!("{secret:?}"), "(secret)");
        assert_eq!(secret.reveal(), "0123456789abcdef");
        for wrong in ["", "short", "0123456789 abcdef", "0123456789abcdéf"] {
            assert_eq!(wrong.parse::<Secret>(), Err(()), "{wrong}");
        }
    }
}
