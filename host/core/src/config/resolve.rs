//! From text to values: one pass that collects every complaint.

use super::FabricConfig;
use super::layers::Layers;
use super::parts::SETTINGS;
use super::setting::Wrong;

/// Of a value, so much is repeated.
const SHOWN_CHARS: usize = 100;

/// Turns what was typed into settings.
///
/// # Errors
/// Every complaint at once: where it was typed, the value and what is allowed.
pub fn resolve(layers: &Layers) -> Result<FabricConfig, Vec<String>> {
    let mut complaints = layers.complaints().to_vec();
    let mut config = FabricConfig::default();
    for setting in SETTINGS {
        let Some(typed) = layers.get(setting.key) else { continue };
        match setting.read(typed.text.trim(), &mut config) {
            Ok(()) => {}
            Err(Wrong::NotAllowed) => {
                let shown: String = typed.text.chars().take(SHOWN_CHARS).collect();
                let (origin, allowed) = (&typed.origin, setting.allowed);
                complaints.push(format!("{origin} is {shown:?}; allowed is {allowed}"));
            }
            Err(Wrong::Because(why)) => complaints.push(format!("{}: {why}", typed.origin)),
        }
    }
    // What only settings together can have wrong. One that did not parse has its
    // default here, of which there is nothing to complain.
    complaints.extend(config.complaints().into_iter().map(|message| layers.with_origin(message)));
    if complaints.is_empty() { Ok(config) } else { Err(complaints) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Layers {
        Layers::new().with_environment(pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())))
    }

    #[test]
    fn nothing_typed_is_the_default() {
        assert_eq!(resolve(&Layers::new()), Ok(FabricConfig::default()));
    }

    #[test]
    fn a_flag_beats_the_environment_and_that_the_file() {
        let layers = environment(&[("LAYER4_MAX_AGENTS", "3"), ("LAYER4_MAX_MEMORY_MB", "64")])
            .with_file(
                "chimera.toml",
                "max_agents = 2\nagent_timeout_secs = 7\n[default_resource_quota]\nmax_memory_mb = 9",
            )
            .unwrap()
            .with_flag("max_agents", "4".into(), "--max-agents");
        let config = resolve(&layers).unwrap();
        assert_eq!(config.max_agents, 4);
        assert_eq!(config.default_resource_quota.max_memory_mb, 64);
        assert_eq!(config.agent_timeout_secs, 7);
    }

    #[test]
    fn every_complaint_comes_at_once_with_its_origin() {
        let layers = environment(&[
            ("LAYER4_MAX_AGENTS", "many"),
            ("LAYER4_MAX_CPU_CORES", "-1"),
            ("LAYER4_REDIS_URL", "localhost:6379"),
            ("LAYER4_TYPO", "1"),
            ("HOME", "/root"),
        ]);
        let complaints = resolve(&layers).unwrap_err();
        assert_eq!(complaints.len(), 4, "{complaints:#?}");
        let all = complaints.join("\n");
        assert!(
            all.contains(
                "LAYER4_MAX_AGENTS is \"many\"; allowed is a whole number from 1 to 10000"
            ),
            "{all}"
        );
        assert!(
            all.contains("LAYER4_MAX_CPU_CORES is \"-1\"; allowed is a number from 0.001 to 1024"),
            "{all}"
        );
        assert!(
            all.contains("LAYER4_REDIS_URL is \"localhost:6379\"; allowed is an address"),
            "{all}"
        );
        assert!(all.contains("LAYER4_TYPO: no such setting"), "{all}");
    }

    #[test]
    fn what_settings_have_wrong_together_comes_with_the_rest_and_its_origin() {
        let layers = environment(&[
            ("LAYER4_BIND_ADDRESS", "0.0.0.0"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://somewhere"),
        ]);
        let layers = layers.with_file("chimera.toml", "max_agents = 0").unwrap();
        let complaints = resolve(&layers).unwrap_err();
        assert_eq!(complaints.len(), 3, "{complaints:#?}");
        let all = complaints.join("\n");
        for message in [
            "max_agents in chimera.toml is \"0\"; allowed",
            "LAYER4_BIND_ADDRESS is 0.0.0.0, which others can reach",
            "OTEL_EXPORTER_OTLP_ENDPOINT is \"ftp://somewhere\"; allowed",
        ] {
            assert!(all.contains(message), "{message}\n{all}");
        }
    }

    #[test]
    fn a_token_that_is_wrong_is_one_complaint_and_not_shown() {
        let layers =
            environment(&[("LAYER4_API_TOKEN", "a word"), ("LAYER4_BIND_ADDRESS", "0.0.0.0")]);
        let complaints = resolve(&layers).unwrap_err();
        let [one] = &complaints[..] else { panic!("{complaints:#?}") };
        assert!(one.starts_with("LAYER4_API_TOKEN does not fit"), "{one}");
        assert!(!one.contains("a word"), "{one}");
    }

    #[test]
    fn a_password_in_an_address_is_not_shown() {
        for typed in [
            "http://me:hush@there:4318",
            "ftp://me:hush@there",
            "me:hush@there",
            "http://me:hu sh/@x",
        ] {
            let layers = environment(&[("OTEL_EXPORTER_OTLP_ENDPOINT", typed)]);
            let said = match resolve(&layers) {
                Ok(config) => {
                    SETTINGS.iter().map(|one| (one.show)(&config)).collect::<Vec<_>>().join("\n")
                }
                Err(complaints) => complaints.join("\n"),
            };
            assert!(said.contains("(secret)@") && !said.contains("hu"), "{said}");
        }
    }

    #[test]
    fn what_has_changed_is_named_also_where_it_is_not_shown() {
        let values = [
            ("max_agents", "3"),
            ("default_resource_quota.max_cpu_cores", "0.5"),
            ("default_resource_quota.max_memory_mb", "3"),
            ("default_resource_quota.max_execution_time_secs", "3"),
            ("default_resource_quota.max_network_mbps", "none"),
            ("heartbeat_interval_secs", "3"),
            ("agent_timeout_secs", "3"),
            ("worker_threads", "3"),
            ("max_component_mb", "3"),
            ("compile_cpu_secs", "3"),
            ("compile_memory_mb", "300"),
            ("compile_opt_level", "none"),
            ("compile_program", "/b"),
            ("agents_dir", "/e"),
            ("data_dir", "/a"),
            ("redis_url", "redis://a:b@c"),
            ("task_store", "memory"),
            ("max_store_mb", "300"),
            ("task_queue_capacity", "3"),
            ("drain_timeout_secs", "3"),
            ("result_retention_secs", "3"),
            ("result_retention_count", "3"),
            ("dead_letter_retention_secs", "3"),
            ("dead_letter_retention_count", "3"),
            ("bind_address", "::1"),
            ("metrics_port", "3"),
            ("api_token", "one-of-sixteen-or-more"),
            ("max_connections", "3"),
            ("http_ca_file", "/d"),
            ("recorded_tasks", "3"),
            ("recorded_redaction", "$.a"),
            ("kpi_reporting_interval_secs", "3"),
            ("log_dir", "/c"),
            ("otlp_endpoint", "http://a:b@c"),
            ("debug_mode", "true"),
        ];
        let keys: Vec<&str> = SETTINGS.iter().map(|setting| setting.key).collect();
        assert_eq!(values.map(|(key, _)| key).to_vec(), keys, "each has a value here");
        let with = |key: &str, value: &str| {
            resolve(&Layers::new().with_flag(key, value.to_owned(), "a test")).unwrap()
        };
        let before = FabricConfig::default();
        for (key, value) in values {
            assert_eq!(before.changed(&with(key, value)), [key]);
        }
        assert_eq!(before.changed(&before), [""; 0]);
        let secrets = [
            ("redis_url", "redis://a:x@c"),
            ("api_token", "another-of-sixteen"),
            ("otlp_endpoint", "http://a:x@c"),
        ];
        for (key, other) in secrets {
            let (_, value) = values.into_iter().find(|(known, _)| *known == key).unwrap();
            assert_eq!(with(key, value).changed(&with(key, other)), [key]);
        }
    }

    #[test]
    fn a_setting_made_by_hand_is_held_to_the_same_ranges() {
        let config = FabricConfig { max_agents: 0, ..FabricConfig::default() };
        assert_eq!(config.complaints(), ["max_agents is 0; allowed is 1 to 10000"]);
    }

    #[test]
    fn a_file_that_is_not_toml_is_refused_with_its_name() {
        let error = Layers::new().with_file("chimera.toml", "max_agents = ").unwrap_err();
        assert!(error.to_string().starts_with("chimera.toml is not valid TOML"), "{error}");
    }
}
