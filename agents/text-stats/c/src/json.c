// Reading JSON (RFC 8259): each function takes one thing and moves behind it, or says false.

#include "json.h"

#include <stdlib.h>
#include <string.h>

// Deeper is refused, since each level takes stack. The host's own limit is the same.
enum { MOST_DEPTH = 128, SHOWN_CHARACTERS = 40 };

struct reader {
    const char *at, *end;
    struct arena *arena;
    int depth;
};

static bool read_value(struct reader *reader, struct json *value);

static bool next_is(const struct reader *reader, char byte) {
    return reader->at < reader->end && *reader->at == byte;
}

static bool take(struct reader *reader, char byte) {
    if (!next_is(reader, byte)) return false;
    reader->at++;
    return true;
}

static bool take_word(struct reader *reader, const char *word) {
    size_t length = strlen(word);
    if ((size_t)(reader->end - reader->at) < length || memcmp(reader->at, word, length) != 0) return false;
    reader->at += length;
    return true;
}

static void skip_space(struct reader *reader) {
    while (take(reader, ' ') || take(reader, '\t') || take(reader, '\n') || take(reader, '\r')) {
    }
}

// === Strings

static bool read_hex(struct reader *reader, uint32_t *unit) {
    *unit = 0;
    for (int digit = 0; digit < 4; digit++, reader->at++) {
        if (reader->at == reader->end) return false;
        char c = *reader->at;
        if (c >= '0' && c <= '9') *unit = *unit * 16 + (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f') *unit = *unit * 16 + (uint32_t)(c - 'a' + 10);
        else if (c >= 'A' && c <= 'F') *unit = *unit * 16 + (uint32_t)(c - 'A' + 10);
        else return false;
    }
    return true;
}

static bool read_unicode_escape(struct reader *reader, struct buffer *string) {
    uint32_t unit, low;
    if (!read_hex(reader, &unit)) return false;
    if (unit >= 0xd800 && unit < 0xe000) {
        if (unit >= 0xdc00 || !take_word(reader, "\\u") || !read_hex(reader, &low)) return false;
        if (low < 0xdc00 || low >= 0xe000) return false;
        unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
    }
    buffer_character(string, unit);
    return true;
}

static bool read_escape(struct reader *reader, struct buffer *string) {
    static const char names[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    if (take(reader, 'u')) return read_unicode_escape(reader, string);
    if (reader->at == reader->end || *reader->at == '\0') return false;
    const char *name = strchr(names, *reader->at++);
    if (name == NULL) return false;
    buffer_add(string, meant + (name - names), 1);
    return true;
}

static bool read_string(struct reader *reader, struct text *text) {
    if (!take(reader, '"')) return false;
    struct buffer string = {.arena = reader->arena};
    for (;;) {
        const char *from = reader->at;
        while (reader->at < reader->end && (unsigned char)*reader->at >= 0x20 && *reader->at != '"' &&
               *reader->at != '\\')
            reader->at++;
        buffer_add(&string, from, (size_t)(reader->at - from));
        if (take(reader, '"')) break;
        if (!take(reader, '\\') || !read_escape(reader, &string)) return false;
    }
    *text = buffer_done(&string);
    return true;
}

// === Numbers

static bool skip_digits(struct reader *reader) {
    const char *from = reader->at;
    while (reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9') reader->at++;
    return reader->at > from;
}

static bool read_number(struct reader *reader, double *number) {
    const char *from = reader->at;
    take(reader, '-');
    // A nought stands alone.
    if (!take(reader, '0') && !skip_digits(reader)) return false;
    if (take(reader, '.') && !skip_digits(reader)) return false;
    if (take(reader, 'e') || take(reader, 'E')) {
        if (!take(reader, '+')) take(reader, '-');
        if (!skip_digits(reader)) return false;
    }
    size_t length = (size_t)(reader->at - from);
    char *digits = arena_take(reader->arena, length + 1);
    memcpy(digits, from, length);
    digits[length] = '\0';
    *number = strtod(digits, NULL);
    return *number - *number == 0; // not infinite
}

// === Arrays and objects

static bool read_members(struct reader *reader, struct json *value, bool named) {
    char end = named ? '}' : ']';
    struct json **link = &value->first;
    skip_space(reader);
    if (take(reader, end)) return true;
    do {
        struct json *member = arena_take(reader->arena, sizeof *member);
        struct text name = {"", 0};
        skip_space(reader);
        if (named) {
            if (!read_string(reader, &name)) return false;
            skip_space(reader);
            if (!take(reader, ':')) return false;
        }
        if (!read_value(reader, member)) return false;
        member->name = name;
        *link = member;
        link = &member->next;
    } while (take(reader, ','));
    return take(reader, end);
}

// With the white space round it.
static bool read_value(struct reader *reader, struct json *value) {
    *value = (struct json){.kind = JSON_NULL};
    skip_space(reader);
    bool good;
    if (next_is(reader, '"')) {
        value->kind = JSON_STRING;
        good = read_string(reader, &value->string);
    } else if (next_is(reader, '[') || next_is(reader, '{')) {
        bool named = *reader->at++ == '{';
        value->kind = named ? JSON_OBJECT : JSON_ARRAY;
        good = ++reader->depth < MOST_DEPTH && read_members(reader, value, named);
        reader->depth--;
    } else if (take_word(reader, "true") || take_word(reader, "false")) {
        value->kind = JSON_BOOLEAN;
        value->boolean = reader->at[-2] == 'u';
        good = true;
    } else if (take_word(reader, "null")) {
        good = true;
    } else {
        value->kind = JSON_NUMBER;
        good = read_number(reader, &value->number);
    }
    skip_space(reader);
    return good;
}

bool json_parse(struct text text, struct arena *arena, struct json *value) {
    struct reader reader = {.at = text.at, .end = text.at + text.length, .arena = arena};
    return read_value(&reader, value) && reader.at == reader.end;
}

// === What does not fit

const struct json *json_member(const struct json *object, const char *name) {
    const struct json *found = NULL;
    for (const struct json *member = object->first; member != NULL; member = member->next)
        if (text_equals(member->name, text_of(name))) found = member;
    return found;
}

size_t json_length(const struct json *array) {
    size_t length = 0;
    for (const struct json *item = array->first; item != NULL; item = item->next) length++;
    return length;
}

struct text json_kind_of(const struct json *value) {
    static const char *const kinds[] = {"null", "a boolean", "a number", "a string", "an array", "an object"};
    return text_of(kinds[value->kind]);
}

bool json_is_whole(const struct json *value, uint64_t low, uint64_t high) {
    double number = value->number;
    return value->kind == JSON_NUMBER && (double)low <= number && number <= (double)high &&
           number == (double)(uint64_t)number;
}

static bool is_known(struct text name, const char *const *known) {
    for (; *known != NULL; known++)
        if (text_equals(name, text_of(*known))) return true;
    return false;
}

bool refuse_unknown(const char *what, const struct json *object, const char *const *known,
                    struct arena *arena, struct error *error) {
    const struct text *unknown = NULL;
    for (const struct json *member = object->first; member != NULL; member = member->next) {
        if (is_known(member->name, known)) continue;
        if (unknown == NULL || text_compare(member->name, *unknown) < 0) unknown = &member->name;
    }
    if (unknown == NULL) return true;

    struct buffer list = {.arena = arena};
    for (size_t n = 0; known[n] != NULL; n++) {
        buffer_words(&list, n == 0 ? "`" : ", `");
        buffer_words(&list, known[n]);
        buffer_words(&list, "`");
    }
    struct text shown = text_head(*unknown, SHOWN_CHARACTERS);
    struct text cut = text_of(shown.length < unknown->length ? "…" : "");
    return refuse(error, arena, INVALID_INPUT, "unknown %s `%s%s`: known are %s", text_of(what), shown, cut,
                  buffer_done(&list));
}
