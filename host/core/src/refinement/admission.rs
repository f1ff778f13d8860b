//! What a submission becomes under the refinements that are in force.

use super::Refinement;
use crate::Task;
use crate::scheduler::submission::ASKED_FOR_LABEL;

/// The label of a task that refinements changed when it was submitted: the numbers of their
/// entries in the record, in the order in which they counted. The host sets it, and takes none
/// from a submitter.
pub const REFINEMENT_LABEL: &str = "layer4.refinement";

/// What the rules look up: agent types, what their agents support, and refinements.
pub trait Directory {
    /// Whether the name is an agent type's.
    fn is_type(&self, name: &str) -> bool;

    /// The refinement that is in force for a name, and the number of its entry.
    fn refinement(&self, name: &str) -> Option<(u64, &Refinement)>;

    /// An agent type, none of `passed`, whose agents support a task type.
    fn supporting(&self, task_type: &str, passed: &[String]) -> Option<String>;
}

/// Makes of a task what the refinements in force say. A task that is routed on is then a
/// submission to where it goes, so that one's refinement counts too, and what it says last
/// counts. It also has the agent type where it ends, if one is known.
pub fn admit(task: &mut Task, directory: &impl Directory) {
    task.metadata.remove(ASKED_FOR_LABEL);
    task.metadata.remove(REFINEMENT_LABEL);
    let (mut name, mut passed, mut applied) = (task.target_agent_type.clone(), Vec::new(), vec![]);
    loop {
        if !passed.contains(&name)
            && let Some((number, refinement)) = directory.refinement(&name)
        {
            applied.push(number.to_string());
            task.priority = refinement.priority.unwrap_or(task.priority);
            if let Some(quota) = &refinement.resource_quota {
                task.resource_quota = quota.or(&task.resource_quota);
            }
            passed.push(name.clone());
            if let Some(to) = &refinement.route_to {
                name.clone_from(to);
                continue;
            }
        }
        if directory.is_type(&name) {
            break;
        }
        match directory.supporting(&name, &passed) {
            Some(supporting) => name = supporting,
            None => break,
        }
    }
    if name != task.target_agent_type {
        task.send_to(&name);
    }
    if !applied.is_empty() {
        task.metadata.insert(REFINEMENT_LABEL.to_owned(), applied.join(","));
    }
}

/// The most names on the way of a task, the one that it is submitted to included.
pub const MOST_ON_THE_WAY: usize = 16;

/// Where tasks of an agent type would go if they were routed to `to`: the agent type, or the
/// task type that no other supports.
///
/// # Errors
/// They would come back, or the way is longer than [`MOST_ON_THE_WAY`]; the answer is the way
/// that they would take, up to there.
pub fn circle(name: &str, to: &str, directory: &impl Directory) -> Result<String, Vec<String>> {
    let (mut passed, mut next) = (vec![name.to_owned()], to.to_owned());
    loop {
        let route = directory.refinement(&next).and_then(|(_, one)| one.route_to.clone());
        // A task type may be passed again: each time another agent type takes the task.
        let is_task_type = route.is_none() && !directory.is_type(&next);
        let is_circle = next == name || (!is_task_type && passed.contains(&next));
        passed.push(next.clone());
        if is_circle || passed.len() > MOST_ON_THE_WAY {
            return Err(passed);
        }
        next = match route {
            Some(further) => further,
            None if !is_task_type => return Ok(next),
            // One that tasks have passed does not count: they would come back to it.
            None => match directory.supporting(&next, &passed) {
                Some(supporting) => supporting,
                None => return Ok(next),
            },
        };
    }
}
