#include "words.h"

#include <ctype.h>
#include <stdbool.h>

size_t count_words(const char *text, size_t length) {
    size_t words = 0;
    bool inside = false;
    for (size_t n = 0; n < length; n++) {
        bool space = isspace((unsigned char)text[n]) != 0;
        if (!space && !inside) words++;
        inside = !space;
    }
    return words;
}
