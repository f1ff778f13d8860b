// Guesses a text's language.

#include "language.h"

#include "tables.h"

static const char UNKNOWN[] = "und";

// The script with the most characters, the first of several; 0 where there is none.
static size_t main_script(const uint64_t *scripts) {
    size_t kana = (size_t)tables()->kana, han = (size_t)tables()->han, best = 0;
    // Japanese is written in Han and Kana together. A fifth tells it from Chinese with a foreign name.
    bool japanese = scripts[kana] > 0 && scripts[kana] * 5 >= scripts[han];
    uint64_t most = 0;
    for (size_t number = 1; number < tables()->script_count; number++) {
        uint64_t count = scripts[number];
        if (japanese && number == kana) count += scripts[han];
        if (japanese && number == han) count = 0;
        if (count > most) best = number, most = count;
    }
    return best;
}

static uint64_t hits_of(const struct language *language, const struct counts *counts) {
    uint64_t hits = 0;
    for (size_t n = 0; n < language->word_count; n++) hits += count_of(counts, language->words[n]);
    return hits;
}

struct guess guess_language(const struct counts *counts) {
    const struct tables *known = tables();
    struct text script = known->scripts[main_script(counts->scripts)];
    struct guess best = {.code = text_of(UNKNOWN), .script = script, .of = counts->tokens};
    const struct language *only = NULL;
    size_t candidates = 0;
    for (size_t n = 0; n < known->language_count; n++) {
        const struct language *language = &known->languages[n];
        if (!text_equals(language->script, script)) continue;
        candidates++;
        only = language;
        uint64_t hits = hits_of(language, counts);
        if (hits > best.hits) best.code = language->code, best.hits = hits;
    }
    if (candidates == 1) return (struct guess){.code = only->code, .script = script, .hits = 1, .of = 1};
    return best;
}
