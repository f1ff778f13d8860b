//! What each setting may be, and what settings may not be together.

use proptest::prelude::*;

use super::*;

/// Each whole number: its key, the least and the most, and how it is read from a configuration.
type Whole = (&'static str, u64, u64, fn(&FabricConfig) -> u64);

const WEEK: u64 = 7 * 24 * 3600;
const DAY: u64 = 24 * 3600;

const WHOLE: [Whole; 18] = [
    ("max_agents", 1, 10_000, |c| c.max_agents as u64),
    ("default_resource_quota.max_memory_mb", 1, 4096, |c| c.default_resource_quota.max_memory_mb),
    ("default_resource_quota.max_execution_time_secs", 1, WEEK, |c| {
        c.default_resource_quota.max_execution_time_secs
    }),
    ("task_queue_capacity", 1, 10_000_000, |c| c.task_queue_capacity as u64),
    ("heartbeat_interval_secs", 1, DAY, |c| c.heartbeat_interval_secs),
    ("agent_timeout_secs", 1, DAY, |c| c.agent_timeout_secs),
    ("max_component_mb", 1, 1024, |c| c.components.max_component_mb),
    ("compile_cpu_secs", 1, 600, |c| c.components.compile_cpu_secs),
    ("compile_memory_mb", 256, 65_536, |c| c.components.compile_memory_mb),
    ("max_store_mb", 16, 16_777_216, |c| c.queue.max_store_mb),
    ("drain_timeout_secs", 0, WEEK, |c| c.queue.drain_timeout_secs),
    ("result_retention_secs", 1, 315_360_000, |c| c.queue.result_retention_secs),
    ("result_retention_count", 1, 100_000_000, |c| c.queue.result_retention_count),
    ("dead_letter_retention_secs", 1, 315_360_000, |c| c.queue.dead_letter_retention_secs),
    ("dead_letter_retention_count", 1, 100_000_000, |c| c.queue.dead_letter_retention_count),
    ("kpi_reporting_interval_secs", 1, DAY, |c| c.kpi_reporting_interval_secs),
    ("max_connections", 1, 1_000_000, |c| c.http.max_connections as u64),
    ("recorded_tasks", 0, 100_000, |c| c.genomes.recorded_tasks as u64),
];

fn with(key: &str, text: &str) -> Result<FabricConfig, Vec<String>> {
    resolve(&Layers::new().with_flag(key, text.into(), "--flag"))
}

#[test]
fn a_whole_number_is_taken_from_its_least_to_its_most() {
    for (key, least, most, read) in WHOLE {
        for value in [least, most] {
            let config = with(key, &value.to_string()).unwrap_or_else(|all| panic!("{all:?}"));
            assert_eq!(read(&config), value, "{key}");
        }
        let under = least.checked_sub(1).map(|under| under.to_string());
        let beyond = [under, Some((most + 1).to_string()), Some("-1".into()), Some("1.5".into())];
        for text in beyond.into_iter().flatten() {
            let complaint =
                format!("--flag is {text:?}; allowed is a whole number from {least} to {most}");
            assert_eq!(with(key, &text), Err(vec![complaint]), "{key}");
        }
    }
}

#[test]
fn a_share_and_a_rate_are_taken_from_their_least_to_their_most() {
    let cores = "default_resource_quota.max_cpu_cores";
    for (text, value) in [("0.001", 0.001), (" 1024 ", 1024.0)] {
        assert_eq!(with(cores, text).unwrap().default_resource_quota.max_cpu_cores, value);
    }
    let rate = "default_resource_quota.max_network_mbps";
    for (text, value) in [("0.001", Some(0.001)), ("1000000", Some(1e6)), (" none ", None)] {
        assert_eq!(with(rate, text).unwrap().default_resource_quota.max_network_mbps, value);
    }
    for text in ["0", "0.0009", "1024.1", "NaN", "inf", "none"] {
        let complaint = format!("--flag is {text:?}; allowed is a number from 0.001 to 1024");
        assert_eq!(with(cores, text), Err(vec![complaint]));
    }
    for text in ["0", "1000000.1", "NaN", "inf", "None"] {
        let complaint = format!("--flag is {text:?}; allowed is 0.001 to 1000000, or `none`");
        assert_eq!(with(rate, text), Err(vec![complaint]));
    }
}

#[test]
fn each_other_setting_is_taken_as_it_is_written() {
    let path = |text: &str| Some(PathBuf::from(text));
    assert_eq!(with("data_dir", " /var/lib/x ").unwrap().data_dir, path("/var/lib/x"));
    assert_eq!(
        with("compile_program", "/bin/x").unwrap().components.compile_program,
        path("/bin/x")
    );
    assert_eq!(with("log_dir", "logs").unwrap().telemetry.log_dir, path("logs"));
    assert_eq!(with("http_ca_file", "ca.pem").unwrap().capabilities.http_ca_file, path("ca.pem"));
    assert_eq!(with("metrics_port", "0").unwrap().metrics_port, 0);
    assert_eq!(with("metrics_port", "65535").unwrap().metrics_port, 65_535);
    assert_eq!(with("bind_address", "::1").unwrap().http.bind_address.to_string(), "::1");
    assert!(with("debug_mode", "true").unwrap().debug_mode);
    let token = with("api_token", " 0123456789abcdef ").unwrap().http.api_token.unwrap();
    assert_eq!(token.reveal(), "0123456789abcdef");
    let endpoint = with("otlp_endpoint", "http://there:4318").unwrap().telemetry.otlp_endpoint;
    assert_eq!(endpoint.as_deref(), Some("http://there:4318"));
    let redaction =
        with("recorded_redaction", " $.a , ,$.b.c,").unwrap().genomes.recorded_redaction;
    assert_eq!(Vec::from(redaction), ["$.a", "$.b.c"]);
}

#[test]
fn what_is_no_value_of_a_setting_is_answered_with_what_is() {
    for (key, text, allowed) in [
        ("data_dir", " ", "a path"),
        ("task_store", "sqlite", "`embedded` or `memory`"),
        ("compile_opt_level", "fast", "`none`, `speed` or `speed-and-size`"),
        ("metrics_port", "65536", "a port from 0 to 65535"),
        ("bind_address", "localhost", "an IP address"),
        ("debug_mode", "yes", "`true` or `false`"),
        ("otlp_endpoint", "", "an address as http://127.0.0.1:4318"),
    ] {
        let complaint = format!("--flag is {text:?}; allowed is {allowed}");
        assert_eq!(with(key, text), Err(vec![complaint]));
    }
    let [complaint] = &with("recorded_redaction", "$.a,b").unwrap_err()[..] else { panic!() };
    assert!(complaint.starts_with("--flag: ") && complaint.contains("\"b\""), "{complaint}");
    let shown = "x".repeat(100);
    let long = with("max_agents", &"x".repeat(1000)).unwrap_err();
    assert!(long[0].starts_with(&format!("--flag is \"{shown}\"; allowed")), "{long:?}");
}

#[test]
fn a_store_is_named_by_the_word_that_it_is_shown_with() {
    for kind in [TaskStoreKind::Embedded, TaskStoreKind::Memory] {
        assert_eq!(kind.to_string().parse(), Ok(kind));
    }
    assert_eq!("memory".parse(), Ok(TaskStoreKind::Memory));
    for wrong in ["", "Memory", "redis"] {
        assert_eq!(wrong.parse::<TaskStoreKind>(), Err(()), "{wrong}");
    }
}

#[test]
fn a_level_is_named_by_the_word_that_it_is_shown_with() {
    for level in [OptLevel::None, OptLevel::Speed, OptLevel::SpeedAndSize] {
        assert_eq!(
            with("compile_opt_level", &level.to_string()).unwrap().components.compile_opt_level,
            level
        );
        // The process that compiles gets the same word.
        assert_eq!(serde_json::to_value(level).unwrap(), level.to_string());
    }
    assert_eq!(OptLevel::default(), OptLevel::Speed);
    for wrong in ["", "Speed", "size"] {
        assert_eq!(wrong.parse::<OptLevel>(), Err(()), "{wrong}");
    }
}

#[test]
fn sizes_and_times_are_those_of_their_settings() {
    let config = FabricConfig {
        components: ComponentSettings { max_component_mb: 5, ..ComponentSettings::default() },
        kpi_reporting_interval_secs: 7,
        agent_timeout_secs: 11,
        heartbeat_interval_secs: 13,
        queue: QueueSettings {
            max_store_mb: 3,
            drain_timeout_secs: 17,
            result_retention_secs: 19,
            dead_letter_retention_secs: 23,
            ..QueueSettings::default()
        },
        ..FabricConfig::default()
    };
    assert_eq!(config.queue.max_store_bytes(), 3 * 1024 * 1024);
    assert_eq!(config.components.max_component_bytes(), 5 * 1024 * 1024);
    let secs = Duration::from_secs;
    assert_eq!(config.kpi_reporting_interval(), secs(7));
    assert_eq!(config.agent_timeout(), secs(11));
    assert_eq!(config.heartbeat_interval(), secs(13));
    assert_eq!(config.queue.drain_timeout(), secs(17));
    assert_eq!(config.queue.result_retention(), secs(19));
    assert_eq!(config.queue.dead_letter_retention(), secs(23));

    let largest = QueueSettings { max_store_mb: u64::MAX, ..config.queue };
    assert_eq!(largest.max_store_bytes(), u64::MAX, "it does not wrap");
}

/// `docs/src/settings.md` promises them.
#[test]
fn what_is_not_set_has_the_documented_default() {
    let config = FabricConfig::default();
    assert_eq!(config.complaints(), [""; 0]);
    assert_eq!(config.queue.result_retention(), Duration::from_secs(86_400));
    assert_eq!(config.queue.dead_letter_retention(), Duration::from_secs(2_592_000));
    assert_eq!(config.queue.max_store_mb, 16_384);
    assert!(config.http.bind_address.is_loopback());
}

#[test]
fn an_address_that_others_reach_needs_a_token() {
    let token = || Some(Secret::new("0123456789abcdef".into()));
    let complaints = |address: &str, api_token| {
        let bind_address = address.parse().unwrap();
        let http = HttpSettings { bind_address, api_token, ..HttpSettings::default() };
        FabricConfig { http, ..FabricConfig::default() }.complaints()
    };
    for (address, reached) in [
        ("127.0.0.1", false),
        ("127.9.9.9", false),
        ("::1", false),
        ("0.0.0.0", true),
        ("::", true),
    ] {
        assert_eq!(complaints(address, None).len(), usize::from(reached), "{address}");
        assert_eq!(complaints(address, token()), [""; 0], "{address}");
    }
    let short = complaints("0.0.0.0", Some(Secret::new("short".into())));
    assert!(short.len() == 1 && short[0].starts_with("api_token does not fit"), "{short:?}");
}

#[test]
fn a_configuration_made_by_hand_is_held_to_the_same_rules() {
    let config = FabricConfig {
        max_agents: 10_001,
        default_resource_quota: ResourceQuota { max_memory_mb: 0, ..ResourceQuota::default() },
        telemetry: TelemetrySettings {
            otlp_endpoint: Some("ftp://me:hush@there".into()),
            ..TelemetrySettings::default()
        },
        ..FabricConfig::default()
    };
    assert_eq!(
        config.complaints(),
        [
            "max_agents is 10001; allowed is 1 to 10000",
            "default_resource_quota.max_memory_mb is 0; allowed is 1 to 4096",
            "otlp_endpoint is \"ftp://(secret)@there\"; allowed is an address as http://127.0.0.1:4318",
        ]
    );
    let otlp_endpoint = Some("http://there:4318".into());
    let telemetry = TelemetrySettings { otlp_endpoint, ..TelemetrySettings::default() };
    let traced = FabricConfig { telemetry, ..FabricConfig::default() };
    assert_eq!(traced.complaints(), [""; 0]);
}

proptest! {
    /// Any text for any setting is taken, or one complaint names where it was typed. The form
    /// that a value is shown in is read as the same value.
    #[test]
    fn what_is_typed_is_taken_or_complained_of_once(
        which in 0..SETTINGS.len(), text in "[ -~]{0,20}|[0-9]{1,8}|true|none",
    ) {
        let key = SETTINGS[which].key;
        match with(key, &text) {
            Err(complaints) => {
                prop_assert_eq!(complaints.len(), 1, "{:?}", complaints);
                prop_assert!(complaints[0].starts_with("--flag"), "{:?}", complaints);
            }
            Ok(config) => {
                let shown = (SETTINGS[which].show)(&config);
                if !shown.contains("(secret)") && shown != "none" {
                    prop_assert_eq!(with(key, &shown), Ok(config));
                }
            }
        }
    }
}
