//! Components that are hostile before they run, or that no toolchain makes.

use chimera_layer4::fabric::{
    Breach, Fabric, FabricConfig, FabricError, Fault, GuestFault, QuotaKind, Refusal,
};
use serde_json::json;
use wasm_encoder::{CodeSection, Function, FunctionSection, Module, TypeSection};

use crate::handmade::{Parts, agent, componentize};
use crate::harness::{config_of, execute, fabric, guest, settings, settings_with, spawn};

/// Tries to start an agent of these bytes while a neighbour works, who must
/// not notice.
async fn spawn_error(settings: FabricConfig, bytes: &[u8]) -> FabricError {
    let fabric = fabric(settings).await;
    spawn(&fabric, "echo").await;
    let hostile = fabric.agents().spawn(bytes, config_of("hostile", |_| {}));
    let neighbour = neighbour_works(&fabric);
    let (spawned, ()) = tokio::join!(hostile, neighbour);
    neighbour_works(&fabric).await;
    assert_eq!(fabric.health().await.active_agents, 1, "nothing of it is left");
    spawned.unwrap_err()
}

async fn neighbour_works(fabric: &Fabric) {
    for n in 0..50 {
        assert_eq!(execute(fabric, "echo", json!(n)).await.output, json!(n));
        tokio::task::yield_now().await;
    }
}

/// Why a host refuses these bytes.
async fn refusal_by(settings: FabricConfig, bytes: &[u8]) -> Refusal {
    match spawn_error(settings, bytes).await {
        FabricError::Refused(refusal) => refusal,
        other => panic!("not refused: {other}"),
    }
}

async fn refusal(bytes: &[u8]) -> Refusal {
    refusal_by(settings(), bytes).await
}

/// What running one task on a hand-made agent ends with.
async fn fault(parts: &Parts<'_>) -> Fault {
    let fabric = fabric(settings()).await;
    spawn(&fabric, "echo").await;
    fabric.agents().spawn(&agent(parts), config_of("handmade", |_| {})).await.unwrap();
    let hostile = execute(&fabric, "handmade", json!(1));
    let (result, ()) = tokio::join!(hostile, neighbour_works(&fabric));
    neighbour_works(&fabric).await;
    result.fault.expect("it fails")
}

/// Toolchains leave names in a component unless an option strips them.
#[tokio::test]
async fn a_trap_names_the_functions_that_it_came_from() {
    let fields = "(func $read_record unreachable) (func $read_table (call $read_record))";
    let parts = Parts { fields, execute: "(call $read_table)", ..Parts::default() };
    let fault = fault(&parts).await;
    let Fault::Guest(GuestFault::Trap { message, .. }) = &fault else { panic!("{fault:?}") };
    assert!(message.contains("in read_record < read_table"), "{message}");
}

/// Rust's compiler writes symbols of two kinds.
#[tokio::test]
async fn a_trap_names_functions_as_their_author_wrote_them() {
    let fields = "
        (func $_RNvNtNtCs1_3std3sys5abort14abort_internal unreachable)
        (func $_ZN7mycrate3run17h0123456789abcdefE
            (call $_RNvNtNtCs1_3std3sys5abort14abort_internal))";
    let execute = "(call $_ZN7mycrate3run17h0123456789abcdefE)";
    let fault = fault(&Parts { fields, execute, ..Parts::default() }).await;
    let Fault::Guest(GuestFault::Trap { message, .. }) = &fault else { panic!("{fault:?}") };
    let expected = "in std::sys::abort::abort_internal < mycrate::run";
    assert!(message.contains(expected), "{message}");
}

fn breach(fault: Fault) -> Breach {
    match fault {
        Fault::OverQuota(breach) => breach,
        other => panic!("no breach: {other:?}"),
    }
}

#[tokio::test]
async fn a_handmade_agent_that_behaves_runs() {
    let fabric = fabric(settings()).await;
    let bytes = agent(&Parts { output: r#"{"by":"hand"}"#, ..Parts::default() });
    fabric.agents().spawn(&bytes, config_of("handmade", |_| {})).await.unwrap();
    for _ in 0..100 {
        assert_eq!(execute(&fabric, "handmade", json!(1)).await.output, json!({"by": "hand"}));
    }
}

#[tokio::test]
async fn what_is_not_a_component_is_refused() {
    for bytes in [&b""[..], b"plain text", b"\x7fELF\x02\x01\x01\0"] {
        assert!(matches!(refusal(bytes).await, Refusal::NotAComponent { .. }));
    }
    let core = wat::parse_str("(module)").unwrap();
    let refusal = refusal(&core).await;
    assert!(refusal.to_string().contains("core WebAssembly module"), "{refusal}");
}

#[tokio::test]
async fn a_truncated_component_is_refused_wherever_it_was_cut() {
    let whole = guest("echo");
    for share in [0.1, 0.5, 0.9, 0.999] {
        let cut = whole.get(..(whole.len() as f64 * share) as usize).unwrap();
        let refusal = refusal(cut).await;
        assert!(matches!(refusal, Refusal::Malformed { .. }), "{share}: {refusal}");
    }
}

#[tokio::test]
async fn a_component_of_another_world_is_refused_with_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let wit = "package other:tool; world other { export run: func() -> u32; }";
    std::fs::write(folder.path().join("other.wit"), wit).unwrap();
    let module = wat::parse_str(r#"(module (func (export "run") (result i32) (i32.const 7)))"#);
    let refusal = refusal(&componentize(module.unwrap(), folder.path(), "other")).await;
    let Refusal::WrongContract { reasons, .. } = refusal else { panic!("{refusal}") };
    assert_eq!(
        reasons,
        ["interface `chimera:agent/lifecycle` is not exported, only run: build it against the \
          contract that `chimera wit` prints"]
    );
}

#[tokio::test]
async fn an_import_without_a_grant_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(crate::harness::root().join("wit")).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.replace(
            "world agent {",
            "interface secret { read: func() -> u32; }\nworld agent {\n import secret;",
        );
        std::fs::write(folder.path().join(path.file_name().unwrap()), text).unwrap();
    }
    let import = r#"(import "chimera:agent/secret@0.1.0" "read" (func $read (result i32)))"#;
    let module = crate::handmade::module(&Parts {
        imports: import,
        execute: "(drop (call $read))",
        ..Parts::default()
    });
    let bytes = componentize(wat::parse_str(module).unwrap(), folder.path(), "agent");
    let refusal = refusal(&bytes).await;
    let text = refusal.to_string();
    assert!(text.contains("chimera:agent/secret"), "{text}");
    assert!(matches!(refusal, Refusal::NotGranted { .. }), "{text}");
}

#[tokio::test]
async fn a_component_that_is_too_large_is_refused_before_it_is_read() {
    let bytes = vec![0; (1 << 20) + 1];
    let settings = settings_with(|c| c.components.max_component_mb = 1);
    let refusal = refusal_by(settings, &bytes).await;
    assert_eq!(refusal, Refusal::TooLarge { bytes: (1 << 20) + 1, limit: 1 << 20 });
}

#[tokio::test]
async fn invalid_json_is_a_fault_of_the_agent() {
    for output in ["{", "{} {}", "NaN", "\u{0}"] {
        let fault = fault(&Parts { output, ..Parts::default() }).await;
        let Fault::Guest(GuestFault::BadOutput { .. }) = fault else { panic!("{output}: {fault}") };
    }
}

#[tokio::test]
async fn many_memories_share_one_quota() {
    // Seven memories of 16 MiB each stay under a limit of 32 MiB one by one.
    let fields: String = (1..8).map(|n| format!("(memory $m{n} 0 256)\n")).collect();
    let execute: String =
        (1..8).map(|n| format!("(drop (memory.grow $m{n} (i32.const 256)))\n")).collect();
    let breach =
        breach(fault(&Parts { fields: &fields, execute: &execute, ..Parts::default() }).await);
    assert_eq!(breach.quota, QuotaKind::Memory);
}

#[tokio::test]
async fn a_growing_table_counts_as_memory() {
    let fields: String = (0..60).map(|n| format!("(table $t{n} 0 funcref)\n")).collect();
    let execute: String = (0..60)
        .map(|n| format!("(drop (table.grow $t{n} (ref.null func) (i32.const 90000)))\n"))
        .collect();
    let breach =
        breach(fault(&Parts { fields: &fields, execute: &execute, ..Parts::default() }).await);
    assert_eq!(breach.quota, QuotaKind::Memory);
}

/// The pool says no before anything is made.
async fn is_over_limits(bytes: &[u8]) -> bool {
    match refusal(bytes).await {
        Refusal::OverLimits { reason } => reason.contains("exceeds"),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_table_bomb_is_refused() {
    let huge = agent(&Parts { fields: "(table 4000000 funcref)", ..Parts::default() });
    assert!(is_over_limits(&huge).await);
    let many: String = "(table 1 funcref)\n".repeat(90);
    assert!(is_over_limits(&agent(&Parts { fields: &many, ..Parts::default() })).await);
}

#[tokio::test]
async fn a_memory_bomb_is_refused() {
    let many: String = "(memory 1)\n".repeat(90);
    assert!(is_over_limits(&agent(&Parts { fields: &many, ..Parts::default() })).await);
}

#[tokio::test]
async fn an_instance_bomb_is_refused() {
    assert!(is_over_limits(&with_core_instances(agent(&Parts::default()), 900)).await);
}

/// Adds an empty core module and instantiates it `count` times.
fn with_core_instances(component: Vec<u8>, count: usize) -> Vec<u8> {
    with_instances(component, &Module::new(), count)
}

/// Adds a core module and instantiates it `count` times.
fn with_instances(mut component: Vec<u8>, module: &Module, count: usize) -> Vec<u8> {
    use wasm_encoder::{Component, ComponentSection, InstanceSection, ModuleArg, ModuleSection};
    let modules = top_level_modules(&component);
    let mut instances = InstanceSection::new();
    for _ in 0..count {
        instances.instantiate(modules, Vec::<(&str, ModuleArg)>::new());
    }
    let mut added = Component::new();
    added.section(&ModuleSection(module));
    assert_eq!(instances.id(), 2);
    added.section(&instances);
    // What follows the 8 bytes of the header is sections.
    component.extend_from_slice(added.finish().get(8..).unwrap());
    component
}

/// A module of half a mebibyte whose every instance takes the engine 1.5 of fields.
#[tokio::test]
async fn what_the_engine_keeps_for_an_instance_is_charged_to_the_quota() {
    let mut globals = wasm_encoder::GlobalSection::new();
    let number = wasm_encoder::GlobalType {
        val_type: wasm_encoder::ValType::I32,
        mutable: true,
        shared: false,
    };
    for _ in 0..100_000 {
        globals.global(number, &wasm_encoder::ConstExpr::i32_const(1));
    }
    let mut fat = Module::new();
    fat.section(&globals);
    let bytes = with_instances(agent(&Parts::default()), &fat, 2);
    let fabric = fabric(settings()).await;
    let config =
        |mebibytes| config_of("fat", move |config| config.resource_quota.max_memory_mb = mebibytes);
    let spawned = fabric.agents().spawn(&bytes, config(2)).await;
    let Err(FabricError::ResourceQuotaExceeded { breach, .. }) = spawned else {
        panic!("{spawned:?}")
    };
    assert_eq!(breach.quota, QuotaKind::Memory, "{breach:?}");
    fabric.agents().spawn(&bytes, config(8)).await.unwrap();
}

fn top_level_modules(component: &[u8]) -> u32 {
    let (mut depth, mut modules) = (0, 0);
    for payload in wasmparser::Parser::new(0).parse_all(component) {
        match payload.unwrap() {
            wasmparser::Payload::ModuleSection { .. } => {
                modules += u32::from(depth == 0);
                depth += 1;
            }
            wasmparser::Payload::ComponentSection { .. } => depth += 1,
            wasmparser::Payload::End(_) => depth -= 1,
            _ => {}
        }
    }
    modules
}

#[tokio::test]
async fn a_compile_bomb_is_stopped_in_its_own_process() {
    let settings = settings_with(|c| c.components.compile_cpu_secs = 1);
    let bytes = with_module(agent(&Parts::default()), &slow_to_compile());
    assert!(bytes.len() < 1 << 20, "of one mebibyte that is begun, for which there are 3 s more");
    let refusal = refusal_by(settings, &bytes).await;
    let Refusal::DoesNotCompile { reason } = &refusal else { panic!("{refusal}") };
    let words =
        "4 s of processor time, which is the limit: `compile_cpu_secs` (1), and 3 for each MiB";
    assert!(reason.contains(words), "{reason}");
}

#[tokio::test]
async fn a_compiler_that_wants_too_much_memory_is_stopped() {
    let settings = settings_with(|c| c.components.compile_memory_mb = 256);
    let bytes = with_module(agent(&Parts::default()), &slow_to_compile());
    let refusal = refusal_by(settings, &bytes).await;
    let Refusal::DoesNotCompile { reason } = &refusal else { panic!("{refusal}") };
    assert!(reason.contains("more than 256 MiB"), "{reason}");
    assert!(reason.contains("raise the setting `compile_memory_mb`"), "{reason}");
}

fn with_module(mut component: Vec<u8>, module: &Module) -> Vec<u8> {
    let mut added = wasm_encoder::Component::new();
    added.section(&wasm_encoder::ModuleSection(module));
    component.extend_from_slice(added.finish().get(8..).unwrap());
    component
}

/// One function of loops inside each other with many values live across all of
/// them: work for the compiler out of all proportion to its size.
fn slow_to_compile() -> Module {
    const LOOPS: u32 = 5_000;
    const LOCALS: u32 = 1_000;
    let mut types = TypeSection::new();
    types.ty().function([wasm_encoder::ValType::I32], [wasm_encoder::ValType::I32]);
    let (mut functions, mut code) = (FunctionSection::new(), CodeSection::new());
    functions.function(0);
    let mut body = Function::new([(LOCALS, wasm_encoder::ValType::I32)]);
    let mut sink = body.instructions();
    for n in 0..LOOPS {
        sink.loop_(wasm_encoder::BlockType::Empty).local_get((n * 7) % LOCALS);
        sink.local_get((n * 13) % LOCALS).i32_add().local_set((n * 5) % LOCALS);
    }
    for n in 0..LOOPS {
        sink.local_get(n % LOCALS).br_if(0).end();
    }
    sink.local_get(0);
    for n in 1..LOCALS {
        sink.local_get(n).i32_add();
    }
    sink.end();
    code.function(&body);
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&code);
    module
}

/// A xorshift generator: the same mutants in every run, and the seed in the
/// message of one that fails.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mutants_of_a_component_are_refused_or_run_and_never_hurt_the_host() {
    let whole = agent(&Parts::default());
    let fabric = fabric(settings()).await;
    spawn(&fabric, "echo").await;
    let (mut refused, mut ran) = (0, 0);
    for seed in 1..=200_u64 {
        let mut random = Random(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        let mut mutant = whole.clone();
        for _ in 0..=random.below(4) {
            let at = random.below(mutant.len());
            mutant[at] = random.below(256) as u8;
        }
        let config =
            config_of("mutant", |config| config.resource_quota.max_execution_time_secs = 1);
        match fabric.agents().spawn(&mutant, config).await {
            Err(FabricError::Refused(_)) => refused += 1,
            Err(FabricError::AgentFault { .. } | FabricError::ResourceQuotaExceeded { .. }) => {
                ran += 1
            }
            Err(other) => panic!("seed {seed}: {other}"),
            Ok(id) => {
                // Whatever it does with a task, it ends with a result.
                let _ = execute(&fabric, "mutant", json!(1)).await;
                let _ = fabric.agents().shutdown(id).await;
                ran += 1;
            }
        }
    }
    println!("of 200 mutants {refused} were refused and {ran} ran");
    assert!(refused > 0 && ran > 0);
    assert!(execute(&fabric, "echo", json!(1)).await.success);
}
