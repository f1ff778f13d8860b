// One pass over a text: tokens, sentences, scripts.

#include "scan.h"

#include <string.h>

#include "tables.h"

enum {
    SHORT_WORD = 6, // longer words count as long (LIX)
    PROGRESS_CHARACTERS = 65536, // progress is reported each time so many are done
    FIRST_ROOM = 1024, // of the hash table; a power of two, as each after it
    APOSTROPHE = 0x27,
    QUOTE = 0x2019,
};

struct scanner {
    struct counts *counts;
    struct arena *arena;
    struct buffer token;
    uint64_t token_characters;
    bool open; // the sentence has a token
    int newlines; // since the last character that is no white space
};

// === Terms

static struct term *place_of(const struct counts *counts, struct text word) {
    uint32_t hash = 2166136261; // FNV-1a
    for (size_t n = 0; n < word.length; n++) hash = (hash ^ (unsigned char)word.at[n]) * 16777619;
    size_t mask = counts->term_room - 1, place = hash & mask;
    while (counts->terms[place].count > 0 && !text_equals(counts->terms[place].word, word))
        place = (place + 1) & mask;
    return &counts->terms[place];
}

static void make_room(struct counts *counts, size_t room, struct arena *arena) {
    struct counts before = *counts;
    counts->term_room = room;
    counts->terms = arena_take(arena, room * sizeof *counts->terms);
    memset(counts->terms, 0, room * sizeof *counts->terms);
    for (size_t n = 0; n < before.term_room; n++)
        if (before.terms[n].count > 0) *place_of(counts, before.terms[n].word) = before.terms[n];
}

static void count_term(struct scanner *scanner) {
    struct counts *counts = scanner->counts;
    struct term *term = place_of(counts, buffer_done(&scanner->token));
    if (term->count++ > 0) return;
    // A new term keeps its text; the token's buffer is used again.
    struct buffer kept = {.arena = scanner->arena};
    buffer_text(&kept, buffer_done(&scanner->token));
    term->word = buffer_done(&kept);
    if (++counts->term_count * 2 > counts->term_room) make_room(counts, counts->term_room * 2, scanner->arena);
}

uint64_t count_of(const struct counts *counts, struct text word) {
    return place_of(counts, word)->count;
}

// === Tokens and sentences

static void push(struct scanner *scanner, uint32_t character) {
    buffer_character(&scanner->token, character);
    scanner->token_characters++;
}

static void end_token(struct scanner *scanner) {
    if (scanner->token.length == 0) return;
    scanner->counts->tokens++;
    scanner->counts->word_characters += scanner->token_characters;
    scanner->counts->long_words += scanner->token_characters > SHORT_WORD;
    count_term(scanner);
    scanner->token.length = 0;
    scanner->token_characters = 0;
    scanner->open = true;
}

static void end_sentence(struct scanner *scanner) {
    scanner->counts->sentences += scanner->open;
    scanner->open = false;
}

static void take_word_character(struct scanner *scanner, uint32_t character, int script) {
    scanner->counts->scripts[script]++;
    scanner->newlines = 0;
    if (is_single(script)) end_token(scanner);
    push(scanner, lower(character));
    if (is_single(script)) end_token(scanner);
}

static void take_other(struct scanner *scanner, uint32_t character, int next_script) {
    if (character == APOSTROPHE || character == QUOTE) {
        scanner->newlines = 0;
        bool joins = scanner->token.length > 0 && next_script != NO_SCRIPT && !is_single(next_script);
        if (joins) push(scanner, APOSTROPHE);
        else end_token(scanner);
        return;
    }
    end_token(scanner);
    if (character == '\n') {
        if (++scanner->newlines == 2) end_sentence(scanner);
    } else if (character != ' ' && character != '\t' && character != '\r') {
        scanner->newlines = 0;
        bool inside = character == '.' && next_script != NO_SCRIPT; // 3.14
        if (is_stop(character) && !inside) end_sentence(scanner);
    }
}

static uint64_t characters_in(struct text text) {
    uint64_t characters = 0;
    for (size_t n = 0; n < text.length; n++) characters += ((unsigned char)text.at[n] & 0xc0) != 0x80;
    return characters;
}

bool scan(struct text text, size_t most, struct progress progress, struct arena *arena, struct counts *counts) {
    size_t scripts = tables()->script_count * sizeof *counts->scripts;
    *counts = (struct counts){.characters = characters_in(text), .scripts = arena_take(arena, scripts)};
    memset(counts->scripts, 0, scripts);
    make_room(counts, FIRST_ROOM, arena);
    struct scanner scanner = {.counts = counts, .arena = arena, .token = {.arena = arena}};

    const char *at = text.at, *end = text.at + text.length;
    for (uint64_t done = 0; at < end; done++) {
        if (done > 0 && done % PROGRESS_CHARACTERS == 0)
            progress.tell(progress.to, (double)done / (double)counts->characters);
        uint32_t character = next_character(&at);
        int script = script_of(character);
        if (script != NO_SCRIPT) {
            take_word_character(&scanner, character, script);
        } else {
            const char *after = at;
            take_other(&scanner, character, at < end ? script_of(next_character(&after)) : NO_SCRIPT);
        }
        if (counts->term_count > most) return false;
    }
    end_token(&scanner);
    end_sentence(&scanner);
    return counts->term_count <= most;
}

struct text fold(struct text word, struct arena *arena) {
    struct buffer folded = {.arena = arena};
    for (const char *at = word.at; at < word.at + word.length;) {
        uint32_t character = next_character(&at);
        buffer_character(&folded, character == QUOTE ? APOSTROPHE : lower(character));
    }
    return buffer_done(&folded);
}
