//! Task refinement: what layer 5 sets for tasks to come, for one agent type.

use chimera_layer4_core::FabricResult;
use chimera_layer4_core::refinement::{Refined, RefinedBy, Refinement, RefinementView};

use super::Fabric;

impl Fabric {
    /// The entry for layer 5: from now on the refinement counts for tasks that are submitted
    /// to an agent type, in place of the one before it, also after a restart of the host.
    /// Tasks that were taken before stay as they are.
    ///
    /// A field of it that is left out changes nothing. `route_to` sends tasks on, which are
    /// then submissions to where they go; `priority` and `resource_quota` count in place of
    /// what the submitter gave. For `parameters` the type's agents are replaced with their
    /// state, and running tasks finish in the old ones, so they count for each run that begins
    /// from then on. The label `layer4.refinement` of a task has the numbers of the entries
    /// that changed it.
    ///
    /// To set what counts already changes and records nothing.
    ///
    /// # Errors
    /// `InvalidRequest` when it is out of range, or `route_to` names neither an agent type nor
    /// what agents support; as [`must_know_type`](crate::Agents::must_know_type) when there is
    /// no such type and none was recorded; `RefinementConflict` when tasks would go in a
    /// circle; `RolloutConflict` when the parameters change while a genome is on trial; what
    /// the `init` of an agent failed with; `GenomeStore` when it cannot be recorded. All is then
    /// as it was before, unless it had been recorded: [`refinement`](Self::refinement) says.
    pub async fn refine_agent_type(
        &self,
        name: &str,
        refinement: Refinement,
        by: RefinedBy,
    ) -> FabricResult<Refined> {
        self.life.check_not_ending()?;
        self.genomes.refine(name, refinement, by).await
    }

    /// Takes the refinement in force of an agent type back: what counted before it counts
    /// again, and the answer to doing so twice is what counted before that, and in the end
    /// nothing. It is recorded, too. A call whose answer was lost is not to be repeated blindly:
    /// each undoes one step, and [`refinement`](Self::refinement) says what counts.
    ///
    /// # Errors
    /// `RefinementConflict` when none is in force, or the one before it would send tasks in a
    /// circle or to a type that is gone; otherwise as
    /// [`refine_agent_type`](Self::refine_agent_type).
    pub async fn undo_refinement(&self, name: &str, by: RefinedBy) -> FabricResult<Refined> {
        self.life.check_not_ending()?;
        self.genomes.undo_refinement(name, by).await
    }

    /// The refinement of an agent type, and a page of what was recorded of it, newest first: up
    /// to `limit` entries and a thousand at the most, with `before` those that are older than it.
    ///
    /// # Errors
    /// As [`must_know_type`](crate::Agents::must_know_type) when there is no such type and none
    /// was recorded; `GenomeStore` when the record cannot be read.
    pub async fn refinement(
        &self,
        name: &str,
        before: Option<u64>,
        limit: usize,
    ) -> FabricResult<RefinementView> {
        self.genomes.refinement(name, before, limit).await
    }
}
