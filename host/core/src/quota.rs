//! What a task or an agent may use, and the rules for a sensible quota.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Bytes in one mebibyte, the unit of every memory limit.
pub const MEBIBYTE: u64 = 1024 * 1024;

/// The most memory one guest can address: linear memories are 32-bit.
pub const MAX_MEMORY_MB: u64 = 4096;

/// A week. A call that needs longer is better cut into tasks.
pub const MAX_EXECUTION_TIME_SECS: u64 = 7 * 24 * 3600;

/// More cores than any call can use: a guest has one thread.
pub const MAX_CPU_CORES: f64 = 1024.0;

/// Below a thousandth of a core the bucket refills slower than the tick debits.
pub const MIN_CPU_CORES: f64 = 0.001;

/// Slower than this, 125 bytes a second, one block of a connection takes minutes.
pub const MIN_NETWORK_MBPS: f64 = 0.001;

/// More than a machine's interface carries.
pub const MAX_NETWORK_MBPS: f64 = 1_000_000.0;

/// The limits on one agent or one task. All are enforced by the host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ResourceQuota {
    /// Share of processor cores; 0.25 is a quarter of one core. Over it the
    /// guest is paused, not ended.
    #[cfg_attr(feature = "openapi", schema(minimum = 0.001, maximum = 1024))]
    pub max_cpu_cores: f64,
    /// Mebibytes of linear memory and tables, and of what the host holds for the
    /// guest, summed over the instances.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 4096))]
    pub max_memory_mb: u64,
    /// Seconds of wall time for one call.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 604800))]
    pub max_execution_time_secs: u64,
    /// Megabits per second in each direction; `None`: no network. Over it a
    /// connection waits.
    #[cfg_attr(feature = "openapi", schema(minimum = 0.001, maximum = 1000000))]
    pub max_network_mbps: Option<f64>,
}

impl Default for ResourceQuota {
    /// The defaults of the configuration: one core, 512 MiB, 300 s, 10 Mbit/s.
    fn default() -> Self {
        Self {
            max_cpu_cores: 1.0,
            max_memory_mb: 512,
            max_execution_time_secs: 300,
            max_network_mbps: Some(10.0),
        }
    }
}

impl ResourceQuota {
    /// Every field that is out of range, as messages for the user who set it.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        if !(MIN_CPU_CORES..=MAX_CPU_CORES).contains(&self.max_cpu_cores) {
            complaints.push(out_of_range(
                "max_cpu_cores",
                self.max_cpu_cores,
                MIN_CPU_CORES,
                MAX_CPU_CORES,
            ));
        }
        if !(1..=MAX_MEMORY_MB).contains(&self.max_memory_mb) {
            complaints.push(out_of_range("max_memory_mb", self.max_memory_mb, 1, MAX_MEMORY_MB));
        }
        if !(1..=MAX_EXECUTION_TIME_SECS).contains(&self.max_execution_time_secs) {
            let (value, most) = (self.max_execution_time_secs, MAX_EXECUTION_TIME_SECS);
            complaints.push(out_of_range("max_execution_time_secs", value, 1, most));
        }
        match self.max_network_mbps {
            Some(rate) if !(MIN_NETWORK_MBPS..=MAX_NETWORK_MBPS).contains(&rate) => {
                let (least, most) = (MIN_NETWORK_MBPS, MAX_NETWORK_MBPS);
                let message = out_of_range("max_network_mbps", rate, least, most);
                complaints.push(format!("{message}, or nothing for no network"));
            }
            _ => {}
        }
        complaints
    }

    /// The limit on memory in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.max_memory_mb.saturating_mul(MEBIBYTE)
    }

    /// The limit on the wall time of one call.
    #[must_use]
    pub fn execution_time(&self) -> Duration {
        Duration::from_secs(self.max_execution_time_secs)
    }
}

fn out_of_range<T: std::fmt::Display>(name: &str, value: T, least: T, most: T) -> String {
    format!("{name} is {value}; allowed is {least} to {most}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_sensible() {
        assert_eq!(ResourceQuota::default().complaints(), Vec::<String>::new());
    }

    #[test]
    fn every_bad_field_is_named_with_its_value() {
        let quota = ResourceQuota {
            max_cpu_cores: f64::NAN,
            max_memory_mb: 0,
            max_execution_time_secs: u64::MAX,
            max_network_mbps: Some(-1.0),
        };
        assert_eq!(
            quota.complaints(),
            [
                "max_cpu_cores is NaN; allowed is 0.001 to 1024",
                "max_memory_mb is 0; allowed is 1 to 4096",
                "max_execution_time_secs is 18446744073709551615; allowed is 1 to 604800",
                "max_network_mbps is -1; allowed is 0.001 to 1000000, or nothing for no network",
            ]
        );
    }

    #[test]
    fn each_field_is_taken_to_its_last_value() {
        let least = ResourceQuota {
            max_cpu_cores: 0.001,
            max_memory_mb: 1,
            max_execution_time_secs: 1,
            max_network_mbps: Some(0.001),
        };
        let most = ResourceQuota {
            max_cpu_cores: 1024.0,
            max_memory_mb: 4096,
            max_execution_time_secs: 604_800,
            max_network_mbps: Some(1_000_000.0),
        };
        let none = ResourceQuota { max_network_mbps: None, ..most.clone() };
        for quota in [&least, &most, &none] {
            assert_eq!(quota.complaints(), Vec::<String>::new());
        }
        assert_eq!((least.memory_bytes(), most.memory_bytes()), (1 << 20, 1 << 32));
        assert_eq!(most.execution_time(), Duration::from_secs(604_800));

        let past = ResourceQuota {
            max_cpu_cores: 1024.1,
            max_memory_mb: 4097,
            max_execution_time_secs: 604_801,
            max_network_mbps: Some(1_000_000.1),
        };
        assert_eq!(past.complaints().len(), 4);
        let endless = ResourceQuota { max_memory_mb: u64::MAX, ..most };
        assert_eq!(endless.memory_bytes(), u64::MAX, "it does not wrap");
    }

    #[test]
    fn a_misspelt_field_is_refused_and_a_left_out_one_is_the_default() {
        let read = serde_json::from_str::<ResourceQuota>;
        assert_eq!(read("{}").unwrap(), ResourceQuota::default());
        let quota = read("{\"max_network_mbps\": null}").unwrap();
        assert_eq!(quota, ResourceQuota { max_network_mbps: None, ..ResourceQuota::default() });
        assert!(read("{\"max_memory\": 1}").is_err());
    }
}
