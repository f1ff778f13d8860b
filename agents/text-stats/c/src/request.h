// What a task asks for.
#pragma once

#include "settings.h"

struct request {
    struct text text;
    uint64_t top;
    bool language;
};

bool request_read(struct text payload, const struct settings *settings, struct arena *arena,
                  struct request *request, struct error *error);
