//! Whether a component, whatever made it, keeps the contract when it runs.
//!
//! Loading a component shows that it has the right types; here it is driven
//! through the words of `wit/`: started well and badly, handed tasks of every
//! shape, called in the wrong order, worked for thousands of tasks. What comes
//! of each is one [`Line`] of a [`Report`].
//!
//! It knows nothing of the agent's payloads but the samples that it is given,
//! and demands no more than the contract does: that every call is answered,
//! with a value or an error of the contract. What the contract allows and
//! an author would rather know is a warning; what did not come up, such as an error that
//! no task led to, is not seen, and neither is a failure.
//!
//! The component is hostile until shown otherwise: each call is bounded as an
//! agent's is, and what hangs, floods, hoards or traps fails its line.
//!
//! ```no_run
//! use chimera_layer4_conformance::{self as conformance, Options, Sample};
//! use chimera_layer4_core::FabricConfig;
//! use chimera_layer4_fabric::{Fabric, utils};
//! use serde_json::json;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let fabric = Fabric::new(FabricConfig::default())?;
//! let config = utils::agent_config("echo", utils::default_resource_quota());
//! let samples = vec![Sample::new(json!({ "text": "hello" }))];
//! let options = Options { samples, ..Options::new(config) };
//! let report = conformance::check(&fabric, &std::fs::read("echo.wasm")?, &options).await?;
//! for line in &report.lines {
//!     println!("{} {} {}", line.verdict, line.check, line.reason);
//! }
//! assert!(report.conforms());
//! # Ok(())
//! # }
//! ```

mod checks;
mod fields;
mod growth;
mod input;
mod json;
mod notes;
mod options;
mod order;
mod payload;
mod report;
mod soak;
mod start;
mod state;
mod subject;
mod summary;
mod tasks;

use std::time::Instant;

use chimera_layer4_core::FabricResult;

pub use self::checks::Check;
pub use self::options::{DEFAULT_SOAK_TASKS, DEFAULT_SOAK_TIME, Expected, Options, Sample};
pub use self::report::{Line, Report, Verdict};

use self::subject::Subject;
use chimera_layer4_fabric::Fabric;

/// Drives a component through the contract. The fabric need not be started.
///
/// # Errors
/// `Refused` when the bytes are no agent, which is found before anything of it
/// runs; `InvalidRequest` when the configuration is out of range; `Host` when
/// the host itself failed. What the agent does wrong is in the report.
pub async fn check(fabric: &Fabric, component: &[u8], options: &Options) -> FabricResult<Report> {
    let genome = fabric.agents().load(component).await?;
    let began = Instant::now();
    let digest = genome.digest();
    let mut subject = Subject::new(fabric, genome, options);
    order::before_init(&mut subject).await?;
    if let Some(held) = start::start(&mut subject).await? {
        in_service(&mut subject, held).await?;
        let Subject { notes, lines, .. } = &mut subject;
        notes.write(lines);
    }
    let Subject { notes, lines, .. } = subject;
    let (tasks, seconds) = (notes.executed, began.elapsed().as_secs_f64());
    Ok(Report { genome: digest, lines: lines.all(), tasks, seconds })
}

/// Everything that an agent must have started for, which held so many bytes then.
async fn in_service(subject: &mut Subject<'_>, held: u64) -> FabricResult<()> {
    start::parameters(subject).await?;
    start::small_quota(subject, held).await?;
    let works = Box::pin(tasks::samples(subject)).await?;
    fields::types(subject, &works);
    fields::fields(subject, &works).await?;
    input::payloads(subject, &works).await?;
    input::goes_on(subject, &works).await?;
    order::second_init(subject, &works).await?;
    order::after_shutdown(subject, &works).await?;
    Box::pin(soak::soak(subject, &works)).await?;
    state::state(subject, &works).await
}
