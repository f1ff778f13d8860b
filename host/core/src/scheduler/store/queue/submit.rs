//! Tasks on their way in: taken once, however often they are submitted.

use super::TaskQueue;
use crate::scheduler::machine::Progress;
use crate::scheduler::store::requests::{NewTask, SubmitTerms, Submitted};
use crate::scheduler::store::rows::{NewRow, Rows};

impl<R: Rows> TaskQueue<R> {
    /// Takes tasks; see [`TaskStore::submit`](crate::scheduler::store::TaskStore::submit).
    ///
    /// # Errors
    /// The rows failed.
    pub fn submit(
        &mut self,
        batch: &[NewTask<R::Body>],
        terms: SubmitTerms,
    ) -> Result<Vec<Submitted>, R::Error> {
        batch.iter().map(|task| self.submit_one(task, terms)).collect()
    }

    fn submit_one(
        &mut self,
        task: &NewTask<R::Body>,
        terms: SubmitTerms,
    ) -> Result<Submitted, R::Error> {
        if let Some(before) = self.repeat(task)? {
            return Ok(before);
        }
        let agent_type = self.rows.intern(&task.agent_type)?;
        let queued = self.queued.get(&agent_type).copied().unwrap_or(0);
        if queued >= terms.capacity {
            return Ok(Submitted::Full { queued });
        }
        let progress = Progress::submitted(terms.now, task.not_before, task.max_attempts);
        self.rows.insert(&NewRow {
            id: task.id,
            agent_type,
            priority: task.priority,
            deadline: task.deadline,
            submitted_at: terms.now,
            progress,
            key: task.key.as_ref(),
            body: &task.body,
        })?;
        self.enter(progress.state, task.priority, agent_type);
        Ok(Submitted::Accepted)
    }

    /// Answers repeats; see [`TaskStore::repeats`](crate::scheduler::store::TaskStore::repeats).
    ///
    /// # Errors
    /// The rows failed.
    pub fn repeats(
        &mut self,
        batch: &[NewTask<R::Body>],
    ) -> Result<Vec<Option<Submitted>>, R::Error> {
        batch.iter().map(|task| self.repeat(task)).collect()
    }

    fn repeat(&mut self, task: &NewTask<R::Body>) -> Result<Option<Submitted>, R::Error> {
        if let Some((key, fingerprint)) = &task.key
            && let Some((first, theirs)) = self.rows.find_key(key)?
        {
            let same = theirs == *fingerprint;
            return Ok(Some(match same {
                true => Submitted::Duplicate(first),
                false => Submitted::KeyTaken(first),
            }));
        }
        let Some(row) = self.rows.find(task.id)? else { return Ok(None) };
        let of_type = self.rows.type_name(row.agent_type)?;
        let same = of_type.as_deref() == Some(&*task.agent_type)
            && self.rows.has_payload(&row, &task.body)?;
        Ok(Some(if same { Submitted::Duplicate(task.id) } else { Submitted::IdTaken }))
    }
}
