// What is known about characters and languages: `../data`, the same for every implementation.
#pragma once

#include "base.h"
#include "json.h"

enum { NO_SCRIPT = -1 };

struct language {
    struct text code, script;
    struct text *words; // frequent ones; none where the script says it all
    size_t word_count;
};

struct tables {
    struct text *scripts;
    size_t script_count;
    struct language *languages;
    size_t language_count;
    int kana, han; // numbers of scripts
    struct rows {
        struct row *at;
        size_t count;
    } words, stops, lower;
};

// Read once, at the first call.
const struct tables *tables(void);

// The number of the script of a word character; NO_SCRIPT for any other character.
int script_of(uint32_t character);
// Whether a script's characters are tokens one by one, since it is written without spaces.
bool is_single(int script);
// Whether a character ends a sentence.
bool is_stop(uint32_t character);
// The lower case of a character, where that is one character.
uint32_t lower(uint32_t character);
