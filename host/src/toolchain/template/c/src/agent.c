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

static void say(agent_string_t *to, const char *words) {
    agent_string_dup(to, words);
}

bool exports_chimera_agent_lifecycle_init(exports_chimera_agent_lifecycle_config_t *config,
                                          exports_chimera_agent_lifecycle_agent_error_t *err) {
    (void)err;
    exports_chimera_agent_lifecycle_config_free(config);
    return true;
}

void exports_chimera_agent_lifecycle_capabilities(exports_chimera_agent_lifecycle_agent_capabilities_t *ret) {
    *ret = (exports_chimera_agent_lifecycle_agent_capabilities_t){.max_concurrent_tasks = 1};
}

bool exports_chimera_agent_lifecycle_execute_task(exports_chimera_agent_lifecycle_task_t *task,
                                                  exports_chimera_agent_lifecycle_json_t *ret,
                                                  exports_chimera_agent_lifecycle_agent_error_t *err) {
    struct text payload = {(const char *)task->payload.ptr, task->payload.len};
    char *text;
    size_t length;
    bool good = json_string_member(payload, "text", &text, &length);
    if (good) {
        char output[80];
        size_t words = count_words(text, length);
        snprintf(output, sizeof output, "{\"words\": %zu, \"texts_so_far\": %zu}", words, ++texts);
        say(ret, output);
        free(text);
    } else {
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
    (void)err;
    return true;
}
