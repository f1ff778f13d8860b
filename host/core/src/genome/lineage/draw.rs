//! A lineage as a tree for a terminal.
//!
//! ```text
//! 3f1a0c9be2d4  1.2 MiB  ada, file
//! ├─ 9b2d77c01a55  1.2 MiB  ada, api  score 0.531  not worse after 3080 tasks  ● active
//! │  └─ 07aa19c3bb10  1.3 MiB  chimera, evolution  rejected (contract): …
//! └─ c0ffee001234  1.1 MiB  bob, registry.example/agent:2  score 0.500  worse: latency …
//! ```

use std::collections::{BTreeMap, BTreeSet};

use super::read::{active, in_order, parents, pinned, rollouts};
use super::{Entry, Event};
use crate::Digest;

/// Digits of a digest: enough that no two of a store are alike.
const DIGITS: usize = 12;
/// Letters of a verdict or a reason that are drawn. Either may fill a page; the
/// record has it whole.
const LETTERS: usize = 100;
/// The deepest indent, so that a long lineage fits the terminal: below that,
/// children are at the indent of their parent.
const DEEPEST: usize = 24;

/// Draws the genomes of an agent type, and what they descend from: oldest
/// first, children under their parent, what is known of each on its line.
/// Empty when the record has none.
#[must_use]
pub fn tree(entries: &[Entry], agent_type: &str) -> String {
    let (parents, members) = (parents(entries), members(entries, agent_type));
    let mut children: BTreeMap<Option<Digest>, Vec<Digest>> = BTreeMap::new();
    for genome in &members {
        let parent = parents.get(genome).filter(|parent| members.contains(parent));
        children.entry(parent.copied()).or_default().push(*genome);
    }
    let notes = notes(entries, agent_type);
    let mut drawing = Drawing { children, notes, drawn: BTreeSet::new(), text: String::new() };
    for root in drawing.children_of(None) {
        drawing.branch(root);
    }
    // In a cycle of parents no genome is the first; the first that is not drawn yet begins.
    for genome in members {
        drawing.branch(genome);
    }
    drawing.text
}

/// The genomes that something happened to for this agent type, and their
/// ancestors, in the order in which the record came to know them.
fn members(entries: &[Entry], agent_type: &str) -> Vec<Digest> {
    let parents = parents(entries);
    let mut wanted = BTreeSet::new();
    for entry in entries.iter().filter(|entry| entry.agent_type.as_deref() == Some(agent_type)) {
        let mut genome = Some(entry.genome);
        while let Some(next) = genome.filter(|genome| wanted.insert(*genome)) {
            genome = parents.get(&next).copied();
        }
    }
    let known = in_order(entries).into_iter().map(|entry| entry.genome);
    let mut members: Vec<Digest> = known.filter(|genome| wanted.remove(genome)).collect();
    // Parents that were named and never stored here.
    members.extend(wanted);
    members
}

struct Drawing {
    children: BTreeMap<Option<Digest>, Vec<Digest>>,
    notes: BTreeMap<Digest, String>,
    drawn: BTreeSet<Digest>,
    text: String,
}

impl Drawing {
    fn children_of(&self, parent: Option<Digest>) -> Vec<Digest> {
        self.children.get(&parent).cloned().unwrap_or_default()
    }

    /// A genome and all that descend from it. Without recursion: a lineage may
    /// be longer than the stack.
    fn branch(&mut self, root: Digest) {
        // What stands before the genome, and before its children.
        let mut waiting = vec![(root, String::new(), String::new(), 0)];
        while let Some((genome, lead, below, depth)) = waiting.pop() {
            if !self.drawn.insert(genome) {
                continue;
            }
            let short: String = genome.hex().chars().take(DIGITS).collect();
            let note = self.notes.get(&genome).map_or("", String::as_str);
            self.text.push_str(format!("{lead}{short}{note}").trim_end());
            self.text.push('\n');

            let children = self.children_of(Some(genome));
            let last = children.len().saturating_sub(1);
            // Pushed in reverse, so that the oldest is drawn first.
            for (index, child) in children.into_iter().enumerate().rev() {
                let (mark, line) =
                    if index == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
                let line = if depth < DEEPEST { line } else { "" };
                let lead = format!("{below}{mark}");
                waiting.push((child, lead, format!("{below}{line}"), depth + 1));
            }
        }
    }
}

/// What the last entries of each genome say of it.
#[derive(Default)]
struct Known {
    stored: Option<String>,
    score: Option<String>,
    fate: Option<Fate>,
    collected: bool,
}

/// What became of a genome last.
enum Fate {
    RolledBack(String),
    Other(String),
}

impl Fate {
    /// Of one that is active again it is no longer so that it was rolled back.
    fn text(self, is_active: bool) -> Option<String> {
        match self {
            Fate::RolledBack(_) if is_active => None,
            Fate::RolledBack(text) | Fate::Other(text) => Some(text),
        }
    }
}

/// By genome, what follows its digest.
fn notes(entries: &[Entry], agent_type: &str) -> BTreeMap<Digest, String> {
    let mut known: BTreeMap<Digest, Known> = BTreeMap::new();
    for entry in in_order(entries) {
        if entry.agent_type.as_deref().is_none_or(|of| of == agent_type) {
            known.entry(entry.genome).or_default().hear(&entry.event);
        }
    }
    let (active, pinned) = (active(entries, agent_type), pinned(entries));
    let candidate = rollouts(entries).get(agent_type).map(|(candidate, _)| *candidate);
    let note = |(genome, known): (Digest, Known)| {
        let mark = |holds: bool, word: &str| holds.then(|| word.to_owned());
        let parts = [
            known.stored,
            known.score,
            known.fate.and_then(|fate| fate.text(active == Some(genome))),
            mark(candidate == Some(genome), "in rollout"),
            mark(known.collected, "collected"),
            mark(pinned.contains(&genome), "pinned"),
            mark(active == Some(genome), "● active"),
        ];
        let note = parts.into_iter().flatten().map(|part| format!("  {part}")).collect();
        (genome, note)
    };
    known.into_iter().map(note).collect()
}

impl Known {
    fn hear(&mut self, event: &Event) {
        match event {
            Event::Stored { bytes, author, source, .. } => {
                self.collected = false;
                let by = if author.is_empty() {
                    source.to_string()
                } else {
                    format!("{author}, {source}")
                };
                let by = brief(&by);
                self.stored.get_or_insert(format!("{}  {by}", size(*bytes)));
            }
            Event::Rejected { stage, reason } => {
                self.fate = Some(Fate::Other(brief(&format!("rejected ({stage}): {reason}"))));
            }
            Event::Benchmarked { fitness, .. } => {
                self.score = Some(match &fitness.disqualified {
                    Some(reason) => brief(&format!("disqualified: {reason}")),
                    None => format!("score {:.3}", fitness.score),
                });
            }
            Event::Verdict { verdict, tasks, .. } => {
                let text = format!("{} after {tasks} tasks", brief(&verdict.to_string()));
                self.fate = Some(Fate::Other(text));
            }
            Event::RolledBack { why, .. } => {
                self.fate = Some(Fate::RolledBack(brief(&format!("rolled back: {why}"))));
            }
            Event::Updated { agent, .. } => {
                self.fate = Some(Fate::Other(format!("run by agent {agent}")));
            }
            Event::RolloutStarted { .. } => self.fate = None,
            Event::Collected => self.collected = true,
            Event::Admitted { .. }
            | Event::Step { .. }
            | Event::Promoted { .. }
            | Event::Pinned
            | Event::Unpinned => {}
        }
    }
}

fn size(bytes: u64) -> String {
    let bytes = bytes as f64;
    if bytes < 1024.0 * 1024.0 {
        format!("{:.0} KiB", (bytes / 1024.0).ceil())
    } else {
        format!("{:.1} MiB", bytes / (1024.0 * 1024.0))
    }
}

/// On one line and not too long, without what would move a terminal's cursor.
fn brief(text: &str) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let brief: String = clean.take(LETTERS).collect();
    if text.chars().count() > LETTERS { format!("{brief}…") } else { brief }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_texts_are_short() {
        assert_eq!([1, 500 << 10, 1 << 20].map(size), ["1 KiB", "500 KiB", "1.0 MiB"]);
        let text = |letters: usize| "x".repeat(letters);
        assert_eq!(brief(&text(LETTERS)), text(LETTERS));
        assert_eq!(brief(&text(LETTERS + 2)), text(LETTERS) + "…");
        assert_eq!(brief("a\nb"), "a b");
    }
}
