// The agent: the contract's exports round `task.c`, in the order that the contract promises. Only
// this file knows the bindings, which `wit-bindgen c` writes.

#include "agent.h"

#include <stdlib.h>

#include "settings.h"
#include "task.h"

static const char BEFORE_INIT[] = "the agent was called before init: call init first";
static const char SECOND_INIT[] = "init was called a second time: it is called once in the life of an instance";
static const char SHUT_DOWN[] = "the agent was called after shutdown: start a new instance";

static enum { NOT_YET, IN_SERVICE, ENDED } stage;
static struct settings settings;
static struct arena settings_memory;

// === To and from the bindings

static struct text text_from(agent_string_t string) {
    return (struct text){(const char *)string.ptr, string.len};
}

// A view for the time of a call. The bindings do not write to it.
static agent_string_t string_of(struct text text) {
    return (agent_string_t){(uint8_t *)text.at, text.length};
}

// A copy that the bindings free.
static agent_string_t copy_of(struct text text) {
    agent_string_t copy;
    agent_string_dup_n(&copy, text.at, text.length);
    return copy;
}

static void give_error(const struct error *error, chimera_agent_types_agent_error_t *given) {
    agent_string_t message = copy_of(error->message);
    switch (error->kind) {
    case INVALID_INPUT:
        given->tag = CHIMERA_AGENT_TYPES_AGENT_ERROR_INVALID_INPUT;
        given->val.invalid_input = message;
        break;
    case UNAVAILABLE:
        given->tag = CHIMERA_AGENT_TYPES_AGENT_ERROR_UNAVAILABLE;
        given->val.unavailable.message = message;
        given->val.unavailable.retry_after_ms = (agent_option_u64_t){true, error->retry_after_ms};
        break;
    case FAILED:
        given->tag = CHIMERA_AGENT_TYPES_AGENT_ERROR_FAILED;
        given->val.failed = message;
        break;
    }
}

static bool fail(const char *message, chimera_agent_types_agent_error_t *given) {
    struct error error = {.kind = FAILED, .message = text_of(message)};
    give_error(&error, given);
    return false;
}

// A list of words that the bindings free.
static agent_list_string_t list_of(const char *const *words, size_t count) {
    agent_list_string_t list = {calloc(count, sizeof *list.ptr), count};
    if (list.ptr == NULL) abort();
    for (size_t n = 0; n < count; n++) list.ptr[n] = copy_of(text_of(words[n]));
    return list;
}

// === Telemetry; `to` is the span

static void tell_progress(void *to, double fraction, const char *message) {
    (void)to;
    agent_string_t words = string_of(text_of(message));
    chimera_agent_telemetry_progress(fraction, &words);
}

static void tell_attribute(void *to, const char *name, struct text value) {
    const chimera_agent_telemetry_own_span_t *span = to;
    chimera_agent_telemetry_label_t label = {string_of(text_of(name)), string_of(value)};
    chimera_agent_telemetry_method_span_set_attribute(chimera_agent_telemetry_borrow_span(*span), &label);
}

static void tell_metric(void *to, const char *name, double value, const struct text *language) {
    (void)to;
    agent_string_t metric = string_of(text_of(name));
    chimera_agent_telemetry_label_t label = {string_of(text_of("language")), {0}};
    chimera_agent_telemetry_list_label_t labels = {&label, 0};
    if (language != NULL) {
        label.value = string_of(*language);
        labels.len = 1;
    }
    chimera_agent_telemetry_record_metric(&metric, value, &labels);
}

// === The contract's exports. What a call is given, it frees.

static const char *out_of_service(void) {
    return stage == NOT_YET ? BEFORE_INIT : SHUT_DOWN;
}

static bool start(const exports_chimera_agent_lifecycle_config_t *config, struct error *error) {
    struct arena scratch = {0};
    size_t count = config->parameters.len;
    struct parameter *parameters = arena_take(&scratch, count * sizeof *parameters);
    for (size_t n = 0; n < count; n++) {
        const chimera_agent_types_tuple2_string_json_t *pair = &config->parameters.ptr[n];
        parameters[n] = (struct parameter){text_from(pair->f0), text_from(pair->f1)};
    }
    bool good = settings_read(parameters, count, &settings_memory, &settings, error);
    arena_free(&scratch);
    return good;
}

bool exports_chimera_agent_lifecycle_init(exports_chimera_agent_lifecycle_config_t *config,
                                          exports_chimera_agent_lifecycle_agent_error_t *err) {
    struct error error;
    bool good;
    if (stage != NOT_YET) {
        good = fail(stage == IN_SERVICE ? SECOND_INIT : SHUT_DOWN, err);
    } else if (!(good = start(config, &error))) {
        give_error(&error, err);
        arena_free(&settings_memory);
    } else {
        stage = IN_SERVICE;
    }
    exports_chimera_agent_lifecycle_config_free(config);
    return good;
}

void exports_chimera_agent_lifecycle_capabilities(exports_chimera_agent_lifecycle_agent_capabilities_t *ret) {
    static const char *const types[] = {"text-stats"};
    static const char *const features[] = {"language-guess", "readability"};
    *ret = (exports_chimera_agent_lifecycle_agent_capabilities_t){.max_concurrent_tasks = 1};
    if (stage != IN_SERVICE) return;
    ret->supported_task_types = list_of(types, 1);
    ret->features = list_of(features, 2);
}

bool exports_chimera_agent_lifecycle_execute_task(exports_chimera_agent_lifecycle_task_t *task,
                                                  exports_chimera_agent_lifecycle_json_t *ret,
                                                  exports_chimera_agent_lifecycle_agent_error_t *err) {
    bool good = false;
    if (stage != IN_SERVICE) {
        fail(out_of_service(), err);
    } else {
        agent_string_t name = string_of(text_of("text-stats"));
        chimera_agent_telemetry_own_span_t span = chimera_agent_telemetry_start_tracking(&name);
        struct teller teller = {tell_progress, tell_attribute, tell_metric, &span};
        struct arena memory = {0};
        struct text output;
        struct error error;
        good = execute(text_from(task->payload), task->attempt, &settings, &teller, &memory, &output, &error);
        if (good) *ret = copy_of(output);
        else give_error(&error, err);
        arena_free(&memory);
        chimera_agent_telemetry_span_drop_own(span);
    }
    exports_chimera_agent_lifecycle_task_free(task);
    return good;
}

void exports_chimera_agent_lifecycle_health(exports_chimera_agent_lifecycle_agent_health_t *ret) {
    *ret = (exports_chimera_agent_lifecycle_agent_health_t){.status = CHIMERA_AGENT_TYPES_HEALTH_STATUS_HEALTHY};
    struct arena memory = {0};
    struct buffer message = {.arena = &memory};
    if (stage != IN_SERVICE) {
        ret->status = CHIMERA_AGENT_TYPES_HEALTH_STATUS_UNHEALTHY;
        buffer_words(&message, out_of_service());
    } else if (settings.busy_attempts > 0) {
        ret->status = CHIMERA_AGENT_TYPES_HEALTH_STATUS_DEGRADED;
        buffer_words(&message, "busy for the first ");
        buffer_number(&message, settings.busy_attempts);
        buffer_words(&message, " attempts of each task");
    }
    if (message.length > 0) ret->message = (agent_option_string_t){true, copy_of(buffer_done(&message))};
    arena_free(&memory);
}

bool exports_chimera_agent_lifecycle_shutdown(exports_chimera_agent_lifecycle_agent_error_t *err) {
    if (stage != IN_SERVICE) return fail(out_of_service(), err);
    arena_free(&settings_memory);
    stage = ENDED;
    return true;
}
