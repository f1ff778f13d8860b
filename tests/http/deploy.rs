//! The operator's files, in a real Prometheus that scrapes a real host.
//!
//! It needs Debian's package `prometheus`, which `.ci/run` installs.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::metrics::{busy, expressions};
use crate::document::monitoring;
use crate::harness::root;

/// Prometheus, ended when dropped.
struct Prometheus {
    child: Child,
    url: String,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that must end well, and what it printed.
fn well(program: &str, arguments: &[&str], folder: &Path) -> String {
    let output = Command::new(program).args(arguments).current_dir(folder).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}; install `prometheus`"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}\n{text}");
    text
}

impl Prometheus {
    /// Our configuration, with this host as its target.
    fn start(folder: &Path, target: &str) -> Self {
        let deploy = root().join("host/deploy/prometheus");
        let config = std::fs::read_to_string(deploy.join("prometheus.yml")).unwrap();
        let ours =
            config.replace("127.0.0.1:9090", target).replace("15s", "1s").replace("5s", "1s");
        assert!(ours.contains(target) && ours.contains("1s"), "{config}");
        std::fs::write(folder.join("prometheus.yml"), ours).unwrap();
        std::fs::copy(deploy.join("rules.yml"), folder.join("rules.yml")).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let child = Command::new("prometheus")
            .arg("--config.file=prometheus.yml")
            .arg(format!("--web.listen-address={address}"))
            .arg("--storage.tsdb.path=data")
            .current_dir(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, url: format!("http://{address}") }
    }

    /// The answer to a query; `None` before it can be asked.
    fn query(&self, expression: &str) -> Option<Value> {
        let request = ureq::get(format!("{}/api/v1/query", self.url)).query("query", expression);
        let request = request.config().http_status_as_error(false).build();
        request.call().ok()?.body_mut().read_json().ok()
    }

    /// Waits until every rule was evaluated, and well.
    fn until_evaluated(&self) {
        until("a value for every rule", || {
            let answer = ureq::get(format!("{}/api/v1/rules", self.url)).call().unwrap();
            let answer: Value = answer.into_body().read_json().unwrap();
            let groups = answer["data"]["groups"].as_array().unwrap();
            let rules = groups.iter().flat_map(|group| group["rules"].as_array().unwrap());
            let health: Vec<&Value> = rules.map(|rule| &rule["health"]).collect();
            assert!(health.iter().all(|health| **health != "err"), "{answer:#}");
            health.len() >= 17 && health.iter().all(|health| **health == "ok")
        });
    }

    /// Waits until the expression has a value.
    fn until(&self, expression: &str) {
        until(expression, || {
            let answer = self.query(expression);
            answer.is_some_and(|answer| answer["data"]["result"] != json!([]))
        });
    }
}

fn until(what: &str, mut is_there: impl FnMut() -> bool) {
    for _ in 0..600 {
        if is_there() {
            return;
        }
        // Prometheus scrapes at its own times and sends no signal.
        std::thread::sleep(Duration::from_millis(100)); // tidy: as said above
    }
    panic!("{what}: not there after a minute");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Debian's package prometheus; .ci/run installs it"]
async fn rules_and_panels_are_evaluated_on_a_real_host() {
    let deploy = root().join("host/deploy/prometheus");
    well("promtool", &["check", "config", "prometheus.yml"], &deploy);
    well("promtool", &["test", "rules", "rules_test.yml"], &deploy);
    let theirs = monitoring::rules().display().to_string();
    well("promtool", &["check", "rules", &theirs], &deploy);

    let api = busy().await;
    let target = api.address.to_string();
    let asked = tokio::task::spawn_blocking(move || {
        let folder = tempfile::tempdir().unwrap();
        let prometheus = Prometheus::start(folder.path(), &target);
        prometheus.until("up{job=\"chimera\"} == 1");
        prometheus.until("layer4_tasks_processed_total");
        let mut wrong = BTreeSet::new();
        for expression in expressions() {
            // As Grafana fills them in.
            let filled = expression.replace("$__rate_interval", "1m").replace("$agent_type", ".*");
            if filled.starts_with("label_values(") {
                continue;
            }
            let answer = prometheus.query(&filled).unwrap();
            if answer["status"] != "success" {
                wrong.insert(format!("{expression}\n  {answer}"));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        prometheus.until_evaluated();
        // Those of the document, too: each panel has something to draw, and each alert
        // something to compare.
        let compared = |alert: String| alert.rsplit_once(" > ").unwrap().0.to_owned();
        let alerts = monitoring::alerts().into_iter().map(compared);
        alerts.chain(monitoring::panels()).for_each(|expression| prometheus.until(&expression));
    });
    asked.await.unwrap();
    api.end().await.unwrap();
}
