/* What every store must do with alerts: listed newest first, of an account, in the order of what
 * they may cost; as they stand at the moment that is asked for, when locks and snoozes have ended;
 * with their hits; and one that was changed meanwhile is not overwritten. */
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

enum { SEEN_MAX = 64, TAKER = 3 };

struct seen {
    size_t           count;
    size_t           stop_at; /* rows; 0 = never */
    char             text[256];
    struct alert_hit hits[SEEN_MAX];
};

static bool see(void *context, const void *row)
{
    struct seen *seen = context;
    size_t       n = strlen(seen->text);

    snprintf(seen->text + n, sizeof seen->text - n, "%s%d", n > 0 ? " " : "",
             (int)((const struct alert *)row)->number);
    return ++seen->count != seen->stop_at;
}

static void expect(struct world *world, const struct alert_filter *filter, const char *numbers)
{
    struct seen seen = { .count = 0 };

    assert_int_equal(CALL(world, alerts, filter, see, &seen), ERR_none);
    assert_string_equal(seen.text, numbers);
}

static struct alert *plan_alert(struct world *world, int64_t number, int64_t account, int32_t state)
{
    struct plan *plan = world_plan(world);

    plan->alert = (struct alert){ .number = number,
                                  .alert_id = world_id(world),
                                  .transaction = number,
                                  .account = account,
                                  .state = state,
                                  .version = 1,
                                  .hits = 1,
                                  .created_at_us = number * 100 };
    plan->change.alert = &plan->alert;
    plan->hit =
        (struct alert_hit){ .alert = number, .number = 1, .transaction = number, .at_us = 5 };
    plan->change.hit = &plan->hit;
    return &plan->alert;
}

static void alerts_are_found(struct world *world)
{
    struct plan *plan;

    plan_alert(world, 1, 7, ALERT_OPEN);
    plan_alert(world, 2, 8, ALERT_TAKEN);
    plan_alert(world, 3, 7, ALERT_DECIDED);
    plan_alert(world, 4, 7, ALERT_OPEN);
    world_commit(world);
    expect(world, &(struct alert_filter){ 0 }, "4 3 2 1");
    expect(world, &(struct alert_filter){ .undecided = true }, "4 2 1");
    expect(world, &(struct alert_filter){ .undecided = true, .before_number = 4 }, "2 1");
    expect(world, &(struct alert_filter){ .account = 7 }, "4 3 1");
    expect(world, &(struct alert_filter){ .account = 7, .before_number = 4 }, "3 1");
    expect(world, &(struct alert_filter){ .account = 7, .undecided = true }, "4 1");
    expect(world, &(struct alert_filter){ .state = ALERT_OPEN }, "4 1");
    expect(world, &(struct alert_filter){ .state = ALERT_DECIDED }, "3");
    expect(world, &(struct alert_filter){ .from_us = 200, .to_us = 400 }, "3 2");

    plan = world_plan(world);
    assert_int_equal(CALL(world, alert_by_transaction, 4, &plan->alert), ERR_none);
    plan->alert.state = ALERT_DECIDED;
    plan->alert.decision = DECISION_FALSE_POSITIVE;
    plan->alert.decided_by = 3;
    plan->alert.version++;
    snprintf(plan->alert.note, sizeof plan->alert.note, "checked by phone");
    plan->change.alert_update = &plan->alert;
    world_commit(world);
    expect(world, &(struct alert_filter){ .undecided = true }, "2 1");
    assert_int_equal(CALL(world, alert_by_transaction, 4, &plan->alert), ERR_none);
    assert_int_equal(plan->alert.decided_by, 3);
    assert_int_equal(plan->alert.version, 2);
    assert_string_equal(plan->alert.note, "checked by phone");
}
ON_EACH(alerts_are_found)

/* Two equal ones, so that the order among them and the way on behind one of them is seen. */
static void queue_is_ordered_by_loss(struct world *world)
{
    static const int64_t urgencies[] = { 50, INT64_MAX, 70, 0, 70, 60, 0 };
    struct seen          seen = { .stop_at = 2 };

    for (int64_t i = 1; i <= 7; i++)
        plan_alert(world, i, 7, i == 6 ? ALERT_DECIDED : ALERT_OPEN)->urgency = urgencies[i - 1];
    world_commit(world);
    expect(world, &(struct alert_filter){ .by_loss = true, .below_urgency = INT64_MAX },
           "2 3 5 1 4 7");
    expect(
        world,
        &(struct alert_filter){ .by_loss = true, .below_urgency = INT64_MAX, .behind_number = 2 },
        "3 5 1 4 7");
    expect(world,
           &(struct alert_filter){ .by_loss = true, .below_urgency = 70, .behind_number = 3 },
           "5 1 4 7");
    expect(world, &(struct alert_filter){ .by_loss = true, .below_urgency = 0, .behind_number = 4 },
           "7");
    expect(world, &(struct alert_filter){ .by_loss = true, .below_urgency = 0, .behind_number = 7 },
           "");
    assert_int_equal(CALL(world, alerts,
                          &((struct alert_filter){ .by_loss = true, .below_urgency = INT64_MAX }),
                          see, &seen),
                     ERR_none);
    assert_string_equal(seen.text, "2 3");
}
ON_EACH(queue_is_ordered_by_loss)

/* At 1000 the lock of the second and the snooze of the third end. */
static void locks_and_snoozes_end(struct world *world)
{
    struct alert *alert;

    plan_alert(world, 1, 7, ALERT_OPEN);
    alert = plan_alert(world, 2, 7, ALERT_TAKEN);
    alert->lock_until_us = 1000;
    alert->assigned_to = TAKER;
    plan_alert(world, 3, 7, ALERT_SNOOZED)->snoozed_until_us = 1000;
    world_commit(world);
    expect(world, &(struct alert_filter){ .now_us = 999, .state = ALERT_OPEN }, "1");
    expect(world, &(struct alert_filter){ .now_us = 999, .state = ALERT_TAKEN }, "2");
    expect(world, &(struct alert_filter){ .now_us = 999, .state = ALERT_SNOOZED }, "3");
    expect(world, &(struct alert_filter){ .now_us = 999, .snoozed = 1 }, "3");
    expect(world, &(struct alert_filter){ .now_us = 999, .snoozed = 2 }, "2 1");
    expect(world, &(struct alert_filter){ .now_us = 999, .mine = 1, .user = TAKER }, "2");
    expect(world, &(struct alert_filter){ .now_us = 999, .mine = 1, .user = TAKER + 1 }, "");
    expect(world, &(struct alert_filter){ .now_us = 999, .mine = 2, .user = TAKER }, "3 1");
    expect(world, &(struct alert_filter){ .now_us = 1000, .state = ALERT_OPEN }, "3 2 1");
    expect(world, &(struct alert_filter){ .now_us = 1000, .state = ALERT_TAKEN }, "");
    expect(world, &(struct alert_filter){ .now_us = 1000, .mine = 1, .user = TAKER }, "");
    expect(world, &(struct alert_filter){ .now_us = 1000, .snoozed = 1 }, "");
    expect(world, &(struct alert_filter){ .now_us = 1000, .undecided = true }, "3 2 1");
}
ON_EACH(locks_and_snoozes_end)

static void a_changed_alert_is_not_overwritten(struct world *world)
{
    static const int64_t tries[] = { 0, 1, 3, 2, 2 };
    struct plan         *plan;
    struct alert         first;
    size_t               failed;

    first = *plan_alert(world, 1, 7, ALERT_OPEN);
    world_commit(world);
    for (size_t i = 0; i < ARRAY_COUNT(tries); i++) {
        plan = world_plan(world);
        plan->alert = first;
        plan->alert.version = tries[i];
        plan->alert.notes = tries[i];
        plan->change.alert_update = &plan->alert;
        assert_int_equal(world_try(world, &failed), i == 3 ? ERR_none : ERR_changed_meanwhile);
    }
    assert_int_equal(CALL(world, alert_by_id, &first.alert_id, &first), ERR_none);
    assert_int_equal(first.notes, 2);
    /* Two versions in one group follow each other. */
    for (int64_t version = 3; version <= 4; version++) {
        plan = world_plan(world);
        plan->alert = first;
        plan->alert.version = version;
        plan->change.alert_update = &plan->alert;
    }
    world_commit(world);
}
ON_EACH(a_changed_alert_is_not_overwritten)

/* --- hits ------------------------------------------------------------------------------------ */

static bool see_hit(void *context, const void *row)
{
    struct seen *seen = context;

    CHECK(seen->count < SEEN_MAX);
    seen->hits[seen->count++] = *(const struct alert_hit *)row;
    return seen->count != seen->stop_at;
}

static void expect_hits(struct world *world, int64_t alert, const struct alert_hit *expected,
                        size_t count)
{
    struct seen seen = { .count = 0 };

    assert_int_equal(CALL(world, alert_hits, alert, see_hit, &seen), ERR_none);
    assert_int_equal(seen.count, count);
    for (size_t i = 0; i < count; i++)
        assert_memory_equal(&seen.hits[i], &expected[i], sizeof expected[i]);
}

static void put_hit(struct world *world, const struct alert_hit *hit)
{
    struct plan *plan = world_plan(world);

    plan->hit = *hit;
    plan->change.hit = &plan->hit;
}

static void expect_alerted_until(struct world *world, int64_t sequence, int64_t expected)
{
    int64_t found = -1;

    assert_int_equal(CALL(world, alerted_until, sequence, &found), ERR_none);
    assert_int_equal(found, expected);
}

static void hits_are_read_back(struct world *world)
{
    struct alert_hit hits[] = {
        { .alert = 1, .number = 1, .transaction = 1, .at_us = 5 },
        { .alert = 1, .number = 2, .transaction = 9, .at_us = 6, .loss = 7, .score = 8 },
        { .alert = 2, .number = 1, .transaction = 2, .at_us = 5 },
        { .alert = 2, .number = 2, .transaction = 8, .at_us = INT64_MAX, .loss = INT64_MAX },
    };
    struct alert alert;
    struct seen  seen = { .stop_at = 3 };
    size_t       failed;

    plan_alert(world, 1, 7, ALERT_OPEN);
    plan_alert(world, 2, 7, ALERT_OPEN);
    put_hit(world, &hits[3]);
    put_hit(world, &hits[1]);
    world_commit(world);
    expect_hits(world, 0, hits, 4);
    expect_hits(world, 1, hits, 2);
    expect_hits(world, 2, hits + 2, 2);
    expect_hits(world, 3, hits, 0);
    assert_int_equal(CALL(world, alert_hits, 0, see_hit, &seen), ERR_none);
    assert_int_equal(seen.count, 3);
    assert_int_equal(CALL(world, alert_by_transaction, 9, &alert), ERR_none);
    assert_int_equal(alert.number, 1);
    assert_int_equal(CALL(world, alert_by_transaction, 8, &alert), ERR_none);
    assert_int_equal(alert.number, 2);
    expect_alerted_until(world, INT64_MAX, 9);
    expect_alerted_until(world, 9, 9);
    expect_alerted_until(world, 8, 8);
    expect_alerted_until(world, 7, 2);
    expect_alerted_until(world, 1, 1);
    expect_alerted_until(world, 0, 0);

    hits[1].finding = DECISION_CONFIRMED_FRAUD;
    hits[1].decided_at_us = 11;
    hits[1].status_before = STATUS_HELD;
    hits[1].flagged_before = 1;
    hits[1].label_before = 2;
    put_hit(world, &hits[1]);
    world_commit(world);
    expect_hits(world, 1, hits, 2);

    /* A group that fails leaves no hit, new or changed. */
    struct alert_hit other = { .alert = 2, .number = 3, .transaction = 77, .at_us = 1 };
    struct alert_hit taken = { .alert = 2, .number = 4, .transaction = 9, .at_us = 1 };
    struct alert_hit moved = hits[1];

    moved.finding = 0;
    put_hit(world, &other);
    put_hit(world, &moved);
    put_hit(world, &taken);
    assert_int_equal(world_try(world, &failed), ERR_exists);
    assert_int_equal(failed, 2);
    expect_hits(world, 0, hits, 4);
}
ON_EACH(hits_are_read_back)

static void findings_are_withdrawn(struct world *world)
{
    struct plan *plan = world_plan(world);
    struct label label;

    plan->label = (struct label){ .transaction = 4, .fraud = true, .known_at_us = 9 };
    plan->change.label = &plan->label;
    world_commit(world);
    assert_int_equal(CALL(world, label_by_transaction, 4, &label), ERR_none);
    assert_true(label.fraud && !label.withdrawn);
    plan = world_plan(world);
    plan->label = (struct label){ .transaction = 4, .withdrawn = true, .known_at_us = 9 };
    plan->change.label = &plan->label;
    world_commit(world);
    assert_int_equal(CALL(world, label_by_transaction, 4, &label), ERR_none);
    assert_true(!label.fraud && label.withdrawn);
    assert_int_equal(label.known_at_us, 9);
}
ON_EACH(findings_are_withdrawn)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alerts_are_found),
        cmocka_unit_test(test_queue_is_ordered_by_loss),
        cmocka_unit_test(test_locks_and_snoozes_end),
        cmocka_unit_test(test_a_changed_alert_is_not_overwritten),
        cmocka_unit_test(test_hits_are_read_back),
        cmocka_unit_test(test_findings_are_withdrawn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
