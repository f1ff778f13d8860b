// As much JSON as the agent reads: a string in an object.

#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>

// Some text; it need not end with a zero.
struct text {
    const char *at;
    size_t length;
};

// Finds the member `name` of the object `json`, whose value must be a string.
// Gives the string without its escapes, to be freed. Of equal names the last counts.
bool json_string_member(struct text json, const char *name, char **string, size_t *length);

#endif
