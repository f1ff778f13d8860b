// What a task asks for.

#include "request.h"

static const char *const KNOWN[] = {"language", "text", "top", NULL};

static bool read_text(const struct json *value, const struct settings *settings, struct arena *arena,
                      struct request *request, struct error *error) {
    if (value == NULL) return refuse(error, arena, INVALID_INPUT, "option `text` is missing");
    if (value->kind != JSON_STRING)
        return refuse(error, arena, INVALID_INPUT, "option `text` is %s: it must be a string", json_kind_of(value));
    if (value->string.length > settings->max_bytes)
        return refuse(error, arena, INVALID_INPUT, "option `text` has %d bytes: at most %d are accepted",
                      (uint64_t)value->string.length, settings->max_bytes);
    request->text = value->string;
    return true;
}

static bool read_top(const struct json *value, struct arena *arena, struct request *request, struct error *error) {
    if (value == NULL) return true;
    if (!json_is_whole(value, 0, MOST_TERMS))
        return refuse(error, arena, INVALID_INPUT, "option `top` must be a whole number from 0 to %d",
                      (uint64_t)MOST_TERMS);
    request->top = (uint64_t)value->number;
    return true;
}

static bool read_language(const struct json *value, struct arena *arena, struct request *request,
                          struct error *error) {
    if (value == NULL) return true;
    if (value->kind != JSON_BOOLEAN)
        return refuse(error, arena, INVALID_INPUT, "option `language` must be true or false");
    request->language = value->boolean;
    return true;
}

bool request_read(struct text payload, const struct settings *settings, struct arena *arena,
                  struct request *request, struct error *error) {
    struct json options;
    if (!json_parse(payload, arena, &options)) return refuse(error, arena, INVALID_INPUT, "payload is not JSON");
    if (options.kind != JSON_OBJECT)
        return refuse(error, arena, INVALID_INPUT, "payload is %s: it must be an object such as {\"text\": \"…\"}",
                      json_kind_of(&options));
    *request = (struct request){.top = settings->top_terms, .language = true};
    return refuse_unknown("option", &options, KNOWN, arena, error) &&
           read_text(json_member(&options, "text"), settings, arena, request, error) &&
           read_top(json_member(&options, "top"), arena, request, error) &&
           read_language(json_member(&options, "language"), arena, request, error);
}
