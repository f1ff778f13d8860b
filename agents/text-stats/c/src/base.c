// Memory, texts and errors.

#include "base.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

// === Texts

struct text text_of(const char *words) {
    return (struct text){words, strlen(words)};
}

bool text_equals(struct text a, struct text b) {
    return a.length == b.length && memcmp(a.at, b.at, a.length) == 0;
}

int text_compare(struct text a, struct text b) {
    size_t shorter = a.length < b.length ? a.length : b.length;
    int order = memcmp(a.at, b.at, shorter);
    if (order != 0) return order;
    return (a.length > b.length) - (a.length < b.length);
}

uint32_t next_character(const char **at) {
    const unsigned char *byte = (const unsigned char *)*at;
    int more = *byte < 0x80 ? 0 : *byte < 0xe0 ? 1 : *byte < 0xf0 ? 2 : 3;
    static const unsigned char bits[] = {0x7f, 0x1f, 0x0f, 0x07};
    uint32_t character = *byte & bits[more];
    for (int n = 1; n <= more; n++) character = character << 6 | (byte[n] & 0x3f);
    *at += 1 + more;
    return character;
}

struct text text_head(struct text text, size_t characters) {
    const char *at = text.at, *end = text.at + text.length;
    while (at < end && characters-- > 0) next_character(&at);
    return (struct text){text.at, (size_t)(at - text.at)};
}

// === Memory

struct block {
    struct block *before;
    size_t used, room;
    max_align_t bytes[];
};

enum { BLOCK = 1 << 14 };

void *arena_take(struct arena *arena, size_t size) {
    size_t unit = sizeof(max_align_t);
    size = (size + unit - 1) / unit * unit;
    struct block *block = arena->last;
    if (block == NULL || block->room - block->used < size) {
        size_t room = size > BLOCK ? size : BLOCK;
        block = malloc(sizeof *block + room);
        if (block == NULL) abort();
        *block = (struct block){.before = arena->last, .room = room};
        arena->last = block;
    }
    void *taken = (char *)block->bytes + block->used;
    block->used += size;
    return taken;
}

void arena_free(struct arena *arena) {
    while (arena->last != NULL) {
        struct block *block = arena->last;
        arena->last = block->before;
        free(block);
    }
}

// === Buffers

void buffer_add(struct buffer *buffer, const char *bytes, size_t length) {
    if (length == 0) return;
    if (buffer->room - buffer->length < length) {
        size_t room = (buffer->length + length) * 2;
        char *moved = arena_take(buffer->arena, room);
        if (buffer->length > 0) memcpy(moved, buffer->at, buffer->length);
        buffer->at = moved;
        buffer->room = room;
    }
    memcpy(buffer->at + buffer->length, bytes, length);
    buffer->length += length;
}

void buffer_words(struct buffer *buffer, const char *words) {
    buffer_add(buffer, words, strlen(words));
}

void buffer_text(struct buffer *buffer, struct text text) {
    buffer_add(buffer, text.at, text.length);
}

void buffer_character(struct buffer *buffer, uint32_t c) {
    unsigned char bytes[4];
    size_t length = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char marks[] = {0, 0x00, 0xc0, 0xe0, 0xf0};
    for (size_t n = length; n > 1; n--, c >>= 6) bytes[n - 1] = (unsigned char)(0x80 | (c & 0x3f));
    bytes[0] = (unsigned char)(marks[length] | c);
    buffer_add(buffer, (const char *)bytes, length);
}

void buffer_number(struct buffer *buffer, uint64_t number) {
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    buffer_add(buffer, digits + at, sizeof digits - at);
}

struct text buffer_done(const struct buffer *buffer) {
    return (struct text){buffer->length > 0 ? buffer->at : "", buffer->length};
}

// === Errors

// By hand: `printf` would be the largest part of the component.
bool refuse(struct error *error, struct arena *arena, enum error_case kind, const char *words, ...) {
    struct buffer message = {.arena = arena};
    va_list values;
    va_start(values, words);
    for (const char *at = words; *at != '\0'; at++) {
        if (*at != '%') {
            buffer_add(&message, at, 1);
        } else if (*++at == 's') {
            buffer_text(&message, va_arg(values, struct text));
        } else {
            buffer_number(&message, va_arg(values, uint64_t));
        }
    }
    va_end(values);
    *error = (struct error){.kind = kind, .message = buffer_done(&message)};
    return false;
}
