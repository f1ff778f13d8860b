// The operator's parameters, checked once when the agent starts.
#pragma once

#include "base.h"
#include "json.h"

enum { MOST_TERMS = 100 };

struct settings {
    uint64_t busy_attempts; // so many attempts at each task are answered as unavailable
    uint64_t max_bytes;
    uint64_t max_distinct; // bounds the memory that a text can take
    uint64_t top_terms;
    struct text *stop_words; // folded as tokens are
    size_t stop_word_count;
};

struct parameter {
    struct text name, json;
};

bool settings_read(const struct parameter *parameters, size_t count, struct arena *arena,
                   struct settings *settings, struct error *error);
