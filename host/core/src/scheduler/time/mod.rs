//! Time of day as stores keep it, and time that a process measures.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Milliseconds since 1970, as stores keep them. In JSON a time is written as
/// every other, as RFC 3339; milliseconds are read too, as they were written once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
pub struct Timestamp(pub u64);

/// The end of the year 9999, after which RFC 3339 has no form.
const LAST_MILLIS: u64 = 253_402_300_799_999;

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let time = Self(self.0.min(LAST_MILLIS)).to_system_time();
        to.collect_str(&humantime_serde::re::humantime::format_rfc3339_millis(time))
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(InEitherForm)
    }
}

struct InEitherForm;

impl Visitor<'_> for InEitherForm {
    type Value = Timestamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time as RFC 3339, or milliseconds since 1970")
    }

    fn visit_u64<E: Error>(self, millis: u64) -> Result<Timestamp, E> {
        Ok(Timestamp(millis))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Timestamp, E> {
        humantime_serde::re::humantime::parse_rfc3339(text).map(Timestamp::from).map_err(E::custom)
    }
}

impl Timestamp {
    /// Later by a duration, which counts in whole milliseconds.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Earlier by a duration.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    /// The time from `earlier` to this; zero when it is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The same instant for the standard library.
    #[must_use]
    pub fn to_system_time(self) -> SystemTime {
        // A stored number may be anything; what no clock shows is the epoch.
        let since = Duration::from_millis(self.0);
        SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

impl Timestamp {
    /// The same instant for a clock that was set by so many milliseconds.
    #[must_use]
    pub fn set_by(self, by_ms: i64) -> Self {
        Self(self.0.saturating_add_signed(by_ms))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self::default().after(since)
    }
}

/// Milliseconds on a monotonic clock, which does not give the time of day. It
/// measures what is relative and lives no longer than the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Moment(pub u64);

impl Moment {
    /// Later by a duration, which counts in whole milliseconds.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(Timestamp(self.0).after(duration).0)
    }

    /// The time from `earlier` to this; zero when it is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

#[cfg(test)]
mod tests;
