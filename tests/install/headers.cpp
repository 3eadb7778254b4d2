// SPDX-License-Identifier: MIT
//
// The public headers in a C++17 program: built and run by tests/install/run.sh.
#include <cstdio>
#include <cstring>
#include <reclaim/call.h>
#include <reclaim/client.h>
#include <reclaim/map.h>
#include <reclaim/module.h>
#include <reclaim/msgpack.h>
#include <reclaim/pool.h>

static int answer(pool_call_t *call)
{
    return pool_call_return(call, "42", 2);
}

int main()
{
    pool_t *pool = nullptr;
    pool_options_t options = {};
    options.workers = 1;
    pool_error_t error = {};
    if (pool_open(&pool, &options, &error) < 0) {
        std::fprintf(stderr, "headers: %s\n", error.message);
        return 1;
    }
    pool_job_options_t job_options = {};
    job_options.name = "answer";
    pool_job_t *job = nullptr;
    if (pool_submit(pool, answer, nullptr, 0, &job_options, &job) < 0 || pool_job_wait(job, 30000) < 0) {
        std::fprintf(stderr, "headers: %s\n", pool_message());
        return 1;
    }
    const pool_result_t *result = pool_job_result(job);
    bool right = result->outcome == POOL_DONE && result->size == 2 && std::memcmp(result->data, "42", 2) == 0;
    if (!right)
        std::fprintf(stderr, "headers: %s\n", result->message);
    pool_job_release(job);
    pool_free(pool);
    return right ? 0 : 1;
}
