//! The exports, by hand: the SDK would answer calls in the wrong order itself.

use std::cell::{Cell, RefCell};
use std::hint::black_box;

use chimera_agent_sdk::__private::contract::chimera::agent::telemetry::{self, Span};
use chimera_agent_sdk::__private::contract::chimera::agent::types::{
    AgentCapabilities, AgentError, AgentHealth, Config, HealthStatus, Task,
};
use chimera_agent_sdk::__private::contract::exports::chimera::agent::lifecycle;
use chimera_agent_sdk::__private::contract::optional::exports::chimera::agent::state;
use chimera_agent_sdk::prelude::*;

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    BeforeInit,
    InService,
    ShutDown,
}

thread_local! {
    static STAGE: Cell<Stage> = const { Cell::new(Stage::BeforeInit) };
    static TASKS: Cell<u32> = const { Cell::new(0) };
    static ERRORS: Cell<u32> = const { Cell::new(0) };
    static LEAK: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    static SPAN: RefCell<Option<Span>> = const { RefCell::new(None) };
}

/// What a task is.
#[derive(Deserialize)]
#[serde(crate = "serde")]
struct Order {
    n: u32,
    text: String,
}

/// The first bytes of a state.
const MAGIC: &[u8] = b"wrong/1";
/// Tasks until it is tired.
const MANY: u32 = 3_000;
/// More than one call may hand over.
const TOO_MUCH: usize = 5 << 20;

#[expect(clippy::disallowed_methods, reason = "what it does wrong is granted as a variable")]
fn wrong(what: &str) -> bool {
    std::env::var("WRONG").is_ok_and(|wrong| wrong == what)
}

fn trap_if(what: &str) {
    if wrong(what) {
        panic!("{what}, as asked");
    }
}

fn spin() {
    loop {
        black_box(());
    }
}

fn out_of_service() -> AgentError {
    AgentError::Failed("it is not in service".into())
}

struct Wrong;

impl lifecycle::Guest for Wrong {
    fn init(config: Config) -> Result<(), AgentError> {
        std::panic::set_hook(Box::new(|panic| {
            telemetry::log(telemetry::Level::Error, &panic.to_string());
        }));
        if STAGE.get() == Stage::InService {
            trap_if("traps in a second init");
        }
        let again = STAGE.get() == Stage::InService && wrong("takes a second init");
        if STAGE.get() != Stage::BeforeInit && !again {
            return Err(AgentError::Failed("init was called before".into()));
        }
        if wrong("hangs in init") {
            spin();
        }
        if config.quota.max_memory_mb < 4 {
            trap_if("traps with a small quota");
        }
        for (name, value) in config.parameters {
            match name.as_str() {
                "limit" if value.starts_with('-') && !wrong("takes every parameter") => {
                    return Err(AgentError::InvalidInput("limit is below 0".into()));
                }
                "chimera-check" => trap_if("traps for an unknown parameter"),
                _ => {}
            }
        }
        STAGE.set(Stage::InService);
        Ok(())
    }

    fn capabilities() -> AgentCapabilities {
        if STAGE.get() == Stage::InService {
            trap_if("traps in capabilities");
        }
        let variable = ("TOKEN".to_owned(), "to log in".to_owned());
        let changed = wrong("changes its capabilities") && TASKS.get() > 0;
        AgentCapabilities {
            supported_task_types: if wrong("declares two types") {
                vec!["count".into(), "more".into()]
            } else {
                vec!["count".into()]
            },
            max_concurrent_tasks: 1,
            wanted_quota: None,
            required_env_vars: if wrong("needs a variable") { vec![variable] } else { Vec::new() },
            features: if changed { vec!["more".into()] } else { Vec::new() },
        }
    }

    fn execute_task(task: Task) -> Result<String, AgentError> {
        match STAGE.get() {
            Stage::BeforeInit => trap_if("traps before init"),
            Stage::ShutDown => trap_if("traps after shutdown"),
            Stage::InService => {}
        }
        let late = STAGE.get() == Stage::ShutDown && wrong("works after shutdown");
        if STAGE.get() != Stage::InService && !late {
            return Err(out_of_service());
        }
        TASKS.set(TASKS.get() + 1);
        let done = execute(task);
        ERRORS.set(ERRORS.get() + u32::from(done.is_err()));
        done
    }

    fn health() -> AgentHealth {
        let in_service = STAGE.get() == Stage::InService;
        if in_service && wrong("hangs in health") {
            spin();
        }
        let ill = wrong("is ill after an error") && ERRORS.get() > 0;
        let well = in_service && !ill;
        let status = if well { HealthStatus::Healthy } else { HealthStatus::Unhealthy };
        AgentHealth { status, message: None }
    }

    fn shutdown() -> Result<(), AgentError> {
        if STAGE.get() != Stage::InService {
            return Err(out_of_service());
        }
        trap_if("traps in shutdown");
        if wrong("fails in shutdown") {
            return Err(AgentError::Failed("as asked".into()));
        }
        STAGE.set(Stage::ShutDown);
        Ok(())
    }
}

fn execute(task: Task) -> Result<String, AgentError> {
    if !task.payload.starts_with('{') {
        trap_if("traps for what is no object");
    }
    if task.deadline.is_some() {
        trap_if("traps for a deadline");
    }
    let order: Order = match chimera_agent_sdk::serde_json::from_str(&task.payload) {
        Ok(order) => order,
        Err(_) if wrong("says nothing") => return Err(AgentError::InvalidInput(String::new())),
        Err(error) => return Err(AgentError::InvalidInput(error.to_string())),
    };
    if wrong("fails after an error") && ERRORS.get() > 0 {
        return Err(AgentError::Failed("there was an error before".into()));
    }
    if order.text.contains('\0') {
        trap_if("traps for a NUL");
    }
    if order.text.len() > 512 << 10 {
        trap_if("traps for a large text");
    }
    if wrong("leaks") {
        LEAK.with_borrow_mut(|leak| leak.push(vec![1; 1 << 10]));
    }
    while wrong("hoards") {
        LEAK.with_borrow_mut(|leak| leak.push(vec![1; 1 << 20]));
    }
    if wrong("leaves a span open") {
        SPAN.set(Some(telemetry::start_tracking("left")));
    }
    if wrong("names a metric badly") {
        telemetry::record_metric("not a name", 1.0, &[]);
    }
    if TASKS.get() >= MANY {
        trap_if("dies of many tasks");
        if wrong("tires of many tasks") {
            return Err(AgentError::Failed("too many tasks".into()));
        }
    }
    if wrong("returns what is no JSON") {
        return Ok("{ n: 1 }".into());
    }
    if wrong("does no task") {
        return Err(AgentError::Failed("it never works".into()));
    }
    if wrong("exits") {
        std::process::exit(3);
    }
    Ok(json!({ "n": order.n, "characters": order.text.chars().count() }).to_string())
}

impl state::Guest for Wrong {
    fn save() -> Result<Vec<u8>, AgentError> {
        if wrong("saves too much") {
            return Ok(vec![1; TOO_MUCH]);
        }
        Ok([MAGIC, &TASKS.get().to_le_bytes()].concat())
    }

    fn restore(state: Vec<u8>) -> Result<(), AgentError> {
        let count = state.strip_prefix(MAGIC).and_then(|rest| rest.try_into().ok());
        let Some(count) = count else {
            trap_if("traps for a foreign state");
            return Err(AgentError::InvalidInput("it is not a state of mine".into()));
        };
        if !wrong("forgets its state") {
            TASKS.set(u32::from_le_bytes(count));
            return Ok(());
        }
        Err(AgentError::InvalidInput("it is not a state that I know".into()))
    }
}

chimera_agent_sdk::__private::contract::export_agent_world!(
    Wrong with_types_in chimera_agent_sdk::__private::contract
);
chimera_agent_sdk::__private::contract::optional::export_state_world!(
    Wrong with_types_in chimera_agent_sdk::__private::contract::optional
);
