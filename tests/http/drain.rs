//! What a host answers while it drains.

use std::fs;

use rustix::process::Signal;

use super::service::{Service, declare};
use crate::cli::Chimera;
use crate::harness::guest_path;

#[test]
fn a_host_that_drains_says_so_and_still_shows_what_it_has() {
    let data = tempfile::tempdir().unwrap();
    let folders = format!(
        "folders = [{{ host = {:?}, guest = \"/data\", access = \"read-write\" }}]\n",
        data.path()
    );
    let agent = declare("hostile", &guest_path("hostile"), 1) + &folders;
    let mut service = Service::start(Chimera::new(), &agent);
    let tasks = format!("{}/v1/tasks", service.url());
    let submit = |payload: &str| {
        let body = format!("{{\"target_agent_type\": \"hostile\", \"payload\": {payload}}}");
        let agent: ureq::Agent =
            ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let request = agent.post(&tasks).header("content-type", "application/json");
        let mut answer = request.send(body).unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    };
    assert_eq!(submit(r#"{"do": "dawdle"}"#).0, 202);
    while !data.path().join("started").exists() {
        std::thread::yield_now();
    }
    service.signal(Signal::TERM);
    let refused = loop {
        let (status, said) = submit("1");
        if status != 202 {
            assert_eq!(status, 503, "{said}");
            break said;
        }
    };
    assert!(refused.contains("the host is shut down") && !refused.contains("`start`"), "{refused}");
    assert!(service.get("/scheduler/stats")["tasks"]["running"].as_u64().unwrap() >= 1);
    let folder = service.chimera.data().join("data");
    let chimera = |command: &[&str]| {
        let folder = ["--data-dir", folder.to_str().unwrap()];
        service.chimera.run(&[command, &folder].concat())
    };
    let stats = chimera(&["task", "stats"]);
    assert!(stats.code == 0 && stats.out.contains("running  "), "{}{}", stats.out, stats.err);
    let list = chimera(&["task", "list", "--state", "all"]);
    assert!(list.code == 0 && list.out.contains("lease until"), "{}{}", list.out, list.err);
    fs::write(data.path().join("go"), "").unwrap();
    assert_eq!(service.ends(), Some(0));
}
