// Reading JSON (RFC 8259), and the words for what does not fit.
#pragma once

#include "base.h"

enum json_kind { JSON_NULL, JSON_BOOLEAN, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
    enum json_kind kind;
    bool boolean;
    double number;
    struct text string;
    // Of an array or object, in order; a member has a name.
    struct json *first, *next;
    struct text name;
};

// False where the text is no JSON. Half a character and a number beyond a double's range are none.
bool json_parse(struct text text, struct arena *arena, struct json *value);

// The last member of this name, or none.
const struct json *json_member(const struct json *object, const char *name);

size_t json_length(const struct json *array);

// What a value is, in words.
struct text json_kind_of(const struct json *value);

// Whether a value is a whole number between two, both included; 10.0 is one as well.
bool json_is_whole(const struct json *value, uint64_t low, uint64_t high);

// Refuses names that are not known (a list that ends in NULL), so that a typing mistake does not
// turn into a default.
bool refuse_unknown(const char *what, const struct json *object, const char *const *known,
                    struct arena *arena, struct error *error);
