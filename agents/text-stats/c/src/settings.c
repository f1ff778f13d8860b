// The operator's parameters.

#include "settings.h"

#include "scan.h"

enum { MOST_STOP_WORDS = 1000 };

static const char *const KNOWN[] = {"busy_attempts", "max_bytes", "max_distinct", "stop_words", "top_terms", NULL};

// As one object; what is not JSON is null, which fits nothing.
static struct json object_of(const struct parameter *parameters, size_t count, struct arena *arena) {
    struct json object = {.kind = JSON_OBJECT};
    struct json **link = &object.first;
    for (size_t n = 0; n < count; n++) {
        struct json *member = arena_take(arena, sizeof *member);
        if (!json_parse(parameters[n].json, arena, member)) *member = (struct json){.kind = JSON_NULL};
        member->name = parameters[n].name;
        *link = member;
        link = &member->next;
    }
    return object;
}

// Leaves the number as it is where the parameter is not set.
static bool read_whole(const struct json *object, const char *name, uint64_t low, uint64_t high,
                       uint64_t *number, struct arena *arena, struct error *error) {
    const struct json *value = json_member(object, name);
    if (value == NULL) return true;
    if (!json_is_whole(value, low, high))
        return refuse(error, arena, INVALID_INPUT, "parameter `%s` must be a whole number from %d to %d",
                      text_of(name), low, high);
    *number = (uint64_t)value->number;
    return true;
}

static bool is_list_of_strings(const struct json *value) {
    if (value->kind != JSON_ARRAY || json_length(value) > MOST_STOP_WORDS) return false;
    for (const struct json *item = value->first; item != NULL; item = item->next)
        if (item->kind != JSON_STRING) return false;
    return true;
}

static bool read_stop_words(const struct json *object, struct settings *settings, struct arena *arena,
                            struct error *error) {
    const struct json *value = json_member(object, "stop_words");
    if (value == NULL) return true;
    if (!is_list_of_strings(value))
        return refuse(error, arena, INVALID_INPUT, "parameter `stop_words` must be an array of at most %d strings",
                      (uint64_t)MOST_STOP_WORDS);
    settings->stop_words = arena_take(arena, json_length(value) * sizeof *settings->stop_words);
    for (const struct json *item = value->first; item != NULL; item = item->next)
        settings->stop_words[settings->stop_word_count++] = fold(item->string, arena);
    return true;
}

bool settings_read(const struct parameter *parameters, size_t count, struct arena *arena,
                   struct settings *settings, struct error *error) {
    struct json object = object_of(parameters, count, arena);
    *settings = (struct settings){.max_bytes = 2097152, .max_distinct = 100000, .top_terms = 10};
    return refuse_unknown("parameter", &object, KNOWN, arena, error) &&
           read_whole(&object, "busy_attempts", 0, 10, &settings->busy_attempts, arena, error) &&
           read_whole(&object, "max_bytes", 1, 4194304, &settings->max_bytes, arena, error) &&
           read_whole(&object, "max_distinct", 1, 1000000, &settings->max_distinct, arena, error) &&
           read_stop_words(&object, settings, arena, error) &&
           read_whole(&object, "top_terms", 0, MOST_TERMS, &settings->top_terms, arena, error);
}
