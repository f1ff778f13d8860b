//! What a guest may import, a folder for each capability, and the list of them.

mod config;
mod files;
mod http;
mod keyvalue;
mod logging;
mod otel;
mod stdio;
mod telemetry;

use std::sync::Arc;

use chimera_layer4_core::{FabricResult, Fault, Grants};
use wasmtime::component::Linker;

use super::capability::{CallEnd, Capability, Holds, Needs, Provides};
use super::context::{ContextBuilder, Reported};
use super::limits::network::Line;
use super::options::CapabilityOptions;

/// Makes of the list what has a part for each capability in it. All is resolved
/// when this is compiled: a call goes to the capability's own function.
macro_rules! capabilities {
    ($($name:ident: $capability:ty,)*) => {
        /// What the host has of each capability, for all agents.
        #[derive(Clone)]
        pub(crate) struct Backends {
            $($name: <$capability as Capability>::Backend,)*
        }

        impl Backends {
            pub(crate) fn new(options: &CapabilityOptions) -> FabricResult<Self> {
                Ok(Self { $($name: <$capability>::backend(options)?,)* })
            }

            /// What an agent has that is only tried.
            pub(crate) fn apart(&self) -> Self {
                Self { $($name: <$capability>::apart(&self.$name),)* }
            }
        }

        /// What an instance has of each capability.
        pub(crate) struct States {
            $($name: <$capability as Capability>::State,)*
        }

        impl States {
            pub(crate) fn new(
                backends: &Backends,
                instance: &mut ContextBuilder,
            ) -> Result<Self, Fault> {
                Ok(Self { $($name: <$capability>::state(&backends.$name, instance)?,)* })
            }

            /// A call into the guest begins.
            pub(crate) fn begin(&mut self, line: Option<&Arc<Line>>) {
                $(<$capability>::begin(&mut self.$name, line);)*
            }

            /// A call into the guest ended.
            pub(crate) fn end(&mut self, call: &mut CallEnd) {
                $(<$capability>::end(&mut self.$name, call);)*
            }

            /// Adds what the capabilities have to say of a run.
            pub(crate) fn report(&mut self, reported: &mut Reported) {
                $(<$capability>::report(&mut self.$name, reported);)*
            }
        }

        $(impl Holds<$capability> for States {
            fn state_of(&mut self) -> &mut <$capability as Capability>::State {
                &mut self.$name
            }
        })*

        /// Links the functions of all capabilities.
        pub(crate) fn link<T>(linker: &mut Linker<T>) -> wasmtime::Result<()>
        where
            $(T: Provides<$capability>,)*
        {
            $(<$capability>::link(linker)?;)*
            Ok(())
        }

        /// What is wrong with the grants.
        pub(crate) fn check(grants: &Grants, wrong: &mut Vec<String>) {
            $(<$capability>::check(grants, wrong);)*
        }

        /// What an interface of this name needs; `None`: no capability has it.
        pub(crate) fn needs(interface: &str) -> Option<Needs> {
            None$(.or_else(|| <$capability>::needs(interface)))*
        }
    };
}

capabilities! {
    telemetry: telemetry::Telemetry,
    stdio: stdio::Stdio,
    keyvalue: keyvalue::KeyValue,
    files: files::Files,
    http: http::Http,
    config: config::Config,
    logging: logging::Logging,
    otel: otel::Otel,
}
