/* Packed profiles, the shelf that they lie on, and the ids that are known without asking, each
 * against a plain model. */
#include "bankd/profile.h"
#include "bankd/recent.h"
#include "bankd/shelf.h"
#include "tests/unit/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { KEYS = 100, SHELF_ENTRIES = 32, SHELF_BYTES = 64 * 100, BYTES_MAX = 400 };

struct model {
    bool              here;
    struct shelf_note note;
    size_t            n;
    uint8_t           bytes[BYTES_MAX];
};

/* The blocks that are fetched ahead are those of the entry, to the last and not beyond. */
static size_t expected_blocks(const struct shelf *shelf, int64_t key)
{
    uint32_t block;
    size_t   count = 1;

    shelf_expect(shelf, key);
    if (!shelf_expect_first(shelf, key, &block))
        return 0;
    for (; shelf_expect_next(shelf, block, &block); count++)
        assert_true(count < SHELF_BYTES);
    return count;
}

/* What is there is what was laid down, and what waits never leaves by itself. */
static void check_key(struct shelf *shelf, struct model *model, int64_t key)
{
    const struct shelf_note *note = shelf_note(shelf, key);
    uint8_t                  bytes[BYTES_MAX];

    if (note == NULL) {
        assert_int_equal(expected_blocks(shelf, key), 0);
        assert_true(!model->here || !model->note.waiting);
        model->here = false;
        return;
    }
    assert_true(model->here);
    assert_int_equal(expected_blocks(shelf, key), model->n == 0 ? 1 : (model->n + 59) / 60);
    assert_int_equal(note->last_sequence, model->note.last_sequence);
    assert_int_equal(note->waiting, model->note.waiting);
    assert_int_equal(shelf_read(shelf, key, bytes, sizeof bytes), model->n);
    assert_memory_equal(bytes, model->bytes, model->n);
}

static void lay_down(struct shelf *shelf, struct model *model, int64_t key, struct random *random)
{
    struct model new = { .here = true,
                         .note = { .last_sequence = (int64_t)random_below(random, 1000),
                                   .waiting = random_below(random, 4) == 0 },
                         .n = random_below(random, BYTES_MAX + 1) };

    for (size_t i = 0; i < new.n; i++)
        new.bytes[i] = (uint8_t)random_below(random, 256);
    if (shelf_put(shelf, key, &new.note, new.bytes, new.n))
        *model = new;
}

static void the_shelf_gives_back_what_it_got(void **state)
{
    static struct model models[KEYS];
    struct random       random = random_start("the_shelf_gives_back_what_it_got");
    struct shelf       *shelf = NULL;

    (void)state;
    assert_int_equal(shelf_open(SHELF_ENTRIES, SHELF_BYTES, &shelf), ERR_none);
    for (int i = 0; i < 50000; i++) {
        int64_t       key = (int64_t)random_below(&random, KEYS);
        struct model *model = &models[key];

        check_key(shelf, model, key);
        if (!model->here) {
            lay_down(shelf, model, key, &random);
        } else if (random_below(&random, 2) == 0) {
            shelf_remove(shelf, key);
            model->here = false;
            assert_null(shelf_note(shelf, key));
        } else {
            shelf_note(shelf, key)->waiting = false;
            model->note.waiting = false;
        }
        assert_true(shelf_count(shelf) <= SHELF_ENTRIES);
    }
    for (int64_t key = 0; key < KEYS; key++)
        check_key(shelf, &models[key], key);
    shelf_clear(shelf);
    assert_int_equal(shelf_count(shelf), 0);
    shelf_close(&shelf);
    assert_null(shelf);
}

static void a_shelf_of_what_waits_is_full(void **state)
{
    const struct shelf_note waits = { .waiting = true };
    struct shelf           *shelf = NULL;
    uint8_t                 bytes[60] = { 0 };
    int64_t                 key = 0;

    (void)state;
    assert_int_equal(shelf_open(100, 64 * 10, &shelf), ERR_none);
    while (shelf_put(shelf, key, &waits, bytes, sizeof bytes))
        key++;
    assert_int_equal(key, 10);
    assert_true(shelf_is_tight(shelf));
    shelf_note(shelf, 3)->waiting = false;
    assert_true(shelf_put(shelf, key, &waits, bytes, sizeof bytes));
    assert_null(shelf_note(shelf, 3));
    shelf_close(&shelf);
}

static void profiles_come_back_as_they_were(void **state)
{
    struct random        random = random_start("profiles_come_back_as_they_were");
    struct fraud_profile profile, back;
    struct fraud_event   event = { .unit = 100, .type = TYPE_TRANSFER, .at_us = 1 };
    uint8_t              bytes[LIMIT_PROFILE_BYTES];
    size_t               n;

    (void)state;
    fraud_profile_init(&profile);
    for (int i = 0; i < 3000; i++) {
        n = profile_pack(&profile, bytes);
        assert_true(n < sizeof bytes);
        assert_true(profile_unpack(bytes, n, &back));
        assert_memory_equal(&back, &profile, sizeof back);
        assert_false(profile_unpack(bytes, n - 1, &back));
        event.at_us += (int64_t)random_below(&random, (uint64_t)US_PER_DAY);
        event.amount = (int64_t)random_below(&random, 100000000);
        event.incoming = random_below(&random, 2) == 0;
        event.status = STATUS_COMPLETED;
        fraud_observe(&profile, &event, FRAUD_SUBJECT, 2 + (int64_t)random_below(&random, 500));
    }
    n = profile_pack(&profile, bytes);
    bytes[n] = 1;
    assert_false(profile_unpack(bytes, n + 1, &back));
    assert_false(profile_unpack(bytes, 3, &back));
    memcpy(bytes, profile.bytes, sizeof profile.bytes); /* as they were saved before */
    assert_true(profile_unpack(bytes, sizeof profile.bytes, &back));
    assert_memory_equal(&back, &profile, sizeof back);
    memset(bytes, 0xff, sizeof bytes);
    assert_false(profile_unpack(bytes, sizeof bytes, &back));
    assert_false(profile_unpack(bytes, 500, &back));
}

static struct uuid id_of(int64_t at_us, uint8_t last)
{
    uint8_t tail[10] = { 0 };

    tail[9] = last;
    return uuid_v7_derived(at_us, tail);
}

static void an_id_in_use_is_always_known(void **state)
{
    struct random  random = random_start("an_id_in_use_is_always_known");
    struct recent *recent = NULL;
    struct uuid    before = id_of(INT64_C(1000000000), 0);
    int64_t        known = 0;

    (void)state;
    assert_int_equal(recent_open(&recent), ERR_none);
    recent_raise(recent, &before);
    assert_true(recent_may_have(recent, &before, 5));
    for (int64_t i = 1; i < 100000; i++) {
        int64_t     at_us = 1000000000 + i * 1000;
        struct uuid id = id_of(at_us, 1);
        int64_t     past = (int64_t)random_below(&random, (uint64_t)i);
        struct uuid older = id_of(1000000000 + past * 1000, 1);

        if (recent_may_have(recent, &id, i))
            known++;
        recent_add(recent, &id, i);
        assert_true(recent_may_have(recent, &id, i));
        assert_true(recent_may_have(recent, &older, past));
    }
    assert_int_equal(known, 0);
    before = id_of(INT64_C(2000000000) * 1000, 0);
    assert_false(recent_may_have(recent, &before, 7000000));
    assert_true(recent_may_have(recent, &before, 0)); /* a key that cannot be remembered */
    recent_close(&recent);
    assert_null(recent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shelf_gives_back_what_it_got),
        cmocka_unit_test(a_shelf_of_what_waits_is_full),
        cmocka_unit_test(profiles_come_back_as_they_were),
        cmocka_unit_test(an_id_in_use_is_always_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
