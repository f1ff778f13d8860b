//! An instance's state, taken out of it and put into another.

use chimera_layer4_core::{Call, Fault, GuestFault, HostFault};

use super::{CallContext, Instance};
use crate::sandbox::bindings::{self, exports::chimera::agent::state};
use crate::sandbox::fault::with_last_words;
use crate::sandbox::limits::run::WallLimit;

impl Instance {
    /// Returns its state, or the agent's reason for giving none, and the
    /// instance where the call ended well.
    pub(in crate::executor) async fn save(
        mut self,
        driver: &mut CallContext<'_>,
        wall: WallLimit,
    ) -> Result<(Result<Vec<u8>, GuestFault>, Self), Fault> {
        let _connected = self.begin(driver);
        let call = offered(self.guest.state.as_ref())?.call_save(&mut self.store);
        match driver.drive(call, Call::Save, wall).await {
            Ok(said) => {
                let said = said.map_err(|error| bindings::agent_error(&error, Call::Save));
                Ok((said, self))
            }
            Err(fault) => Err(with_last_words(fault, &self.take_reported().0.log)),
        }
    }

    /// Lets it go on from what another instance saved; gives it back where it
    /// does.
    pub(in crate::executor) async fn restore(
        mut self,
        saved: &[u8],
        driver: &mut CallContext<'_>,
        wall: WallLimit,
    ) -> Result<Self, Fault> {
        let _connected = self.begin(driver);
        let call = offered(self.guest.state.as_ref())?.call_restore(&mut self.store, saved);
        let said = match driver.drive(call, Call::Restore, wall).await {
            Ok(said) => said,
            Err(fault) => return Err(with_last_words(fault, &self.take_reported().0.log)),
        };
        said.map_err(|error| bindings::agent_error(&error, Call::Restore))?;
        Ok(self)
    }
}

fn offered(state: Option<&state::Guest>) -> Result<&state::Guest, HostFault> {
    let message = || "the state of a genome that exports none was asked for".to_owned();
    state.ok_or_else(|| HostFault::Internal { message: message() })
}
