//! The HTTP API, over real connections.

mod agent_types;
mod api;
mod bounds;
mod deploy;
mod drain;
mod effects;
mod events;
mod evolution;
mod genomes;
mod logs;
pub(crate) mod metrics;
mod openapi;
mod queue;
mod refinements;
mod refinements_kept;
pub(crate) mod service;
mod settings;
mod starts;
mod traces;
mod unanswered;
mod waits;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chimera_layer4::fabric::config::{AgentDeclaration, PartialQuota};
use chimera_layer4::fabric::http::Server;
use chimera_layer4::fabric::{AgentConfig, Fabric, FabricConfig, FabricResult, Grants};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::harness::{self, settings};

/// A host that serves in this process.
pub(crate) struct Api {
    pub(crate) address: SocketAddr,
    pub(crate) fabric: Arc<Fabric>,
    token: Option<String>,
    end: oneshot::Sender<()>,
    served: JoinHandle<FabricResult<()>>,
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: ureq::http::HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of a problem, which must be one.
    #[track_caller]
    pub(crate) fn code(&self) -> String {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        assert_eq!(problem["type"], format!("urn:chimera:{}", problem["code"].as_str().unwrap()));
        problem["code"].as_str().unwrap().to_owned()
    }
}

impl Api {
    /// Serves with these settings, and an agent of each of these guests.
    pub(crate) async fn with(config: FabricConfig, guests: &[&str]) -> Self {
        let agents = guests.iter().map(|guest| harness::config_of(guest, |_| {}));
        Self::with_agents(config, agents).await
    }

    /// Serves with these settings, and an agent of the guest that is each one's type.
    pub(crate) async fn with_agents(
        config: FabricConfig,
        agents: impl IntoIterator<Item = AgentConfig>,
    ) -> Self {
        let config = FabricConfig { metrics_port: 0, ..config };
        let token = config.http.api_token.as_ref().map(|token| token.reveal().to_owned());
        let fabric = Arc::new(harness::fabric(config.clone()).await);
        for agent in agents {
            let component = harness::guest(&agent.agent_type);
            fabric.agents().spawn(&component, agent).await.unwrap();
        }
        let server = Server::bind(Arc::clone(&fabric), &config).unwrap();
        let address = server.address();
        let (end, ended) = oneshot::channel();
        let served = tokio::spawn(server.run(async { drop(ended.await) }));
        Self { address, fabric, token, end, served }
    }

    pub(crate) async fn new(guests: &[&str]) -> Self {
        Self::with(settings(), guests).await
    }

    /// Ends it as SIGTERM does.
    pub(crate) async fn end(self) -> FabricResult<()> {
        self.end.send(()).unwrap();
        self.served.await.unwrap()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, &[("content-type", "application/json")], Some(body.to_string()))
            .await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], None).await
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Answer {
        let mut request = ureq::http::Request::builder().method(method).uri(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(body.unwrap_or_default()).unwrap();
        tokio::task::spawn_blocking(move || call(request)).await.unwrap()
    }
}

pub(crate) fn call(request: ureq::http::Request<impl ureq::AsSendBody>) -> Answer {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .timeout_global(Some(Duration::from_secs(60)))
        .build()
        .into();
    let mut response = agent.run(request).unwrap();
    let body = response.body_mut().read_to_string().unwrap();
    Answer { status: response.status().as_u16(), headers: response.headers().clone(), body }
}

/// A settings file with one agent of this component.
pub(crate) fn declared(name: &str, component: PathBuf) -> BTreeMap<String, AgentDeclaration> {
    let declaration = AgentDeclaration {
        component,
        instances: 1,
        quota: PartialQuota::default(),
        environment: BTreeMap::new(),
        parameters: BTreeMap::new(),
        grants: Grants::default(),
        fresh: false,
        tasks_per_instance: None,
    };
    BTreeMap::from([(name.to_owned(), declaration)])
}
