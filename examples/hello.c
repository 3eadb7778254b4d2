/* The shortest use: one function, run in a process of its own. Prints "6 * 7 = 42". */
#include <reclaim/call.h>
#include <stdio.h>

static int multiply(pool_call_t *call)
{
    const int *factors = pool_call_arg(call, NULL);
    const int product = factors[0] * factors[1];
    return pool_call_return(call, &product, sizeof product);
}

int main(void)
{
    const int factors[] = {6, 7};
    pool_t *pool;
    pool_job_t *job;
    if (pool_open(&pool, NULL, NULL) < 0 || pool_submit(pool, multiply, factors, sizeof factors, NULL, &job) < 0)
        return fprintf(stderr, "%s\n", pool_message()), 1;
    pool_job_wait(job, -1);
    const int *product = pool_job_result(job)->data; /* NULL if the job failed or crashed: see crash.c */
    printf("6 * 7 = %d\n", product != NULL ? *product : -1);
    const int status = product != NULL && *product == 42 ? 0 : 1;
    pool_job_release(job);
    pool_free(pool);
    return status;
}
