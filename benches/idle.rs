//! The memory of an idle agent: the fifth question.
//!
//! Each side fills a process of its own, since what one has freed would hide
//! what the other takes. The child prints how three of the system's counts grew
//! for each agent: memory of its own, page tables, and resident memory. The last
//! counts the pages of the component's image once for each agent, though all of
//! them share one copy, so the first is what agents cost and what is judged.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use chimera_layer4::fabric::InstancePolicy;

use crate::baseline::Bare;
use crate::fabric;
use crate::questions::SPARE;
use crate::report::{Figure, Goal, Report};

/// The argument that makes this program such a child.
const CHILD: &str = "--idle-side";
const GOAL_KIB: f64 = 64.0;

/// What a child is asked to do.
pub(crate) struct Side {
    bare: bool,
    agents: u32,
    component: PathBuf,
}

/// KiB, by the names that the system gives them.
struct Taken([f64; COUNTS.len()]);

const COUNTS: [&str; 3] = ["RssAnon:", "VmPTE:", "VmRSS:"];

/// The number after `--agents`, if it is there.
pub(crate) fn agents_asked(arguments: &[String]) -> Result<Option<u32>> {
    let mut rest = arguments.iter().skip_while(|argument| *argument != "--agents").skip(1);
    match rest.next() {
        Some(number) => Ok(Some(number.parse().context("`--agents` takes a number")?)),
        None => Ok(None),
    }
}

/// Fills both processes and enters what they say into `report`.
pub(crate) fn compare(component: &Path, agents: u32, report: &mut Report) -> Result<()> {
    let ours = ask_child("chimera", agents, component)?;
    let bare = ask_child("wasmtime", agents, component)?;
    let rows = [
        (format!("memory, each of {agents} idle agents"), Goal::Most(GOAL_KIB)),
        ("page tables, each".to_owned(), Goal::None),
        ("resident with what is shared, each".to_owned(), Goal::None),
    ];
    for ((name, goal), figures) in rows.into_iter().zip(ours.0.into_iter().zip(bare.0)) {
        report.add(name, Figure::Kib, figures, goal);
    }
    Ok(())
}

fn ask_child(side: &str, agents: u32, component: &Path) -> Result<Taken> {
    let output = Command::new(std::env::current_exe()?)
        .args([CHILD, side, &agents.to_string()])
        .arg(component)
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<f64> = said.split_whitespace().flat_map(str::parse).collect();
    match numbers.try_into() {
        Ok(counts) => Ok(Taken(counts)),
        Err(_) => bail!("{side} with {agents} agents: {}", String::from_utf8_lossy(&output.stderr)),
    }
}

impl Side {
    /// Whether this process is such a child.
    pub(crate) fn asked(arguments: &[String]) -> Result<Option<Self>> {
        let [first, side, agents, component] = arguments else { return Ok(None) };
        if first != CHILD {
            return Ok(None);
        }
        let (bare, component) = (side == "wasmtime", component.into());
        Ok(Some(Self { bare, agents: agents.parse()?, component }))
    }

    /// Fills this process with idle agents and prints what they take.
    pub(crate) fn measure(&self) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let component = fs::read(&self.component)?;
        let taken = if self.bare {
            runtime.block_on(self.fill_bare(&component))?
        } else {
            runtime.block_on(self.fill_fabric(&component))?
        };
        for count in taken.0 {
            writeln!(io::stdout(), "{count}")?;
        }
        Ok(())
    }

    async fn fill_fabric(&self, component: &[u8]) -> Result<Taken> {
        let data = tempfile::tempdir()?;
        let fabric = fabric::start(self.agents, data.path()).await?;
        let genome = fabric.agents().load(component).await?;
        // The first pays for what all of them share.
        fabric::spawn(&fabric, &genome, InstancePolicy::default()).await?;
        let before = Taken::now()?;
        for _ in 1..self.agents {
            fabric::spawn(&fabric, &genome, InstancePolicy::default()).await?;
        }
        let after = Taken::now()?;
        ensure!(fabric.agents().active().len() == usize::try_from(self.agents)?);
        Ok(after.since(&before, self.agents - 1))
    }

    async fn fill_bare(&self, component: &[u8]) -> Result<Taken> {
        let bare = Bare::new(self.agents + SPARE, None)?;
        let linked = bare.load(component)?;
        let mut all = Vec::with_capacity(usize::try_from(self.agents)?);
        let mut first = bare.start(&linked).await?;
        let capabilities = first.capabilities().await?;
        let before = Taken::now()?;
        all.push((first, capabilities));
        for _ in 1..self.agents {
            let mut live = bare.start(&linked).await?;
            let capabilities = live.capabilities().await?;
            all.push((live, capabilities));
        }
        Ok(Taken::now()?.since(&before, self.agents - 1))
    }
}

impl Taken {
    /// What this process holds now.
    fn now() -> Result<Self> {
        let status = fs::read_to_string("/proc/self/status")?;
        let kib = |name| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        };
        let counts = COUNTS.map(kib);
        let [Some(own), Some(tables), Some(resident)] = counts else {
            bail!("/proc/self/status lacks one of {COUNTS:?}");
        };
        Ok(Self([own, tables, resident]))
    }

    /// The growth since `before` for each of `agents`.
    fn since(self, before: &Self, agents: u32) -> Self {
        let mut each = self.0;
        for (now, before) in each.iter_mut().zip(before.0) {
            *now = (*now - before) / f64::from(agents);
        }
        Self(each)
    }
}
