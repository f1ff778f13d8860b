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

/// Where tasks of an agent type would go if they were routed to `to`: the agent type, or the
/// task type that another supports.
///
/// # Errors
/// They would come back; the way that they would take is the answer.
pub fn circle(name: &str, to: &str, directory: &impl Directory) -> Result<String, Vec<String>> {
    let mut passed = vec![name.to_owned()];
    let mut next = to;
    loop {
        let is_circle = passed.iter().any(|before| before == next);
        passed.push(next.to_owned());
        if is_circle {
            return Err(passed);
        }
        match directory.refinement(next).and_then(|(_, refinement)| refinement.route_to.as_deref())
        {
            Some(further) => next = further,
            None => break,
        }
    }
    let last = next.to_owned();
    if directory.is_type(&last) {
        return Ok(last);
    }
    // One that tasks have passed does not count: they would come back to it.
    Ok(directory.supporting(&last, &passed).unwrap_or(last))
}
