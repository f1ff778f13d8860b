//! Which problems a route may answer, for the OpenAPI document.

use std::collections::BTreeMap;

use utoipa::IntoResponses;
use utoipa::openapi::{Content, Ref, RefOr, Response, ResponseBuilder};

/// What every route may answer.
const ANY: [(u16, &str); 3] = [
    (401, "The host wants its token"),
    (403, "The request is for another host"),
    (500, "The host failed; its log says why"),
];
const WRONG: (u16, &str) = (400, "The request is wrong");
const NONE_SUCH: (u16, &str) = (404, "There is no such thing");
const NOT_NOW: (u16, &str) = (503, "Not now");
const BODY: [(u16, &str); 3] = [
    (408, "The body did not arrive in time"),
    (413, "The body is too large"),
    (415, "The body is not declared as JSON, or is compressed"),
];

fn problems(own: &[(u16, &str)]) -> BTreeMap<String, RefOr<Response>> {
    let problem = |(status, description): &(u16, &str)| {
        let schema = Ref::from_schema_name("Problem");
        let content = Content::new(Some(schema));
        let response = ResponseBuilder::new().description(*description);
        let response = response.content("application/problem+json", content).build();
        (status.to_string(), RefOr::T(response))
    };
    ANY.iter().chain(own).map(problem).collect()
}

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident: $($own:expr),*;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                problems(&[$($own),*])
            }
        }
    )*};
}

problems! {
    /// Of a route that only looks at the host.
    Looking: WRONG;
    /// Of a route that tells what happens.
    Listening: WRONG, NOT_NOW;
    /// Of a route with a query.
    Asking: WRONG, NOT_NOW;
    /// Of a route to one thing.
    Finding: WRONG, NONE_SUCH, NOT_NOW;
    /// Of a route that changes one thing.
    Changing: WRONG, NONE_SUCH, (409, "It is not in the state for this"), NOT_NOW;
    /// Of a route that starts an agent.
    Handling: WRONG, NONE_SUCH, (422, "The agent failed"), NOT_NOW;
    /// Of a route with a body.
    Telling: WRONG, NONE_SUCH, BODY[0], BODY[1], BODY[2], NOT_NOW;
    /// Of a route that has an agent type served.
    Deploying: WRONG, NONE_SUCH, (409, "The settings declare it"), BODY[0], BODY[1], BODY[2],
        (422, "The component is refused, or does not start"), NOT_NOW;
    /// Of a route that sets what becomes of tasks to come.
    Refining: WRONG, NONE_SUCH, (409, "It does not go with other refinements, or a genome is on trial"),
        BODY[0], BODY[1], BODY[2], (422, "An agent does not start with the parameters"), NOT_NOW;
    /// Of a route that brings an earlier refinement back.
    Undoing: WRONG, NONE_SUCH, (409, "There is none to undo, or what was before cannot count again"),
        (422, "An agent does not start with the parameters"), NOT_NOW;
    /// Of a route that takes a component.
    Pushing: WRONG, NONE_SUCH, BODY[0], BODY[1], (415, "The body is not declared as a component, or is compressed"),
        (422, "It was not admitted"), NOT_NOW;
    /// Of a route that has another genome take over.
    Rolling: WRONG, NONE_SUCH, (409, "It does not go with what is in charge or on trial"), BODY[0],
        BODY[1], BODY[2], (422, "The genome was not admitted, or does not start"), NOT_NOW;
    /// Of a route that brings an earlier genome back.
    Restoring: WRONG, NONE_SUCH, (409, "There is none to go back to"), (422, "It does not start"), NOT_NOW;
    /// Of the submission of tasks.
    Submitting: WRONG, NONE_SUCH, (409, "The key names other work"), BODY[0], BODY[1], BODY[2],
        (422, "No agent of the type could be started"), (429, "The queue is full; of several tasks it took none"), NOT_NOW;
}
