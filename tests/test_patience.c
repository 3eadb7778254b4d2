/* How often a daemon that is gone is looked for. */
#include "patience.h"

#include "support.h"

#include <errno.h>

static void test_patience_pauses(void **state)
{
    int64_t all = 0;
    unsigned tries = 0;
    (void)state;
    assert_int_equal(patience_pause_ms(0), 0); /* it may be back already */
    assert_int_equal(patience_pause_ms(1), 50);
    while (all < PATIENCE_MS) {
        const int64_t before = tries > 0 ? patience_pause_ms(tries - 1) : 0, pause = patience_pause_ms(tries);
        assert_in_range(pause, before, 1000);
        all += pause;
        tries++;
    }
    assert_in_range(tries, 60, 70); /* it is soon seen, and nothing spins */
    assert_int_equal(patience_pause_ms(UINT32_MAX), 1000);
}

static void test_patience_knows_a_lost_connection(void **state)
{
    (void)state;
    assert_true(patience_is_lost(-EPIPE));
    assert_true(patience_is_lost(-ECONNRESET));
    assert_false(patience_is_lost(0));
    assert_false(patience_is_lost(-ENOENT)); /* an answer */
    assert_false(patience_is_lost(-EBADMSG));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patience_pauses),
        cmocka_unit_test(test_patience_knows_a_lost_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
