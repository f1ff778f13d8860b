// Compiles if openapi-typescript's types say what a client needs to know.
import type { components, operations } from "./chimera.js";

type Body<T> = T extends { requestBody: { content: { "application/json": infer B } } } ? B : never;

const task: components["schemas"]["TaskRequest"] = { payload: { n: 1 }, target_agent_type: "echo" };
export const bodies: Body<operations["submit_tasks"]>[] = [task, [task, task]];

export function standing(view: components["schemas"]["RolloutView"]): string {
    switch (view.state) {
        case "running":
            return `step ${view.step}`;
        case "aborted":
            return `by ${view.by}`;
        case "promoted":
            return view.how === "by-hand" ? `by ${view.by}` : view.how;
        case "rolled-back":
        case "inconclusive":
            return view.state;
    }
}

export function blame(attempt: components["schemas"]["Attempt"]): string {
    if (attempt.error !== "fault") return attempt.error;
    const { fault } = attempt;
    return fault.kind === "guest" && fault.detail.fault === "trap" ? fault.detail.code : fault.kind;
}
