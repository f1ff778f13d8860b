//! Where a round ended that did not go well.

pub(super) struct Failed {
    pub(super) during: &'static str,
    pub(super) error: anyhow::Error,
}

impl Failed {
    pub(super) fn during(during: &'static str) -> impl FnOnce(anyhow::Error) -> Self {
        move |error| Self { during, error }
    }
}
