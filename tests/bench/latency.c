/* A job that does nothing every 2 ms: from submit to the value in hand (early), and to settled.
 *
 *     latency [times] */
#include "pool_round.h"

int main(int argc, char **argv)
{
    const size_t count = round_number(argc, argv, 1, 1000);
    pool_t *pool = round_open(0);
    round_latency(pool, "early", true, count);
    round_latency(pool, "settled", false, count);
    pool_free(pool);
    return 0;
}
