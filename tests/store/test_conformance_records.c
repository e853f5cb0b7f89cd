/* What every store must do with records: each is read back as it was written, found by its id,
 * its number and what it belongs to, newest first or by when it is due; and one that was changed
 * meanwhile is not overwritten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/check.h"
#include "tests/lib/world.h"
#include "tests/store/each.h"

enum { SEEN_MAX = 16 };

struct seen {
    size_t  count;
    size_t  stop_at; /* rows; 0 = never */
    int64_t numbers[SEEN_MAX];
};

static bool see(void *context, const void *row)
{
    struct seen         *seen = context;
    const struct record *record = row;

    CHECK(seen->count < SEEN_MAX);
    seen->numbers[seen->count++] = record->number;
    return seen->count != seen->stop_at;
}

static struct record make(struct world *world, int64_t number, int32_t kind, int64_t about)
{
    struct record record = { .number = number,
                             .kind = kind,
                             .state = 1,
                             .id = world_id(world),
                             .about = about,
                             .version = 1,
                             .created_at_us = WORLD_BEGIN_US,
                             .created_by = 4,
                             .body_size = 3,
                             .body = { 0x81, 0x00, 0xff } };

    return record;
}

static void plan_record(struct world *world, const struct record *record)
{
    struct plan *plan = world_audit(world, "screening.add");

    plan->change.records[plan->change.record_count++] = record;
}

static enum err try_record(struct world *world, const struct record *record)
{
    size_t failed = 99;

    plan_record(world, record);
    return world_try(world, &failed);
}

static void expect(struct world *world, const struct record_filter *filter, const char *numbers)
{
    struct seen seen = { .count = 0 };
    char        text[SEEN_MAX * 4] = "";

    assert_int_equal(CALL(world, records, filter, see, &seen), ERR_none);
    for (size_t i = 0; i < seen.count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%d", i > 0 ? " " : "",
                 (int)seen.numbers[i]);
    assert_string_equal(text, numbers);
}

static void record_is_read_back(struct world *world)
{
    struct record        first = make(world, 1, RECORD_SCREENING, 7);
    struct record        found = { .number = 0 };
    struct store_numbers numbers;

    memset(first.body, 0xa5, sizeof first.body);
    first.body_size = LIMIT_RECORD_BODY_MAX;
    first.due_at_us = INT64_MAX;
    plan_record(world, &first);
    world_commit(world);
    assert_int_equal(CALL(world, record_by_id, RECORD_SCREENING, &first.id, &found), ERR_none);
    assert_memory_equal(&found, &first, sizeof found);
    memset(&found, 0, sizeof found);
    assert_int_equal(CALL(world, record_by_number, 1, &found), ERR_none);
    assert_memory_equal(&found, &first, sizeof found);
    assert_int_equal(CALL(world, record_by_id, RECORD_CASE, &first.id, &found), ERR_not_found);
    assert_int_equal(CALL(world, record_by_number, 2, &found), ERR_not_found);
    assert_int_equal(world->ops->numbers(world->store, &numbers), ERR_none);
    assert_int_equal(numbers.record, 1);
}
ON_EACH(record_is_read_back)

static void record_is_changed_by_version(struct world *world)
{
    struct record first = make(world, 1, RECORD_SUPPRESSION, 7);
    struct record next = first;
    struct record found = { .number = 0 };

    plan_record(world, &first);
    world_commit(world);
    next.version = 2;
    next.state = 2;
    next.about = 8;
    next.body_size = 0;
    memset(next.body, 0, sizeof next.body);
    plan_record(world, &next);
    world_commit(world);
    assert_int_equal(CALL(world, record_by_number, 1, &found), ERR_none);
    assert_memory_equal(&found, &next, sizeof found);
    /* Somebody who still knows the first version. */
    assert_int_equal(try_record(world, &next), ERR_changed_meanwhile);
    next.version = 4;
    assert_int_equal(try_record(world, &next), ERR_changed_meanwhile);
    next.version = 3;
    next.number = 9;
    assert_int_equal(try_record(world, &next), ERR_changed_meanwhile);
    assert_int_equal(CALL(world, record_by_number, 1, &found), ERR_none);
    assert_int_equal(found.version, 2);
}
ON_EACH(record_is_changed_by_version)

static void record_is_new_once(struct world *world)
{
    struct record first = make(world, 1, RECORD_CASE, 0);
    struct record again = first;

    plan_record(world, &first);
    world_commit(world);
    again.number = 2;
    assert_int_equal(try_record(world, &again), ERR_exists);
    again.number = 1;
    again.id = world_id(world);
    assert_int_equal(try_record(world, &again), ERR_exists);
    again.number = 2;
    again.id = first.id;
    again.kind = RECORD_CASE_ITEM; /* ids are of their kind */
    assert_int_equal(try_record(world, &again), ERR_none);
}
ON_EACH(record_is_new_once)

static void a_failed_group_leaves_no_record(struct world *world)
{
    struct record first = make(world, 1, RECORD_SETTING, 0);
    struct record wrong = make(world, 2, RECORD_SETTING, 0);
    struct record found;
    size_t        failed = 99;

    wrong.version = 2;
    plan_record(world, &first);
    plan_record(world, &wrong);
    assert_int_equal(world_try(world, &failed), ERR_changed_meanwhile);
    assert_int_equal(failed, 1);
    assert_int_equal(CALL(world, record_by_number, 1, &found), ERR_not_found);
}
ON_EACH(a_failed_group_leaves_no_record)

static void records_are_listed(struct world *world)
{
    static const int64_t about[] = { 7, 8, 7, 0, 7 };
    static const int64_t due[] = { 50, 0, 20, 20, 90 };
    struct record        rows[6];
    struct seen          seen = { .stop_at = 2 };

    for (int i = 0; i < 5; i++) {
        rows[i] = make(world, i + 1, RECORD_CASE, about[i]);
        rows[i].due_at_us = due[i];
        rows[i].state = i == 2 ? 2 : 1;
        plan_record(world, &rows[i]);
    }
    rows[5] = make(world, 6, RECORD_CASE_ITEM, 7);
    rows[5].due_at_us = 1;
    plan_record(world, &rows[5]);
    world_commit(world);
    expect(world, &(struct record_filter){ .kind = RECORD_CASE }, "5 4 3 2 1");
    expect(world, &(struct record_filter){ .kind = RECORD_CASE, .before_number = 4 }, "3 2 1");
    expect(world, &(struct record_filter){ .kind = RECORD_CASE, .state = 2 }, "3");
    expect(world, &(struct record_filter){ .kind = RECORD_CASE, .about = 7 }, "5 3 1");
    expect(
        world,
        &(struct record_filter){ .kind = RECORD_CASE, .about = 7, .before_number = 5, .state = 1 },
        "1");
    expect(world, &(struct record_filter){ .kind = RECORD_CASE, .due_before_us = 90 }, "3 4 1");
    expect(world, &(struct record_filter){ .kind = RECORD_CASE, .due_before_us = 91, .state = 1 },
           "4 1 5");
    expect(world, &(struct record_filter){ .kind = RECORD_CASE_ITEM }, "6");
    expect(world, &(struct record_filter){ .kind = RECORD_SETTING }, "");
    assert_int_equal(CALL(world, records,
                          &((struct record_filter){ .kind = RECORD_CASE, .due_before_us = 91 }),
                          see, &seen),
                     ERR_none);
    assert_int_equal(seen.count, 2);
}
ON_EACH(records_are_listed)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_record_is_read_back),
        cmocka_unit_test(test_record_is_changed_by_version),
        cmocka_unit_test(test_record_is_new_once),
        cmocka_unit_test(test_a_failed_group_leaves_no_record),
        cmocka_unit_test(test_records_are_listed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
