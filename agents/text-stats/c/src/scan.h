// One pass over a text: tokens, sentences, scripts.
#pragma once

#include "base.h"

struct term {
    struct text word;
    uint64_t count;
};

// What there is in a text.
struct counts {
    uint64_t characters, tokens, word_characters, long_words, sentences;
    // Distinct tokens: a hash table in which an empty place has a count of 0.
    struct term *terms;
    size_t term_count, term_room;
    uint64_t *scripts; // word characters by the number of their script
};

struct progress {
    void (*tell)(void *to, double fraction);
    void *to;
};

// False where there are more than `most` distinct tokens.
bool scan(struct text text, size_t most, struct progress progress, struct arena *arena, struct counts *counts);

// How often a token is there.
uint64_t count_of(const struct counts *counts, struct text word);

// A word as its token is counted: in lower case, with one kind of apostrophe.
struct text fold(struct text word, struct arena *arena);
