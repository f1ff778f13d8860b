// The agent: the contract's exports round `words.c`. Only this file knows the
// bindings, which `chimera agent build` writes to `build/bindings/agent.h`.
//
// What a call is given the agent frees, and what it gives the bindings free.

#include "agent.h"

#include <stdio.h>
#include <stdlib.h>

#include "json.h"
#include "words.h"

static size_t texts; // The instance lives on from task to task.
static enum stage { NEW, IN_SERVICE, ENDED } stage;

static void say(agent_string_t *to, const char *words) {
    agent_string_dup(to, words);
}

// The host calls in the order of the contract. A call out of order is an error in words.
static bool in_order(enum stage wanted, exports_chimera_agent_lifecycle_agent_error_t *err) {
    static const char *const words[] = {
        [NEW] = "the agent was called before init: call init first",
        [IN_SERVICE] = "init was called a second time: it is called once in the life of an instance",
        [ENDED] = "the agent was called after shutdown: start a new instance",
    };
    if (stage == wanted) return true;
    err->tag = CHIMERA_AGENT_TYPES_AGENT_ERROR_FAILED;
    say(&err->val.failed, words[stage]);
    return false;
}

// Gives the output as JSON, or false where the payload does not fit.
static bool count(struct text payload, agent_string_t *output) {
    char *text, json[80];
    size_t length;
    if (!json_string_member(payload, "text", &text, &length)) return false;
    size_t words = count_words(text, length);
    free(text);
    snprintf(json, sizeof json, "{\"words\": %zu, \"texts_so_far\": %zu}", words, ++texts);
    say(output, json);
    return true;
}

bool exports_chimera_agent_lifecycle_init(exports_chimera_agent_lifecycle_config_t *config,
                                          exports_chimera_agent_lifecycle_agent_error_t *err) {
    exports_chimera_agent_lifecycle_config_free(config);
    if (!in_order(NEW, err)) return false;
    stage = IN_SERVICE;
    return true;
}

void exports_chimera_agent_lifecycle_capabilities(exports_chimera_agent_lifecycle_agent_capabilities_t *ret) {
    *ret = (exports_chimera_agent_lifecycle_agent_capabilities_t){.max_concurrent_tasks = 1};
}

bool exports_chimera_agent_lifecycle_execute_task(exports_chimera_agent_lifecycle_task_t *task,
                                                  exports_chimera_agent_lifecycle_json_t *ret,
                                                  exports_chimera_agent_lifecycle_agent_error_t *err) {
    bool good = in_order(IN_SERVICE, err);
    struct text payload = {(const char *)task->payload.ptr, task->payload.len};
    if (good && !count(payload, ret)) {
        good = false;
        err->tag = CHIMERA_AGENT_TYPES_AGENT_ERROR_INVALID_INPUT;
        say(&err->val.invalid_input, "expected an object with a string `text`, such as {\"text\": \"one two\"}");
    }
    exports_chimera_agent_lifecycle_task_free(task);
    return good;
}

void exports_chimera_agent_lifecycle_health(exports_chimera_agent_lifecycle_agent_health_t *ret) {
    *ret = (exports_chimera_agent_lifecycle_agent_health_t){.status = CHIMERA_AGENT_TYPES_HEALTH_STATUS_HEALTHY};
}

bool exports_chimera_agent_lifecycle_shutdown(exports_chimera_agent_lifecycle_agent_error_t *err) {
    if (!in_order(IN_SERVICE, err)) return false;
    stage = ENDED;
    return true;
}
