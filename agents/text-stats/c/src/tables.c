// What is known about characters and languages. The build writes the two files as bytes.

#include "tables.h"

#include <stdlib.h>

static const unsigned char UNICODE[] = {
#include "unicode.json.inc"
};
static const unsigned char PROFILES[] = {
#include "profiles.json.inc"
};

// A range of code points, and what holds of them: a script, or a step and the way to the lower case.
struct row {
    uint32_t first, last;
    int32_t values[2];
};

static struct json read_data(const unsigned char *bytes, size_t length, struct arena *arena) {
    struct json value;
    // The data is part of the program and the tests read it, so an error here is a bug.
    if (!json_parse((struct text){(const char *)bytes, length}, arena, &value)) abort();
    return value;
}

static struct text *read_texts(const struct json *array, size_t *count, struct arena *arena) {
    *count = json_length(array);
    struct text *texts = arena_take(arena, *count * sizeof *texts);
    size_t n = 0;
    for (const struct json *item = array->first; item != NULL; item = item->next) texts[n++] = item->string;
    return texts;
}

static struct rows read_rows(const struct json *array, struct arena *arena) {
    struct rows rows = {.count = json_length(array)};
    rows.at = arena_take(arena, rows.count * sizeof *rows.at);
    struct row *row = rows.at;
    for (const struct json *item = array->first; item != NULL; item = item->next, row++) {
        const struct json *column = item->first;
        row->first = (uint32_t)column->number;
        row->last = (uint32_t)column->next->number;
        column = column->next->next;
        for (int n = 0; column != NULL; n++, column = column->next) row->values[n] = (int32_t)column->number;
    }
    return rows;
}

static struct language read_language(const struct json *object, struct arena *arena) {
    struct language language = {
        .code = json_member(object, "code")->string,
        .script = json_member(object, "script")->string,
    };
    language.words = read_texts(json_member(object, "words"), &language.word_count, arena);
    return language;
}

static int script_named(const struct tables *tables, const char *name) {
    for (size_t n = 0; n < tables->script_count; n++)
        if (text_equals(tables->scripts[n], text_of(name))) return (int)n;
    abort();
}

static struct tables read_tables(void) {
    struct arena arena = {0}, scratch = {0};
    struct json unicode = read_data(UNICODE, sizeof UNICODE, &scratch);
    // Its strings are kept.
    struct json profiles = read_data(PROFILES, sizeof PROFILES, &arena);
    struct json scripts = *json_member(&unicode, "scripts");
    struct tables read = {
        .words = read_rows(json_member(&unicode, "words"), &arena),
        .stops = read_rows(json_member(&unicode, "stops"), &arena),
        .lower = read_rows(json_member(&unicode, "lower"), &arena),
    };
    read.scripts = read_texts(&scripts, &read.script_count, &arena);
    for (size_t n = 0; n < read.script_count; n++) {
        struct buffer kept = {.arena = &arena};
        buffer_text(&kept, read.scripts[n]);
        read.scripts[n] = buffer_done(&kept);
    }
    const struct json *languages = json_member(&profiles, "languages");
    read.language_count = json_length(languages);
    read.languages = arena_take(&arena, read.language_count * sizeof *read.languages);
    struct language *language = read.languages;
    for (const struct json *item = languages->first; item != NULL; item = item->next)
        *language++ = read_language(item, &arena);
    read.kana = script_named(&read, "Kana");
    read.han = script_named(&read, "Han");
    arena_free(&scratch);
    return read;
}

const struct tables *tables(void) {
    static struct tables kept;
    if (kept.script_count == 0) kept = read_tables();
    return &kept;
}

// The row whose range has a code point. Rows are in ascending order.
static const struct row *find(const struct rows *rows, uint32_t code) {
    size_t low = 0, high = rows->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (rows->at[middle].last < code) low = middle + 1;
        else high = middle;
    }
    return low < rows->count && rows->at[low].first <= code ? &rows->at[low] : NULL;
}

int script_of(uint32_t character) {
    const struct row *row = find(&tables()->words, character);
    return row != NULL ? row->values[0] : NO_SCRIPT;
}

bool is_single(int script) {
    return script == tables()->kana || script == tables()->han;
}

bool is_stop(uint32_t character) {
    return find(&tables()->stops, character) != NULL;
}

uint32_t lower(uint32_t character) {
    const struct row *row = find(&tables()->lower, character);
    if (row == NULL || (character - row->first) % (uint32_t)row->values[0] != 0) return character;
    return character + (uint32_t)row->values[1];
}
