/* Who may come to the events, and how often (bankd/door.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdint.h>
#include <stdio.h>

#include "bankd/door.h"
#include "common/clock.h"
#include "common/limits.h"

static const int64_t start_us = 1000 * US_PER_SECOND;

static int admitted(struct door *door, const char *address, int tries, int64_t now_us)
{
    int count = 0;

    for (int i = 0; i < tries; i++)
        count += door_admit(door, slice_from(address), now_us);
    return count;
}

static void test_an_address_has_its_measure(void **state)
{
    struct door *door;

    (void)state;
    assert_int_equal(door_open(&door), ERR_none);
    assert_int_equal(admitted(door, "10.0.0.1", 1000, start_us), LIMIT_VISITS_AT_ONCE);
    assert_int_equal(admitted(door, "10.0.0.2", 1000, start_us), LIMIT_VISITS_AT_ONCE);
    assert_int_equal(admitted(door, "10.0.0.1", 1000, start_us + US_PER_SECOND),
                     LIMIT_VISITS_PER_SECOND);
    assert_int_equal(admitted(door, "10.0.0.1", 1000, start_us + 1000 * US_PER_SECOND),
                     LIMIT_VISITS_AT_ONCE);
    door_close(&door);
    assert_null(door);
}

static void test_all_together_have_a_measure(void **state)
{
    struct door *door;
    char         address[32];
    int          count = 0;

    (void)state;
    assert_int_equal(door_open(&door), ERR_none);
    for (int i = 0; i < 4 * LIMIT_VISITS_ALL_AT_ONCE; i++) {
        snprintf(address, sizeof address, "10.1.%d.%d", i / 250, i % 250);
        count += admitted(door, address, 1, start_us);
    }
    assert_int_equal(count, LIMIT_VISITS_ALL_AT_ONCE);
    door_close(&door);
}

static void test_offences_keep_an_address_away_for_a_while(void **state)
{
    struct door *door;
    int64_t      away_us = LIMIT_OFFENCE_SECONDS_MAX * US_PER_SECOND;

    (void)state;
    assert_int_equal(door_open(&door), ERR_none);
    door_blame(door, slice_from("10.0.0.1"), start_us);
    assert_int_equal(admitted(door, "10.0.0.1", 1000, start_us),
                     LIMIT_VISITS_AT_ONCE - LIMIT_OFFENCE_VISITS);
    for (int i = 0; i < 1000; i++)
        door_blame(door, slice_from("10.0.0.1"), start_us);
    assert_int_equal(admitted(door, "10.0.0.1", 10, start_us + away_us), 0);
    assert_int_equal(admitted(door, "10.0.0.1", 10, start_us + away_us + US_PER_SECOND), 10);
    door_close(&door);
}

/* On the machine a user, whatever processes he starts; of IPv6 the network. */
static void test_what_one_owner_has_is_one_address(void **state)
{
    static const char *const same[][2] = {
        { "localhost:1000:1000:17", "localhost:1000:1000:18" },
        { "2001:db8:1:2::1", "2001:db8:1:2:ffff::7" },
    };
    static const char *const others[] = { "localhost:1001:1000:17", "2001:db8:1:3::1",
                                          "::ffff:10.0.0.1", "::ffff:10.0.0.2", "" };
    struct door             *door;

    (void)state;
    assert_int_equal(door_open(&door), ERR_none);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(admitted(door, same[i][0], 1000, start_us), LIMIT_VISITS_AT_ONCE);
        assert_int_equal(admitted(door, same[i][1], 1000, start_us), 0);
    }
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(admitted(door, others[i], 1000, start_us), LIMIT_VISITS_AT_ONCE);
    door_close(&door);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_address_has_its_measure),
        cmocka_unit_test(test_all_together_have_a_measure),
        cmocka_unit_test(test_offences_keep_an_address_away_for_a_while),
        cmocka_unit_test(test_what_one_owner_has_is_one_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
