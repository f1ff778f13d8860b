// Tests of the agent's logic, natively: `make test`.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "words.h"

static int failed;

static void check(bool good, const char *what) {
    if (!good) {
        failed++;
        fprintf(stderr, "FAILED: %s\n", what);
    }
}

static void counts(const char *text, size_t words) {
    check(count_words(text, strlen(text)) == words, text);
}

// Null: there is no such string.
static void reads(const char *json, const char *expected) {
    char *string;
    size_t length;
    bool found = json_string_member((struct text){json, strlen(json)}, "text", &string, &length);
    if (expected == NULL) {
        check(!found, json);
    } else {
        check(found && length == strlen(expected) && memcmp(string, expected, length) == 0, json);
    }
    free(string);
}

int main(void) {
    counts("", 0);
    counts("one", 1);
    counts(" one two\n\tthree ", 3);

    reads("{\"text\": \"one two\"}", "one two");
    reads(" { \"more\" : [ { \"text\" : \"x\" } , \"]\" ] , \"text\" : \"y\" } ", "y");
    reads("{\"text\": 1, \"text\": \"last\"}", "last");
    reads("{\"te\\u0078t\": \"\\\"\\n\\u00e9\\ud83d\\ude00\"}", "\"\n\xc3\xa9\xf0\x9f\x98\x80");
    reads("{\"text\": \"\\ud83d\"}", "\xef\xbf\xbd");
    reads("{\"text\": 1}", NULL);
    reads("{\"text\": \"not ended", NULL);
    reads("[\"text\"]", NULL);
    reads("{}", NULL);

    if (failed == 0) puts("all tests passed");
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
