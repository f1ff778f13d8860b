//! Starting: with the given configuration, with odd and bad ones, with too
//! little memory.

use chimera_layer4_core::config::GRANT_KEYS;
use chimera_layer4_core::quota::MEBIBYTE;
use chimera_layer4_core::{AgentConfig, FabricResult, Fault, GuestFault, QuotaKind, ResourceQuota};
use serde_json::{Value, json};

use super::checks::Check;
use super::subject::{Subject, is_contract_error, is_over_time};

/// Of a configuration's parameters so many are replaced by odd ones.
const PARAMETERS: usize = 8;

/// Starts it as given. What it held at the most, in bytes, if it started.
pub(super) async fn start(subject: &mut Subject<'_>) -> FabricResult<Option<u64>> {
    let mut probe = subject.probe(&subject.options.config)?;
    let made = probe.instantiate().await;
    if let Err(fault) = subject.heard(made)?.answer {
        subject.lines.fail(Check::Start, fault.to_string());
        return Ok(None);
    }
    let init = probe.init().await;
    let init = subject.heard(init)?;
    if let Err(fault) = init.answer {
        let next = match &fault {
            Fault::Guest(GuestFault::InvalidInput { .. }) => {
                let grants = GRANT_KEYS.map(|grant| grant.flag).join(", ");
                format!("; give it what it needs: --param, --env, {grants}")
            }
            Fault::Guest(_)
            | Fault::OverQuota(_)
            | Fault::Host(_)
            | Fault::Stopped
            | Fault::Cancelled => String::new(),
        };
        subject.lines.fail(Check::Start, format!("{fault}{next}"));
        return Ok(None);
    }
    let Some(can) = subject.capabilities(&mut probe, "after init").await? else { return Ok(None) };
    let granted = &subject.options.config.environment;
    let needed = can.required_env_vars.iter().filter(|(name, _)| !granted.contains_key(*name));
    let missing: Vec<String> = needed.map(|(name, why)| format!("{name} ({why})")).collect();
    if !missing.is_empty() {
        let text = format!("it needs {}; grant it with --env", missing.join(" and "));
        subject.lines.fail(Check::Start, text);
        return Ok(None);
    }
    subject.health(&mut probe, "after init").await?;
    let (millis, peak) = (init.wall.as_secs_f64() * 1e3, init.memory_peak);
    let memory = peak as f64 / MEBIBYTE as f64;
    subject.lines.pass(Check::Start, format!("init took {millis:.1} ms, with {memory:.1} MiB"));
    Ok(Some(peak))
}

/// `init` with parameters that no user would set, and with those that it is to refuse.
pub(super) async fn parameters(subject: &mut Subject<'_>) -> FabricResult<()> {
    let odd = odd_parameters(&subject.options.config);
    let (mut taken, mut refused) = (0, 0);
    for (name, value) in &odd {
        match init_with(subject, name, value).await? {
            Ok(()) => taken += 1,
            Err(fault) if is_contract_error(&fault) => refused += 1,
            Err(fault) => {
                let text = format!("with {name}={value}: {fault}; refuse it with invalid-input");
                subject.lines.fail(Check::OddParameters, text);
                if is_over_time(&fault) {
                    break;
                }
            }
        }
    }
    subject.lines.pass(Check::OddParameters, format!("{taken} were taken, {refused} refused"));

    let bad = &subject.options.bad_parameters;
    for (name, value) in bad {
        match init_with(subject, name, value).await? {
            Ok(()) => {
                subject.lines.fail(Check::BadParameters, format!("{name}={value} was accepted"));
            }
            Err(Fault::Guest(GuestFault::Unavailable { message, .. })) => {
                let how = "refused as unavailable, which a host tries again";
                let text = format!("{name}={value} was {how}: {message}");
                subject.lines.warn(Check::BadParameters, text);
            }
            Err(fault) if is_contract_error(&fault) => {}
            Err(fault) => {
                subject.lines.fail(Check::BadParameters, format!("{name}={value}: {fault}"));
            }
        }
    }
    match bad.len() {
        0 => {
            let ask = "name one that init is to refuse, with --bad-param NAME=VALUE";
            subject.lines.not_seen(Check::BadParameters, ask);
        }
        count => subject.lines.pass(Check::BadParameters, format!("{count} refused by init")),
    }
    Ok(())
}

/// One that no agent knows, and values of every kind for those that are set.
fn odd_parameters(config: &AgentConfig) -> Vec<(String, Value)> {
    let odd = [json!(null), json!(""), json!(-1), json!(1e308), json!({ "a": [[]] }), json!([])];
    let unknown = odd.iter().map(|value| ("chimera-check".to_owned(), value.clone()));
    let strange = [(String::new(), json!("")), ("\u{0}\u{202e}😀".to_owned(), json!("\u{0}😀"))];
    let known = config.parameters.keys().take(PARAMETERS);
    let known = known.flat_map(|name| odd.iter().map(move |value| (name.clone(), value.clone())));
    unknown.chain(strange).chain(known).collect()
}

async fn init_with(
    subject: &mut Subject<'_>,
    name: &str,
    value: &Value,
) -> FabricResult<Result<(), Fault>> {
    let mut config = subject.options.config.clone();
    config.parameters.insert(name.to_owned(), value.clone());
    let mut probe = subject.probe(&config)?;
    let made = probe.instantiate().await;
    if let Err(fault) = subject.heard(made)?.answer {
        return Ok(Err(fault));
    }
    let init = probe.init().await;
    Ok(subject.heard(init)?.answer)
}

/// Starts it with less memory than it held: by the least quota there is, and its doubles.
pub(super) async fn small_quota(subject: &mut Subject<'_>, held: u64) -> FabricResult<()> {
    let configured = subject.options.config.resource_quota.max_memory_mb;
    let mut too_small = None;
    let mut enough = None;
    for memory in (0..).map(|power| 1_u64 << power).take_while(|memory| *memory <= configured) {
        match start_within(subject, memory).await? {
            Ok(()) => {
                enough = Some(memory);
                break;
            }
            Err(fault) if is_contract_error(&fault) || is_of_memory(&fault) => {
                too_small = Some((memory, fault));
            }
            Err(fault) => {
                let text = format!("with {memory} MiB: {fault}; say so with an error from init");
                subject.lines.fail(Check::SmallQuota, text);
                return Ok(());
            }
        }
        if memory * MEBIBYTE > held {
            break;
        }
    }
    let text = match (too_small, enough) {
        (Some((small, fault)), Some(enough)) => {
            format!("it starts with {enough} MiB; with {small} MiB: {fault}")
        }
        (Some((small, fault)), None) => format!("with {small} MiB: {fault}"),
        (None, _) => "it starts with 1 MiB, the least that a quota can be".into(),
    };
    subject.lines.pass(Check::SmallQuota, text);
    Ok(())
}

async fn start_within(
    subject: &mut Subject<'_>,
    max_memory_mb: u64,
) -> FabricResult<Result<(), Fault>> {
    let config = &subject.options.config;
    let resource_quota = ResourceQuota { max_memory_mb, ..config.resource_quota.clone() };
    let mut probe = subject.probe(&AgentConfig { resource_quota, ..config.clone() })?;
    let made = probe.instantiate().await;
    if let Err(fault) = subject.heard(made)?.answer {
        return Ok(Err(fault));
    }
    let init = probe.init().await;
    if let Err(fault) = subject.heard(init)?.answer {
        return Ok(Err(fault));
    }
    let can = probe.capabilities().await;
    Ok(subject.heard(can)?.answer.map(drop))
}

fn is_of_memory(fault: &Fault) -> bool {
    matches!(fault, Fault::OverQuota(breach) if breach.quota == QuotaKind::Memory)
}
