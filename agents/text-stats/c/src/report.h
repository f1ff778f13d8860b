// From counts to the output: figures as decimals, terms in order, JSON with a fixed order of keys.
#pragma once

#include "language.h"
#include "request.h"

// The output of a task; `guess` is NULL where none was asked for.
struct text report(const struct request *request, struct counts *counts, const struct settings *settings,
                   const struct guess *guess, struct arena *arena);
