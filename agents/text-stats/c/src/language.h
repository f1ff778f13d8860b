// Guesses a text's language: by its script, then by the frequent words of the script's languages.
#pragma once

#include "scan.h"

// A language, and why: `hits` of so many tokens are frequent words of it.
struct guess {
    struct text code, script;
    uint64_t hits, of;
};

struct guess guess_language(const struct counts *counts);
