/* Admission on whole traces, in simulated time: 200 jobs of eight names, nothing said about what they need, in a budget
 * of 2 GiB with eight workers, beside an oracle, which is the same dispatcher told what each job needs. */
#include "admission.h"
#include "trace.h"

#include "support.h"

#include <stdlib.h>

#define JOBS      200
#define WORKERS   8
#define BUDGET    (2048 * TRACE_MIB)
#define SAMPLE_MS 20 /* a running job's use is looked at so often, and told when it has grown by an eighth */
#define FOREVER   (INT64_C(3600) * 1000)

struct sim_job {
    const struct trace_job *trace;
    struct admission_ticket ticket;
    bool done;
};

struct sim {
    struct admission admission;
    struct sim_job jobs[JOBS];
    size_t first, running, done; /* first: the first that has not started */
    int64_t now;
    uint64_t peak;                        /* of the sum of what is really used */
    uint64_t expected_peak;               /* of the sum of what is reserved when one starts */
    size_t started, started_before[JOBS]; /* how many had started before each */
};

static uint64_t use_of(const struct sim_job *job, int64_t now)
{
    const int64_t age = now - job->ticket.started;
    return age >= job->trace->grow_ms ? job->trace->need
                                      : job->trace->need * (uint64_t)age / (uint64_t)job->trace->grow_ms;
}

/* Starts one if any may. */
static bool start_one(struct sim *sim)
{
    struct admission_scan scan;
    size_t looked = 0;
    admission_scan(&sim->admission, sim->now, &scan);
    for (size_t i = sim->first; i < JOBS; i++) {
        struct sim_job *job = &sim->jobs[i];
        if (job->done || job->ticket.is_running)
            continue;
        assert_true(++looked <= ADMISSION_LOOKAHEAD);
        switch (admission_try(&scan, &job->ticket)) {
        case ADMISSION_START:
            sim->running++;
            sim->started_before[i] = sim->started++;
            while (sim->first < JOBS && (sim->jobs[sim->first].done || sim->jobs[sim->first].ticket.is_running))
                sim->first++;
            if (admission_reserved(&sim->admission) > sim->expected_peak)
                sim->expected_peak = admission_reserved(&sim->admission);
            return true;
        case ADMISSION_PASS:
            break;
        case ADMISSION_STOP:
            return false;
        }
    }
    return false;
}

/* A millisecond of all that run. */
static void run_all(struct sim *sim)
{
    uint64_t sum = 0;
    struct admission_ticket *ticket, *next;
    for (ticket = TAILQ_FIRST(&sim->admission.running); ticket != NULL; ticket = next) {
        struct sim_job *job = (struct sim_job *)(void *)((char *)ticket - offsetof(struct sim_job, ticket));
        next = TAILQ_NEXT(ticket, running);
        const int64_t age = sim->now - job->ticket.started;
        const uint64_t use = use_of(job, sim->now);
        sum += use;
        if (age % SAMPLE_MS == SAMPLE_MS - 1 && use > job->ticket.most + job->ticket.most / 8)
            admission_used(&sim->admission, &job->ticket, use, sim->now);
        if (age < job->trace->grow_ms + job->trace->hold_ms)
            continue;
        admission_end(&sim->admission, &job->ticket, job->trace->need, true, sim->now);
        job->done = true;
        sim->running--;
        sim->done++;
    }
    if (sum > sim->peak)
        sim->peak = sum;
}

/* Runs the trace to its end. oracle: every need is known. */
static struct sim *run(const struct trace_job *trace, bool oracle)
{
    const struct admission_rules rules = {.budget = BUDGET, .budget_is_given = true, .workers = WORKERS};
    struct sim *sim = calloc(1, sizeof *sim);
    assert_non_null(sim);
    admission_init(&sim->admission, &rules);
    for (size_t i = 0; i < JOBS; i++)
        sim->jobs[i] = (struct sim_job){
            .trace = &trace[i],
            .ticket = {.name = trace[i].name, .said = oracle ? (int64_t)trace[i].need : 0},
        };
    for (sim->now = 1; sim->done < JOBS && sim->now < FOREVER; sim->now++) {
        while (sim->running < WORKERS && start_one(sim))
            ;
        run_all(sim);
    }
    assert_int_equal(sim->done, JOBS);
    assert_true(admission_reserved(&sim->admission) == 0);
    return sim;
}

static void end(struct sim *sim)
{
    admission_deinit(&sim->admission);
    free(sim);
}

struct figures {
    double mean, worst; /* time, as a multiple of the oracle's */
    double peak;        /* of real use, as a part of the budget */
};

/* Traces of seeds 1 to count. */
static struct figures measure(uint32_t count, double mib_ms)
{
    static struct trace_job trace[JOBS];
    struct figures figures = {0};
    for (uint32_t seed = 1; seed <= count; seed++) {
        trace_make(trace, JOBS, seed, mib_ms);
        struct sim *oracle = run(trace, true), *sim = run(trace, false);
        const double ratio = (double)sim->now / (double)oracle->now, peak = (double)sim->peak / (double)BUDGET;
        assert_true(oracle->peak <= BUDGET);
        assert_true(sim->expected_peak <= BUDGET);
        if (ratio > 1.35 || peak > 1.10)
            fail_msg("seed %u: %.3f times the oracle's time, peak %.3f of the budget", seed, ratio, peak);
        figures.mean += ratio / count;
        figures.worst = ratio > figures.worst ? ratio : figures.worst;
        figures.peak = peak > figures.peak ? peak : figures.peak;
        end(oracle);
        end(sim);
    }
    print_message("%g MiB/ms: %.3f times the oracle's time, at worst %.3f; peak %.3f of the budget\n", mib_ms,
                  figures.mean, figures.worst, figures.peak);
    return figures;
}

/* The promise: use never above the budget and 5 %, no more than 1.3 times the oracle's time, on each of the traces. The
 * machine's OOM killer is not in sight: what is used above the budget would have to be a fifth of it, with the default
 * of 80 % of the machine. Measured on 100 seeds: 1.217 times on average, 1.284 at worst; peak 1.010. */
static void test_trace_stays_in_the_budget_and_near_the_oracle(void **state)
{
    (void)state;
    const struct figures figures = measure(SUPPORT_SANITIZED ? 10 : 50, 1.0);
    assert_true(figures.peak <= 1.05);
    assert_true(figures.worst <= 1.3);
}

/* Jobs that come to their highest use sooner or later: the same on average. Of 400 traces the worst had 1.32 and 1.06.
 */
static void test_trace_of_slow_and_fast_growers(void **state)
{
    (void)state;
    static const double speeds[] = {0.5, 1.6, 2.5, 4.0};
    for (size_t i = 0; i < sizeof speeds / sizeof speeds[0]; i++)
        assert_true(measure(SUPPORT_SANITIZED ? 3 : 10, speeds[i]).mean <= 1.3);
}

/* The largest are not put off to the end: in a stream of small ones each starts within a bounded number of starts. */
static void test_trace_large_jobs_are_not_starved(void **state)
{
    (void)state;
    static struct trace_job trace[JOBS];
    for (size_t i = 0; i < JOBS; i++)
        trace[i] = i == 10 ? (struct trace_job){"large", 1900 * TRACE_MIB, 100, 100}
                           : (struct trace_job){"small", 300 * TRACE_MIB, 50, 50 + (int64_t)(i * 7 % 40)};
    for (int oracle = 0; oracle < 2; oracle++) {
        struct sim *sim = run(trace, oracle != 0);
        assert_true(sim->started_before[10] <= 10 + WORKERS + ADMISSION_PASSES_PER_WORKER * WORKERS);
        end(sim);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_trace_stays_in_the_budget_and_near_the_oracle),
        SUPPORT_TEST(test_trace_of_slow_and_fast_growers),
        SUPPORT_TEST(test_trace_large_jobs_are_not_starved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
