// One task from payload to output.

#include "task.h"

#include "language.h"
#include "report.h"
#include "request.h"
#include "scan.h"

enum { RETRY_AFTER_MS = 100 };

// Share of the work that is over when the text is counted.
static const double COUNTED = 0.9;

// For an operator who wants to see what the host does with a failure that passes.
static bool refuse_while_busy(uint64_t attempt, const struct settings *settings, struct arena *arena,
                              struct error *error) {
    uint64_t busy = settings->busy_attempts;
    if (attempt > busy) return true;
    refuse(error, arena, UNAVAILABLE, "busy for the first %d attempts, this is attempt %d", busy, attempt);
    error->retry_after_ms = RETRY_AFTER_MS;
    return false;
}

static void tell_counting(void *to, double fraction) {
    const struct teller *teller = to;
    teller->progress(teller->to, fraction * COUNTED, "counting");
}

static void tell_number(const struct teller *teller, const char *name, uint64_t number, struct arena *arena) {
    struct buffer written = {.arena = arena};
    buffer_number(&written, number);
    teller->attribute(teller->to, name, buffer_done(&written));
}

bool execute(struct text payload, uint64_t attempt, const struct settings *settings, const struct teller *teller,
             struct arena *arena, struct text *output, struct error *error) {
    struct request request;
    if (!refuse_while_busy(attempt, settings, arena, error)) return false;
    if (!request_read(payload, settings, arena, &request, error)) return false;
    uint64_t bytes = request.text.length;
    tell_number(teller, "bytes", bytes, arena);

    struct counts counts;
    struct progress progress = {.tell = tell_counting, .to = (void *)teller};
    if (!scan(request.text, settings->max_distinct, progress, arena, &counts))
        return refuse(error, arena, FAILED, "the text has more than %d distinct tokens", settings->max_distinct);
    struct guess guess = {.code = text_of("none")};
    if (request.language) guess = guess_language(&counts);

    tell_number(teller, "tokens", counts.tokens, arena);
    teller->attribute(teller->to, "language", guess.code);
    teller->metric(teller->to, "text_stats_bytes", (double)bytes, NULL);
    teller->metric(teller->to, "text_stats_tokens", (double)counts.tokens, &guess.code);
    *output = report(&request, &counts, settings, request.language ? &guess : NULL, arena);
    teller->progress(teller->to, 1.0, "done");
    return true;
}
