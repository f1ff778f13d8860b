// One task from payload to output, apart from the host: telemetry goes to a `teller`.
#pragma once

#include "settings.h"

// Takes the telemetry of a task. A metric's `language` may be NULL.
struct teller {
    void (*progress)(void *to, double fraction, const char *message);
    void (*attribute)(void *to, const char *name, struct text value);
    void (*metric)(void *to, const char *name, double value, const struct text *language);
    void *to;
};

bool execute(struct text payload, uint64_t attempt, const struct settings *settings, const struct teller *teller,
             struct arena *arena, struct text *output, struct error *error);
