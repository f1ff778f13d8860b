//! Whatever JSON goes in comes out.

use chimera_agent_sdk::prelude::*;
use chimera_agent_sdk::testing::{TestHost, task_from_json};
use echo::Echo;

#[test]
fn any_json_comes_back() {
    let mut host = TestHost::<Echo>::start().unwrap();
    for payload in [
        json!(null),
        json!(-1.5),
        json!("a \"quoted\" word"),
        json!([1, [2, []]]),
        json!({"nested": {"deeply": [true, null]}}),
    ] {
        assert_eq!(host.execute(&payload), Ok(payload));
    }
}

#[test]
fn what_is_not_json_is_refused() {
    let mut host = TestHost::<Echo>::start().unwrap();
    let error = host.execute_task(task_from_json("{")).unwrap_err();
    assert!(matches!(error, AgentError::InvalidInput(_)), "{error}");
}

#[test]
fn it_is_healthy_and_ends_well() {
    let mut host = TestHost::<Echo>::start().unwrap();
    assert_eq!(host.health(), Health::healthy());
    assert_eq!(host.shutdown(), Ok(()));
}
