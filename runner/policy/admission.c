#include "admission.h"

#include "amount.h"

#include <string.h>

#define RECENT_MIN 2 /* unknown jobs at a time, when none has shown what it uses */

void admission_init(struct admission *admission, const struct admission_rules *rules)
{
    *admission = (struct admission){.rules = *rules, .available = UINT64_MAX};
    learned_init(&admission->learned, LEARNED_NAMES_MAX);
    TAILQ_INIT(&admission->running);
    TAILQ_INIT(&admission->recent);
}

void admission_deinit(struct admission *admission)
{
    learned_deinit(&admission->learned);
}

bool admission_is_on(const struct admission *admission)
{
    return admission->rules.budget > 0 || admission->rules.floor > 0;
}

bool admission_is_held(const struct admission *admission)
{
    return admission_is_on(admission) && (admission->pressure || admission->available < admission->rules.floor);
}

uint64_t admission_cap(const struct admission *admission)
{
    const struct admission_rules *rules = &admission->rules;
    return rules->budget > 0 ? rules->budget : rules->total > 0 ? rules->total : UINT64_MAX;
}

/* ---- what one is expected to need -------------------------------------------------------------------------------- */

/* Within what the job has shown, its limit and the budget. */
static uint64_t bounded(const struct admission *admission, const struct admission_ticket *ticket, uint64_t bytes)
{
    bytes = amount_larger(bytes, ticket->least);
    if (ticket->limit > 0)
        bytes = amount_smaller(bytes, ticket->limit);
    return amount_smaller(bytes, admission_cap(admission));
}

/* The same for both parts of a guess. used: it has used this much already. */
static struct learned_guess bounded_guess(const struct admission *admission, const struct admission_ticket *ticket,
                                          const struct learned_guess *guess, uint64_t used)
{
    const uint64_t whole = amount_larger(bounded(admission, ticket, guess->center + guess->spread), used);
    const uint64_t center = amount_smaller(amount_larger(guess->center, amount_larger(ticket->least, used)), whole);
    return (struct learned_guess){.center = center, .spread = whole - center};
}

/* What an unknown job keeps reserved after it was recent. */
static uint64_t fair_share(const struct admission *admission)
{
    const uint64_t cap = admission_cap(admission);
    const uint64_t share = cap < UINT64_MAX ? cap / admission->rules.workers : 0;
    const uint64_t newcomer = admission->rules.budget_is_given ? learned_expect_newcomer(&admission->learned) : 0;
    return newcomer > 0 ? amount_smaller(share, newcomer) : share;
}

/* What an unknown job is taken for at first. */
static uint64_t first_share(const struct admission *admission)
{
    const uint64_t share = fair_share(admission);
    if (!admission->rules.budget_is_given)
        return share;
    const uint64_t newcomer = learned_expect_newcomer(&admission->learned);
    const uint64_t shown = admission->unknown_count - admission->recent_count;
    const uint64_t others = amount_less(admission_reserved(admission), admission->recent_reserved);
    const uint64_t left = amount_less(admission->rules.budget, others);
    const uint64_t part = amount_smaller(left, admission->rules.budget / amount_larger(RECENT_MIN, shown));
    return amount_larger(share, newcomer > 0 ? amount_smaller(part, newcomer) : part);
}

static struct learned_guess expect(const struct admission *admission, const struct admission_ticket *ticket,
                                   enum admission_basis *basis)
{
    struct learned_guess guess = {.center = ticket->said > 0 ? (uint64_t)ticket->said : 0};
    *basis = ADMISSION_KNOWN;
    if (ticket->said == 0 && !learned_expect(&admission->learned, ticket->name, &guess)) {
        *basis = admission->rules.budget_is_given && ticket->limit > 0 ? ADMISSION_LIMIT : ADMISSION_UNKNOWN;
        guess.center = *basis == ADMISSION_LIMIT ? ticket->limit : first_share(admission);
    }
    return bounded_guess(admission, ticket, &guess, 0);
}

/* ---- the sums ---------------------------------------------------------------------------------------------------- */

/* Rounded down. */
static uint64_t root(uint64_t square)
{
    uint64_t high = UINT64_C(1) << 32, low = 0;
    if (square == 0)
        return 0;
    while (high - low > 1) {
        const uint64_t middle = (low + high) / 2;
        if (middle * middle <= square)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static uint64_t square_of(uint64_t spread)
{
    const uint64_t units = spread / ADMISSION_SPREAD_UNIT;
    return units * units;
}

static uint64_t together(uint64_t sure, uint64_t squares)
{
    return sure + root(squares) * ADMISSION_SPREAD_UNIT;
}

uint64_t admission_reserved(const struct admission *admission)
{
    return together(admission->sure, admission->squares);
}

static bool is_unknown(const struct admission_ticket *ticket)
{
    return ticket->basis == ADMISSION_UNKNOWN;
}

/* Adds a ticket that runs to the sums, or takes it out: times is 1 or -1. They are exact: unsigned numbers wrap. */
static void add(struct admission *admission, const struct admission_ticket *ticket, uint64_t times)
{
    const uint64_t unused = times * amount_less(ticket->reserved, ticket->most);
    admission->sure += times * (ticket->reserved - ticket->spread);
    admission->squares += times * square_of(ticket->spread);
    if (is_unknown(ticket))
        admission->unused_unknown += unused;
    else
        admission->unused_known += unused;
    if (ticket->is_recent)
        admission->recent_reserved += times * ticket->reserved;
    admission->unknown_count += times * is_unknown(ticket);
    admission->recent_count += times * ticket->is_recent;
    admission->leaving_count += times * ticket->is_leaving;
    admission->evictable_count += times * ticket->is_evictable;
}

/* Around every change to a ticket that runs. */
static void uncount(struct admission *admission, const struct admission_ticket *ticket)
{
    add(admission, ticket, UINT64_MAX);
}

static void count(struct admission *admission, const struct admission_ticket *ticket)
{
    add(admission, ticket, 1);
}

static void leave_recent(struct admission *admission, struct admission_ticket *ticket)
{
    if (ticket->is_recent)
        TAILQ_REMOVE(&admission->recent, ticket, recent);
    ticket->is_recent = false;
}

/* What an unknown job keeps that has shown its use: it may not have reached its highest yet. */
static uint64_t kept_share(const struct admission *admission, const struct admission_ticket *ticket)
{
    const uint64_t likely = admission->rules.budget_is_given ? ticket->most + ticket->most / 2 : ticket->most;
    return amount_larger(amount_larger(ticket->share, bounded(admission, ticket, likely)), ticket->most);
}

/* Jobs that have been recent for long enough have shown what they use. */
static void ripen(struct admission *admission, int64_t now)
{
    for (struct admission_ticket *ticket; (ticket = TAILQ_FIRST(&admission->recent)) != NULL;) {
        if (now - ticket->grown_at < ADMISSION_RECENT_MS)
            return;
        uncount(admission, ticket);
        leave_recent(admission, ticket);
        ticket->reserved = kept_share(admission, ticket);
        count(admission, ticket);
    }
}

/* ---- starting ---------------------------------------------------------------------------------------------------- */

/* Nothing that runs was expected to use memory. */
static bool is_alone(const struct admission *admission)
{
    return admission->sure == 0 && admission->squares == 0;
}

static bool fits_budget(const struct admission *admission, const struct learned_guess *guess)
{
    const uint64_t budget = admission->rules.budget;
    if (budget == 0 || guess->center + guess->spread == 0 || is_alone(admission))
        return true;
    return together(admission->sure + guess->center, admission->squares + square_of(guess->spread)) <= budget;
}

static bool fits_machine(const struct admission *admission, const struct admission_ticket *ticket, uint64_t bytes,
                         enum admission_basis basis, int64_t now)
{
    const struct admission_rules *rules = &admission->rules;
    if (rules->floor == 0 || admission->available == UINT64_MAX || bytes == 0)
        return true;
    if (is_alone(admission) && now >= ticket->alone_at)
        return true;
    const uint64_t spare = amount_less(admission->available, rules->floor);
    const uint64_t share = spare / rules->workers;
    const uint64_t growth =
        admission->unused_known + amount_smaller(admission->unused_unknown, share * admission->unknown_count);
    if (basis == ADMISSION_UNKNOWN)
        bytes = amount_larger(amount_smaller(bytes, share), amount_smaller(bytes, ticket->least));
    return bytes <= amount_less(spare, growth);
}

static void start(struct admission *admission, struct admission_ticket *ticket, const struct learned_guess *guess,
                  enum admission_basis basis, int64_t now)
{
    ticket->is_running = true;
    ticket->basis = basis;
    ticket->is_recent = is_unknown(ticket) && admission->rules.budget_is_given;
    ticket->is_leaving = false;
    ticket->is_evictable = ticket->rerunnable;
    ticket->reserved = guess->center + guess->spread;
    ticket->spread = guess->spread;
    ticket->share = amount_smaller(ticket->reserved, bounded(admission, ticket, fair_share(admission)));
    ticket->most = 0;
    ticket->started = ticket->grown_at = now;
    TAILQ_INSERT_TAIL(&admission->running, ticket, running);
    if (ticket->is_recent)
        TAILQ_INSERT_TAIL(&admission->recent, ticket, recent);
    count(admission, ticket);
}

void admission_scan(struct admission *admission, int64_t now, struct admission_scan *scan)
{
    ripen(admission, now);
    scan->admission = admission;
    scan->now = now;
    scan->only_looks = false;
    scan->count = 0;
}

/* It has been passed often enough, or for long enough. */
static bool is_due(const struct admission *admission, const struct admission_ticket *ticket, int64_t now)
{
    return ticket->passed >= ADMISSION_PASSES_PER_WORKER * admission->rules.workers ||
           now - ticket->held_since >= ADMISSION_PASSES_MS;
}

enum admission_answer admission_try(struct admission_scan *scan, struct admission_ticket *ticket)
{
    struct admission *admission = scan->admission;
    enum admission_basis basis;
    if (admission_is_held(admission))
        return ADMISSION_STOP;
    const struct learned_guess guess = expect(admission, ticket, &basis);
    if (fits_budget(admission, &guess) &&
        fits_machine(admission, ticket, guess.center + guess.spread, basis, scan->now)) {
        if (scan->only_looks)
            return ADMISSION_START;
        for (size_t i = 0; i < scan->count; i++)
            scan->passed[i]->passed++;
        ticket->held_since = 0;
        ticket->passed = 0;
        start(admission, ticket, &guess, basis, scan->now);
        return ADMISSION_START;
    }
    if (ticket->held_since == 0)
        ticket->held_since = scan->now;
    if (scan->count + 1 >= ADMISSION_LOOKAHEAD || is_due(admission, ticket, scan->now))
        return ADMISSION_STOP;
    scan->passed[scan->count++] = ticket;
    return ADMISSION_PASS;
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

void admission_give_back(struct admission *admission, struct admission_ticket *ticket)
{
    if (!ticket->is_running)
        return;
    uncount(admission, ticket);
    leave_recent(admission, ticket);
    TAILQ_REMOVE(&admission->running, ticket, running);
    ticket->is_running = ticket->is_leaving = ticket->is_evictable = false;
    ticket->reserved = ticket->spread = 0;
}

static void put_recent_last(struct admission *admission, struct admission_ticket *ticket, int64_t now)
{
    ticket->grown_at = now;
    if (!ticket->is_recent)
        return;
    TAILQ_REMOVE(&admission->recent, ticket, recent);
    TAILQ_INSERT_TAIL(&admission->recent, ticket, recent);
}

void admission_begin(struct admission *admission, struct admission_ticket *ticket, bool rerunnable, int64_t now)
{
    uncount(admission, ticket);
    ticket->rerunnable = ticket->is_evictable = rerunnable;
    count(admission, ticket);
    put_recent_last(admission, ticket, now);
}

void admission_used(struct admission *admission, struct admission_ticket *ticket, uint64_t bytes, int64_t now)
{
    if (!ticket->is_running || bytes <= ticket->most)
        return;
    if (admission->available != UINT64_MAX) /* it was seen before this had grown */
        admission->available = amount_less(admission->available, bytes - ticket->most);
    uncount(admission, ticket);
    ticket->most = bytes;
    put_recent_last(admission, ticket, now);
    const uint64_t sure = amount_larger(ticket->reserved - ticket->spread, bytes);
    ticket->reserved = amount_larger(ticket->reserved, bytes);
    ticket->spread = ticket->reserved - sure;
    if (is_unknown(ticket))
        ticket->reserved = amount_larger(ticket->reserved, kept_share(admission, ticket));
    count(admission, ticket);
}

/* Applies what was learned of a name to its running jobs, too. Lowers no reservation that rests on something known. */
static void teach(struct admission *admission, const char *name, const struct learned_guess *learned)
{
    struct admission_ticket *ticket;
    TAILQ_FOREACH(ticket, &admission->running, running) {
        if (ticket->said != 0 || strcmp(ticket->name, name) != 0)
            continue;
        const struct learned_guess guess = bounded_guess(admission, ticket, learned, ticket->most);
        if (ticket->basis == ADMISSION_KNOWN && guess.center + guess.spread <= ticket->reserved)
            continue;
        uncount(admission, ticket);
        leave_recent(admission, ticket);
        ticket->basis = ADMISSION_KNOWN;
        ticket->reserved = guess.center + guess.spread;
        ticket->spread = guess.spread;
        count(admission, ticket);
    }
}

static bool is_higher(const struct learned_guess *before, const struct learned_guess *after)
{
    const uint64_t was = before->center + before->spread;
    return after->center + after->spread > was + was / 8;
}

void admission_end(struct admission *admission, struct admission_ticket *ticket, uint64_t peak, bool learn, int64_t now)
{
    struct learned_guess before = {0}, after;
    if (ticket->is_leaving)
        admission->settled_at = now + ADMISSION_SETTLE_MS;
    admission_give_back(admission, ticket);
    if (!learn || !admission_is_on(admission))
        return;
    learned_expect(&admission->learned, ticket->name, &before);
    if (learned_note(&admission->learned, ticket->name, peak) &&
        learned_expect(&admission->learned, ticket->name, &after) && is_higher(&before, &after))
        teach(admission, ticket->name, &after);
}

/* ---- below the floor --------------------------------------------------------------------------------------------- */

struct admission_ticket *admission_victim(struct admission *admission, int64_t now)
{
    struct admission_ticket *ticket;
    if (admission->available >= admission->rules.floor || admission->leaving_count > 0 || now < admission->settled_at)
        return NULL;
    TAILQ_FOREACH_REVERSE(ticket, &admission->running, admission_tickets, running) {
        if (ticket->is_evictable)
            return ticket;
    }
    return NULL;
}

void admission_spare(struct admission *admission, struct admission_ticket *ticket)
{
    uncount(admission, ticket);
    ticket->is_evictable = false;
    count(admission, ticket);
}

void admission_evict(struct admission *admission, struct admission_ticket *ticket, int64_t now)
{
    uncount(admission, ticket);
    ticket->is_leaving = true;
    ticket->is_evictable = false;
    count(admission, ticket);
    ticket->evictions++;
    ticket->least = amount_larger(ticket->least, ticket->most);
    ticket->alone_at = now + (int64_t)ADMISSION_ALONE_MS * ticket->evictions;
}

bool admission_is_watching(const struct admission *admission)
{
    return admission->rules.floor > 0 && admission->evictable_count > 0;
}

int64_t admission_look_at(const struct admission *admission, int64_t now)
{
    const struct admission_ticket *recent = TAILQ_FIRST(&admission->recent);
    const int64_t next = now + ADMISSION_LOOK_MS;
    return recent != NULL && recent->grown_at + ADMISSION_RECENT_MS < next ? recent->grown_at + ADMISSION_RECENT_MS
                                                                           : next;
}
