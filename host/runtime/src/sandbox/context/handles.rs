//! What an instance's handles take of the host's memory, charged to its agent.
//!
//! The table is wasmtime-wasi's, and so are most of the calls that add to it. Each
//! of them asks for the table first, and adds one or two handles; so it is looked
//! through at every few calls, and charged for the most that it had. Where the
//! agent may not hold more, the table gets no larger: the call that would make
//! it so ends the guest's.

use chimera_layer4_core::{Fault, QuotaKind};
use wasmtime::component::ResourceTable;

use crate::sandbox::fault::of_memory;
use crate::sandbox::limits::ceilings::HANDLES;
use crate::sandbox::limits::hosted::Hosted;
use crate::sandbox::limits::memory::OverMemory;

/// What one handle takes: its place here and in the guest's own table, the thing
/// itself, and what waiting for it takes.
const HANDLE_BYTES: usize = 320;
/// Calls between two looks.
const CALLS: u32 = 16;

/// What an instance's handles are charged.
#[derive(Debug)]
pub(crate) struct Handles {
    /// Since the last look.
    calls: u32,
    /// The most that there were. What a table once took, it keeps.
    most: usize,
    held: Hosted,
    /// Why the table gets no larger.
    refused: Option<OverMemory>,
}

impl Handles {
    pub(crate) fn new(held: Hosted) -> Self {
        Self { calls: 0, most: 0, held, refused: None }
    }

    /// Before a call that may add to the handles.
    pub(super) fn look(&mut self, table: &mut ResourceTable) {
        self.calls += 1;
        if self.calls < CALLS {
            return;
        }
        self.calls = 0;
        // None while the table is lent to a thread that works on files.
        let now = table.iter_mut().count();
        if now <= self.most && self.refused.is_none() {
            return;
        }
        let most = now.max(self.most);
        self.refused = self.held.change(most * HANDLE_BYTES).err();
        self.most = if self.refused.is_some() { self.most } else { most };
        table.set_max_capacity(if self.refused.is_some() { most } else { HANDLES });
    }

    /// A fault for too many handles as one for too much memory, where that was
    /// why there could be no more.
    pub(crate) fn explained(&self, fault: Fault) -> Fault {
        match (fault, self.refused) {
            (Fault::OverQuota(breach), Some(over)) if breach.quota == QuotaKind::Handles => {
                of_memory(over, breach.during)
            }
            (fault, _) => fault,
        }
    }
}
