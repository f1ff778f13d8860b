// What the agent does, without a word about the contract.

#ifndef WORDS_H
#define WORDS_H

#include <stddef.h>

// How many words a text has: stretches without white space of ASCII.
size_t count_words(const char *text, size_t length);

#endif
