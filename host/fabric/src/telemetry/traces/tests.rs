//! What is carried, and what counts as none.

use chimera_layer4_core::FabricConfig;

use super::*;

const SENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

fn headers(traceparent: &str) -> BTreeMap<String, String> {
    [(TRACEPARENT, traceparent), ("tracestate", "vendor=1")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

fn carried(traces: &Traces, headers: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut metadata = BTreeMap::from([("order".to_owned(), "17".to_owned())]);
    traces.request(headers, "POST", "/v1/tasks").carry(&mut metadata);
    metadata
}

#[test]
fn without_a_collector_the_submitters_trace_is_handed_on_as_it_came() {
    let traces = Traces::new(&FabricConfig::default()).unwrap();
    let metadata = carried(&traces, &headers(SENT));
    assert_eq!(metadata[TRACEPARENT], SENT);
    assert_eq!(metadata["tracestate"], "vendor=1");
    assert_eq!(trace_id(&metadata).as_deref(), Some(TRACE));
    assert_eq!(carried(&traces, &BTreeMap::new()).len(), 1, "none came, none is made");
}

#[test]
fn a_trace_that_is_not_well_formed_counts_as_none() {
    let traces = Traces::new(&FabricConfig::default()).unwrap();
    let zeros = "00-00000000000000000000000000000000-b7ad6b7169203331-01";
    let signed = SENT.replace("-0af", "-+af");
    let (flags, upper) = (SENT.replace("-01", "-+1"), SENT.replace("af", "AF"));
    for wrong in ["", "00-12-34-01", "ff-1", zeros, &"0".repeat(5000), &signed, &flags, &upper] {
        let metadata = carried(&traces, &headers(wrong));
        assert_eq!(metadata.len(), 1, "{wrong:?} {metadata:?}");
    }
    let named = BTreeMap::from([(TRACEPARENT.to_owned(), "mine".to_owned())]);
    assert_eq!(trace_id(&named), None);
}

#[test]
fn what_the_submitter_wrote_into_the_task_wins() {
    let traces = Traces::new(&FabricConfig::default()).unwrap();
    let own = SENT.replace(TRACE, &"1".repeat(32));
    let mut metadata = BTreeMap::from([(TRACEPARENT.to_owned(), own.clone())]);
    traces.request(&headers(SENT), "POST", "/v1/tasks").carry(&mut metadata);
    assert_eq!(metadata, BTreeMap::from([(TRACEPARENT.to_owned(), own)]));
}
