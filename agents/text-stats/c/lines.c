// Runs tasks outside a host: JSON lines `{"parameters": {…}, "payload": "…", "attempt": 1}` in, a
// line each out. Parameters are JSON text, as in the contract. `../compare.py` holds the
// implementations against each other with it.
//
// With `--cases` it reads `../cases.json` instead, and tells which do not give what they should.

#include <stdio.h>
#include <string.h>

#include "src/json.h"
#include "src/task.h"

static void no_progress(void *to, double fraction, const char *message) {
    (void)to, (void)fraction, (void)message;
}
static void no_attribute(void *to, const char *name, struct text value) {
    (void)to, (void)name, (void)value;
}
static void no_metric(void *to, const char *name, double value, const struct text *language) {
    (void)to, (void)name, (void)value, (void)language;
}

static struct text read_all(FILE *file, struct arena *arena) {
    struct buffer all = {.arena = arena};
    char part[65536];
    for (size_t length; (length = fread(part, 1, sizeof part, file)) > 0;) buffer_add(&all, part, length);
    return buffer_done(&all);
}

// The output, or the error's case and message.
static struct text answer(const struct json *line, struct arena *arena) {
    static const char *const cases[] = {"invalid-input: ", "unavailable: ", "failed: "};
    static const struct teller silent = {no_progress, no_attribute, no_metric, NULL};
    const struct json *given = json_member(line, "parameters"), *attempt = json_member(line, "attempt");
    size_t count = given != NULL ? json_length(given) : 0;
    struct parameter *parameters = arena_take(arena, count * sizeof *parameters);
    const struct json *member = given != NULL ? given->first : NULL;
    for (size_t n = 0; n < count; n++, member = member->next)
        parameters[n] = (struct parameter){member->name, member->string};
    struct settings settings;
    struct text output;
    struct error error;
    bool good = settings_read(parameters, count, arena, &settings, &error) &&
                execute(json_member(line, "payload")->string, attempt != NULL ? (uint64_t)attempt->number : 1,
                        &settings, &silent, arena, &output, &error);
    if (good) return output;
    struct buffer words = {.arena = arena};
    buffer_words(&words, cases[error.kind]);
    buffer_text(&words, error.message);
    return buffer_done(&words);
}

static void show(struct text text) {
    fwrite(text.at, 1, text.length, stdout);
    putchar('\n');
}

static int check_cases(struct text file, struct arena *arena) {
    struct json cases;
    if (!json_parse(file, arena, &cases)) return puts("the cases are no JSON"), 1;
    int passed = 0, failed = 0;
    for (const struct json *line = cases.first; line != NULL; line = line->next) {
        struct text found = answer(line, arena), expected = json_member(line, "expect")->string;
        if (text_equals(found, expected)) {
            passed++;
            continue;
        }
        failed++;
        show(json_member(line, "about")->string);
        show(found);
        show(expected);
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0;
}

int main(int count, char **arguments) {
    struct arena memory = {0};
    struct text all = read_all(stdin, &memory);
    if (count > 1 && strcmp(arguments[1], "--cases") == 0) return check_cases(all, &memory);

    const char *end = all.at + all.length;
    for (const char *at = all.at; at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline != NULL ? newline : end;
        struct arena scratch = {0};
        struct json line;
        if (!json_parse((struct text){at, (size_t)(stop - at)}, &scratch, &line)) return puts("no JSON"), 1;
        show(answer(&line, &scratch));
        arena_free(&scratch);
        at = stop + 1;
    }
    arena_free(&memory);
    return 0;
}
