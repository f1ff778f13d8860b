#include "json.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// Reads from left to right. The host hands over nothing but JSON, so mistakes
// are not told apart; each reads no further than the end.
struct reader {
    const char *at, *end;
};

static bool is_next(const struct reader *r, const char *set) {
    return r->at < r->end && *r->at != '\0' && strchr(set, *r->at) != NULL;
}

static bool take(struct reader *r, char c) {
    if (r->at == r->end || *r->at != c) return false;
    r->at++;
    return true;
}

static void skip_space(struct reader *r) {
    while (is_next(r, " \t\r\n")) r->at++;
}

static uint32_t hex4(struct reader *r) {
    uint32_t value = 0;
    for (int n = 0; n < 4 && r->at < r->end; n++) {
        char c = *r->at++;
        value = value * 16 + (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value;
}

static char *put_utf8(char *to, uint32_t c) {
    if (c < 0x80) {
        *to++ = (char)c;
        return to;
    }
    if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
    } else {
        if (c < 0x10000) {
            *to++ = (char)(0xe0 | c >> 12);
        } else {
            *to++ = (char)(0xf0 | c >> 18);
            *to++ = (char)(0x80 | (c >> 12 & 0x3f));
        }
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
    }
    *to++ = (char)(0x80 | (c & 0x3f));
    return to;
}

// The character after `\u`: one escape, or two that are a surrogate pair. Half
// a pair is U+FFFD.
static uint32_t escaped_character(struct reader *r) {
    uint32_t c = hex4(r);
    if (c < 0xd800 || c > 0xdfff) return c;
    if (c > 0xdbff || r->end - r->at < 6 || r->at[0] != '\\' || r->at[1] != 'u') return 0xfffd;
    struct reader after = {r->at + 2, r->end};
    uint32_t low = hex4(&after);
    if (low < 0xdc00 || low > 0xdfff) return 0xfffd;
    r->at = after.at;
    return 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
}

static char *put_escape(struct reader *r, char *to) {
    static const char names[] = "bfnrt", values[] = "\b\f\n\r\t";
    char c = *r->at++;
    if (c == 'u') return put_utf8(to, escaped_character(r));
    const char *name = c == '\0' ? NULL : strchr(names, c);
    *to++ = name == NULL ? c : values[name - names];
    return to;
}

// A string without its quotes and escapes, to be freed; null if there is none.
static char *take_string(struct reader *r, size_t *length) {
    if (!take(r, '"')) return NULL;
    char *string = malloc((size_t)(r->end - r->at) + 1);
    if (string == NULL) abort();
    char *to = string;
    while (r->at < r->end && *r->at != '"') {
        char c = *r->at++;
        if (c == '\\' && r->at < r->end) to = put_escape(r, to);
        else *to++ = c;
    }
    *length = (size_t)(to - string);
    if (take(r, '"')) return string;
    free(string);
    return NULL;
}

static void skip_string(struct reader *r) {
    if (!take(r, '"')) return;
    while (r->at < r->end && *r->at != '"') r->at += *r->at == '\\' && r->end - r->at > 1 ? 2 : 1;
    take(r, '"');
}

static void skip_value(struct reader *r) {
    size_t depth = 0;
    do {
        if (is_next(r, "\"")) {
            skip_string(r);
        } else if (is_next(r, "{[")) {
            depth++;
            r->at++;
        } else if (is_next(r, "}]")) {
            depth--;
            r->at++;
        } else if (depth == 0) {
            while (r->at < r->end && !is_next(r, ",}] \t\r\n")) r->at++;
        } else {
            r->at++;
        }
    } while (depth > 0 && r->at < r->end);
}

bool json_string_member(struct text json, const char *name, char **string, size_t *length) {
    struct reader r = {json.at, json.at + json.length};
    *string = NULL;
    skip_space(&r);
    if (!take(&r, '{')) return false;
    do {
        skip_space(&r);
        size_t key_length;
        char *key = take_string(&r, &key_length);
        if (key == NULL) break;
        bool wanted = key_length == strlen(name) && memcmp(key, name, key_length) == 0;
        free(key);
        skip_space(&r);
        take(&r, ':');
        skip_space(&r);
        if (wanted) {
            free(*string);
            *string = is_next(&r, "\"") ? take_string(&r, length) : NULL;
            if (*string == NULL) skip_value(&r);
        } else {
            skip_value(&r);
        }
        skip_space(&r);
    } while (take(&r, ','));
    return *string != NULL;
}
