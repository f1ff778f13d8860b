//! Leases: tasks handed out, marked as running, held by heartbeats.

use std::collections::HashMap;

use super::{TaskQueue, gone};
use crate::Digest;
use crate::scheduler::fair_queue::Slots;
use crate::scheduler::machine::TransitionError;
use crate::scheduler::settle::Counts;
use crate::scheduler::store::requests::{Claim, ClaimRequest, Extension, Handed, Lease};
use crate::scheduler::store::rows::{Row, Rows};
use crate::scheduler::time::Timestamp;

impl<R: Rows> TaskQueue<R> {
    /// Hands out tasks; see [`TaskStore::claim`](crate::scheduler::store::TaskStore::claim).
    ///
    /// # Errors
    /// The rows failed.
    pub fn claim(&mut self, request: &ClaimRequest) -> Result<Claim<R::Body>, R::Error> {
        let mut claim = Claim { tasks: Vec::new(), ended: Vec::new() };
        let mut rooms = HashMap::new();
        let mut starts: HashMap<u32, Digest> = HashMap::new();
        for room in &request.rooms {
            let agent_type = self.rows.intern(&room.agent_type)?;
            rooms.insert(agent_type, Slots { free: room.free, reserved: room.reserved });
            starts.extend(room.starts.map(|genome| (agent_type, genome)));
        }
        for (priority, agent_type, count) in self.fair_queue.plan(&mut rooms, request.most) {
            let genome = starts.get(&agent_type).copied();
            for row in self.rows.waiting(priority, agent_type, count)? {
                if row.deadline.is_some_and(|deadline| deadline <= request.now) {
                    self.expire(&row, request.now)?;
                    claim.ended.push(row.id);
                } else if let Some(handed) = self.hand_out(row, request, genome)? {
                    claim.tasks.push(handed);
                }
            }
        }
        Ok(claim)
    }

    fn hand_out(
        &mut self,
        row: Row,
        request: &ClaimRequest,
        genome: Option<Digest>,
    ) -> Result<Option<Handed<R::Body>>, R::Error> {
        // A task that may have brought a host down is started alone, so that
        // another crash counts against no other task.
        let lost_before = row.progress.crashes > 0 || row.progress.lost_claims > 0;
        let genome = genome.filter(|_| !lost_before);
        let claimed = row.progress.claim(request.owner, request.until, genome.is_some());
        let (Ok(progress), Some(body)) = (claimed, self.rows.body(&row)?) else { return Ok(None) };
        let after = Row { progress, genome: genome.or(row.genome), ..row };
        self.change(&row, &after)?;
        Ok(Some(Handed {
            lease: Lease { id: row.id, fence: progress.fence },
            counts: Counts {
                attempt: progress.attempts,
                max_attempts: progress.max_attempts,
                host_faults: progress.host_faults,
            },
            started: genome.is_some(),
            submitted_at: row.submitted_at,
            deadline: row.deadline,
            body,
        }))
    }

    /// Marks tasks as running; see [`TaskStore::start`](crate::scheduler::store::TaskStore::start).
    ///
    /// # Errors
    /// The rows failed.
    pub fn start(
        &mut self,
        leases: &[Lease],
        genome: Option<Digest>,
    ) -> Result<Vec<Result<(), TransitionError>>, R::Error> {
        let start = |queue: &mut Self, lease: &Lease| {
            let Some(row) = queue.rows.find(lease.id)? else { return Ok(Err(gone(lease))) };
            match row.progress.start(lease.fence) {
                Ok(progress) => {
                    let genome = genome.or(row.genome);
                    queue.change(&row, &Row { progress, genome, ..row }).map(Ok)
                }
                Err(refused) => Ok(Err(refused)),
            }
        };
        leases.iter().map(|lease| start(self, lease)).collect()
    }

    /// Heartbeats; see [`TaskStore::extend`](crate::scheduler::store::TaskStore::extend).
    ///
    /// # Errors
    /// The rows failed.
    pub fn extend(&mut self, leases: &[Lease], until: Timestamp) -> Result<Extension, R::Error> {
        let mut answer = Extension::default();
        for lease in leases {
            let row = self.rows.find(lease.id)?;
            let extended = row.map(|row| (row, row.progress.extend(lease.fence, until)));
            let Some((row, Ok(progress))) = extended else {
                answer.lost.push(lease.id);
                continue;
            };
            self.change(&row, &Row { progress, ..row })?;
            if progress.cancel_requested {
                answer.cancelled.push(lease.id);
            }
        }
        Ok(answer)
    }
}
