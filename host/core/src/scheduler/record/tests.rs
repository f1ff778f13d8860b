//! What is written of a record.

use serde_json::json;

use super::*;

#[test]
fn a_reason_has_one_name_wherever_it_is_written() {
    for reason in DeadReason::ALL {
        let written = serde_json::to_value(reason).unwrap();
        assert_eq!(written, reason.to_string());
        assert_eq!(serde_json::from_value::<DeadReason>(written).unwrap(), reason);
    }
}

#[test]
fn an_attempt_is_written_with_its_error_beside_it() {
    let attempt = Attempt {
        number: 2,
        ended_at: Timestamp(0),
        error: AttemptError::Lost,
        usage: None,
        genome: None,
        agent_id: None,
        log: LogTail::default(),
    };
    let written = serde_json::to_value(&attempt).unwrap();
    let ended_at = "1970-01-01T00:00:00.000Z";
    assert_eq!(written, json!({ "number": 2, "ended_at": ended_at, "error": "lost" }));
    assert_eq!(serde_json::from_value::<Attempt>(written).unwrap(), attempt);
    let failed = Attempt { error: AttemptError::Fault(Fault::Stopped), ..attempt };
    let written = serde_json::to_value(&failed).unwrap();
    assert_eq!(written["fault"], json!({ "kind": "stopped" }));
    assert_eq!(serde_json::from_value::<Attempt>(written).unwrap(), failed);
}
