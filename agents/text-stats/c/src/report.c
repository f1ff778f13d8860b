// From counts to the output.

#include "report.h"

#include <stdlib.h>

// The numerators of large texts are past 64 bits.
__extension__ typedef __int128 integer;

enum { DIGITS = 4, SCALE = 10000 };

static integer floor_divide(integer n, integer d) {
    return n / d - (n % d < 0); // `/` rounds towards zero
}

// A fraction with four digits, rounded half up; zero where there is nothing to divide by. Floats
// would be written differently in each language, and past 2^53 be wrong.
static void add_decimal(struct buffer *out, integer numerator, integer denominator) {
    integer units = denominator == 0 ? 0 : floor_divide(2 * numerator * SCALE + denominator, 2 * denominator);
    if (units < 0) buffer_words(out, "-");
    uint64_t size = (uint64_t)(units < 0 ? -units : units);
    buffer_number(out, size / SCALE);
    char digits[DIGITS];
    for (int n = DIGITS; n > 0; n--, size /= 10) digits[n - 1] = (char)('0' + size % 10);
    buffer_words(out, ".");
    buffer_add(out, digits, DIGITS);
}

static void add_figure(struct buffer *out, const char *name, uint64_t number) {
    buffer_words(out, name);
    buffer_number(out, number);
}

// LIX is words / sentences + 100 · long words / words; ARI is 4.71 · characters / words + 0.5 ·
// words / sentences − 21.43.
static void add_readability(struct buffer *out, const struct counts *counts) {
    integer words = counts->tokens, sentences = counts->sentences;
    integer long_words = counts->long_words, characters = counts->word_characters;
    buffer_words(out, ",\"readability\":{\"lix\":");
    add_decimal(out, words * words + 100 * sentences * long_words, words * sentences);
    buffer_words(out, ",\"ari\":");
    add_decimal(out, 942 * sentences * characters + 100 * words * words - 4286 * words * sentences,
                200 * words * sentences);
    buffer_words(out, "}");
}

// The most frequent first, equally frequent ones by code point.
static int by_count_then_term(const void *left, const void *right) {
    const struct term *a = left, *b = right;
    if (a->count != b->count) return a->count < b->count ? 1 : -1;
    return text_compare(a->word, b->word);
}

static bool is_stop_word(struct text word, const struct settings *settings) {
    for (size_t n = 0; n < settings->stop_word_count; n++)
        if (text_equals(word, settings->stop_words[n])) return true;
    return false;
}

static void add_top_terms(struct buffer *out, struct counts *counts, const struct settings *settings, uint64_t top) {
    // The table is not needed any more as one: its terms move to the front, and are sorted there.
    size_t kept = 0;
    for (size_t n = 0; n < counts->term_room; n++) {
        struct term term = counts->terms[n];
        if (term.count > 0 && !is_stop_word(term.word, settings)) counts->terms[kept++] = term;
    }
    qsort(counts->terms, kept, sizeof *counts->terms, by_count_then_term);
    buffer_words(out, ",\"top_terms\":[");
    for (size_t n = 0; n < kept && n < top; n++) {
        // A term has letters, digits and apostrophes: nothing that JSON escapes.
        buffer_words(out, n == 0 ? "{\"term\":\"" : ",{\"term\":\"");
        buffer_text(out, counts->terms[n].word);
        add_figure(out, "\",\"count\":", counts->terms[n].count);
        buffer_words(out, "}");
    }
    buffer_words(out, "]");
}

static void add_language(struct buffer *out, const struct guess *guess) {
    buffer_words(out, ",\"language\":");
    if (guess == NULL) {
        buffer_words(out, "null");
        return;
    }
    buffer_words(out, "{\"code\":\"");
    buffer_text(out, guess->code);
    buffer_words(out, "\",\"script\":\"");
    buffer_text(out, guess->script);
    buffer_words(out, "\",\"score\":");
    add_decimal(out, guess->hits, guess->of);
    buffer_words(out, "}");
}

struct text report(const struct request *request, struct counts *counts, const struct settings *settings,
                   const struct guess *guess, struct arena *arena) {
    struct buffer out = {.arena = arena};
    add_figure(&out, "{\"bytes\":", request->text.length);
    add_figure(&out, ",\"characters\":", counts->characters);
    add_figure(&out, ",\"tokens\":", counts->tokens);
    add_figure(&out, ",\"distinct_tokens\":", counts->term_count);
    add_figure(&out, ",\"sentences\":", counts->sentences);
    buffer_words(&out, ",\"average_word_length\":");
    add_decimal(&out, counts->word_characters, counts->tokens);
    add_readability(&out, counts);
    add_top_terms(&out, counts, settings, request->top);
    add_language(&out, guess);
    buffer_words(&out, "}");
    return buffer_done(&out);
}
