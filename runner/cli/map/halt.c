#include "halt.h"

#include "units.h"
#include "values.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define FAILURES_MOST 100

static const char *skip(const char *text, const char *word)
{
    const size_t size = strlen(word);
    return strncmp(text, word, size) == 0 ? text + size : NULL;
}

static int parse_amount(const char *text, struct halt *halt)
{
    int64_t number;
    if (values_is_percent(text))
        return values_parse_percent(text, 100, &halt->percent) < 0 ? -EINVAL : 0;
    if (units_parse_number(text, 1, INT64_MAX, &number) < 0)
        return -EINVAL;
    halt->count = (uint64_t)number;
    return 0;
}

int halt_parse(const char *text, struct halt *halt)
{
    static const char *const older[] = {"never", "soon,fail=1", "now,fail=1"};
    static const char *const whens[] = {[HALT_SOON] = "soon,", [HALT_NOW] = "now,"};
    static const char *const whats[] = {"fail=", "success=", "done="};
    *halt = (struct halt){0};
    if (text[0] >= '0' && text[0] <= '2' && text[1] == '\0')
        text = older[text[0] - '0'];
    if (strcmp(text, "never") == 0)
        return 0;
    for (unsigned when = HALT_SOON; when <= HALT_NOW; when++) {
        const char *what_text = skip(text, whens[when]);
        for (unsigned what = HALT_FAIL; what_text != NULL && what <= HALT_DONE; what++) {
            const char *amount = skip(what_text, whats[what]);
            if (amount == NULL)
                continue;
            halt->when = (enum halt_when)when;
            halt->what = (enum halt_what)what;
            return parse_amount(amount, halt);
        }
    }
    return -EINVAL;
}

bool halt_reached(const struct halt *halt, const struct halt_counts *counts, bool failed)
{
    uint64_t reached = counts->done;
    if (halt->when == HALT_NEVER || (halt->what == HALT_FAIL && !failed) || (halt->what == HALT_SUCCESS && failed))
        return false;
    if (halt->what == HALT_FAIL)
        reached = counts->failed;
    else if (halt->what == HALT_SUCCESS)
        reached = counts->done - counts->failed;
    if (halt->percent <= 0)
        return reached >= halt->count;
    return counts->total > 0 && (double)reached >= (double)counts->total * halt->percent / 100;
}

static int failed_percent(const struct halt_counts *counts)
{
    return counts->total > 0 ? (int)ceil((double)counts->failed / (double)counts->total * 100) : 0;
}

int halt_exit_code(const struct halt *halt, const struct halt_counts *counts, int job_code)
{
    if (halt->what == HALT_SUCCESS)
        return 0;
    if (halt->percent > 0)
        return failed_percent(counts);
    return halt->count == 1 ? job_code : halt_failures_code(counts->failed);
}

int halt_end_code(const struct halt *halt, const struct halt_counts *counts)
{
    if (halt->percent > 0 && halt->what != HALT_DONE)
        return failed_percent(counts);
    return halt_failures_code(counts->failed);
}

int halt_failures_code(uint64_t failed)
{
    return failed > FAILURES_MOST ? FAILURES_MOST + 1 : (int)failed;
}
