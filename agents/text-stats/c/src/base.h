// Memory, texts and errors: what C does not bring along.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// UTF-8 with a length: a text may contain NUL.
struct text {
    const char *at;
    size_t length;
};

struct text text_of(const char *words);
bool text_equals(struct text a, struct text b);
// Negative, zero or positive: by bytes, which in UTF-8 is by code point.
int text_compare(struct text a, struct text b);
// The character at `*at`, which moves behind it; the text is UTF-8 from the host or from JSON.
uint32_t next_character(const char **at);
// So many characters at most from the beginning.
struct text text_head(struct text text, size_t characters);

// Memory that is given back all at once, at the end of a task. Where there is none, the program
// ends: for the host that is a fault of this instance, and the next task meets a new one.
struct arena {
    struct block *last;
};

void *arena_take(struct arena *arena, size_t size);
void arena_free(struct arena *arena);

// A text that grows, in an arena.
struct buffer {
    struct arena *arena;
    char *at;
    size_t length, room;
};

void buffer_add(struct buffer *buffer, const char *bytes, size_t length);
void buffer_words(struct buffer *buffer, const char *words);
void buffer_text(struct buffer *buffer, struct text text);
void buffer_character(struct buffer *buffer, uint32_t character);
void buffer_number(struct buffer *buffer, uint64_t number);
struct text buffer_done(const struct buffer *buffer);

// The contract's errors.
enum error_case { INVALID_INPUT, UNAVAILABLE, FAILED };

struct error {
    enum error_case kind;
    struct text message;
    uint64_t retry_after_ms; // of UNAVAILABLE
};

// Fills in an error and returns false, which is what a function that fails returns. `%s` in the
// words is the text, `%d` a number, in this order.
bool refuse(struct error *error, struct arena *arena, enum error_case kind, const char *words, ...);
